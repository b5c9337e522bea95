import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { z } from 'zod';
import type { CommandAccepted, CommandOutcome, CommandRefused } from '../../decider/command-outcome.ts';
import { fact, refuse } from '../../decider/decision.ts';
import { defineCommand } from '../../decider/define-command.ts';
import { defineDecider } from '../../decider/define-decider.ts';
import type { SnapshotOptions } from '../../decider/define-decider.ts';
import { ofQuery, ofStream } from '../../decider/parts.ts';
import { defineEvent } from '../../event/define-event.ts';

const moved = z.object({ account: z.string(), amount: z.number() });
const stream = ({ account }: { account: string }) => `account-${account}`;
const tags = ({ account }: { account: string }) => [`holder:${account.slice(0, 1)}`];

export const Deposited = defineEvent({ type: 'contract.money.deposited', schema: moved, stream, tags });
export const Withdrawn = defineEvent({ type: 'contract.money.withdrawn', schema: moved, stream, tags });
export const Overdrawn = defineEvent({ type: 'contract.account.overdrawn', schema: moved, stream });

export const Deposit = defineCommand({ name: 'contract.deposit', schema: moved, stream });
export const Withdraw = defineCommand({ name: 'contract.withdraw', schema: moved, stream });
/** Comes to nothing. */
export const Look = defineCommand({ name: 'contract.look', schema: z.object({ account: z.string() }), stream });
/** Takes everything out, coin by coin. */
export const Empty = defineCommand({ name: 'contract.empty', schema: z.object({ account: z.string() }), stream });

export interface Account {
  readonly balance: number;
  readonly moves: number;
}

/** Its invariant: nobody has less than nothing. */
export function accounts(options: { snapshot?: SnapshotOptions; version?: number; attempts?: number } = {}) {
  return defineDecider({
    ...options,
    name: 'account',
    initial: (): Account => ({ balance: 0, moves: 0 }),
    evolve: [
      [Deposited, (state, { data }) => ({ balance: state.balance + data.amount, moves: state.moves + 1 })],
      [Withdrawn, (state, { data }) => ({ balance: state.balance - data.amount, moves: state.moves + 1 })],
    ],
    publishes: [Deposited, Withdrawn, Overdrawn],
    decide: [
      [Deposit, (_state, { data }) => (data.amount > 0 ? fact(Deposited, data) : refuse('not-positive'))],
      [
        Withdraw,
        (state, { data }) =>
          data.amount <= state.balance
            ? fact(Withdrawn, data)
            : refuse('not-covered', `there are ${state.balance}`, {
                details: { balance: state.balance },
                record: data.amount > 1_000 ? fact(Overdrawn, data) : [],
              }),
      ],
      [Look, () => undefined],
      [
        Empty,
        (state, { data }) =>
          Array.from({ length: state.balance }, () => fact(Withdrawn, { account: data.account, amount: 1 })),
      ],
    ],
  });
}

export const Transfer = defineCommand({
  name: 'contract.transfer',
  schema: z.object({ from: z.string(), to: z.string(), amount: z.number() }),
});

/** From one account to another: both or none. */
export function transfers(account: ReturnType<typeof accounts>) {
  return defineDecider({
    name: 'transfer',
    across: {
      from: ofStream(account, ({ from }: { from: string }) => `account-${from}`),
      to: ofStream(account, ({ to }: { to: string }) => `account-${to}`),
    },
    decide: [
      [
        Transfer,
        ({ from }, { data }) =>
          data.amount <= from.balance
            ? [
                fact(Withdrawn, { account: data.from, amount: data.amount }),
                fact(Deposited, { account: data.to, amount: data.amount }),
              ]
            : refuse('not-covered'),
      ],
    ],
  });
}

export const Grant = defineCommand({
  name: 'contract.grant',
  schema: z.object({ account: z.string(), amount: z.number(), most: z.number() }),
});

/** At most so much for all accounts of a holder together. */
export const grants = defineDecider({
  name: 'grant',
  across: {
    held: ofQuery({
      initial: () => 0,
      evolve: [
        [Deposited, (sum, { data }) => sum + data.amount],
        [Withdrawn, (sum, { data }) => sum - data.amount],
      ],
      tags: ({ account }: { account: string }) => [`holder:${account.slice(0, 1)}`],
    }),
  },
  decide: [
    [
      Grant,
      ({ held }, { data: { most, ...data } }) =>
        held + data.amount <= most ? fact(Deposited, data) : refuse('enough'),
    ],
  ],
});

const Dawdled = defineEvent({
  type: 'contract.time.dawdled',
  schema: z.object({ n: z.number() }).refine(async () => {
    await nextTurn();
    return true;
  }),
  stream: () => 'slow-1',
});
export const Dawdle = defineCommand({
  name: 'contract.dawdle',
  schema: z.object({ n: z.number() }),
  stream: () => 'slow-1',
});

/** Its facts are checked by a schema that takes its time. At most thirty. */
export const slowly = defineDecider({
  name: 'slow',
  initial: () => ({ n: 0 }),
  evolve: [[Dawdled, (state, { data }) => ({ n: state.n + data.n })]],
  decide: [
    [
      Dawdle,
      (state, { data }) => {
        if (state.n >= 30) return refuse('enough');
        if (data.n === 9) return fact(Overdrawn, { account: 'a', amount: 1 });
        if (data.n === 10) return Promise.reject(new Error('too late')) as unknown as undefined;
        return fact(Dawdled, data, data.n === 7 ? { id: 'seven' } : data.n === 8 ? { causationid: 'eight' } : {});
      },
    ],
  ],
});

export function accepted<State = unknown>(outcome: CommandOutcome<State>): CommandAccepted<State> {
  assert.ok(outcome.accepted, `the command was to be accepted, found ${JSON.stringify(outcome)}`);
  return outcome;
}

export function refusedFor(outcome: CommandOutcome): CommandRefused {
  assert.ok(!outcome.accepted, `the command was to be refused, found ${JSON.stringify(outcome)}`);
  return outcome;
}
