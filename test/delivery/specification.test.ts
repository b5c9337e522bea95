import assert, { AssertionError } from 'node:assert/strict';
import { describe, test } from 'vitest';
import { z } from 'zod';
import {
  defineCommand,
  defineDecider,
  defineEvent,
  defineProjection,
  fact,
  ofQuery,
  ofStream,
  refuse,
} from 'thereupon';
import { memory } from 'thereupon/memory';
import { given, givenIn, interceptedFactory } from 'thereupon/testing';
import type { AppendRequest } from '../../src/channel/event-log.ts';
import type { StoreFactory } from '../../src/store.ts';
import type { CommandSpecification } from '../../src/testing/decider-specification.ts';

const amount = z.object({ account: z.string(), amount: z.number(), currency: z.string().default('EUR') });
const stream = ({ account }: { account: string }) => `account-${account}`;
const tags = ({ account }: { account: string }) => [`holder:${account.slice(0, 1)}`];

const Deposited = defineEvent({ type: 'bank.money.deposited', schema: amount, stream, tags });
const Withdrawn = defineEvent({ type: 'bank.money.withdrawn', schema: amount, stream, tags });
const Overdrawn = defineEvent({ type: 'bank.account.overdrawn', schema: amount, stream });
const Closed = defineEvent({
  type: 'bank.account.closed',
  schema: z.object({ account: z.string(), at: z.string() }),
  stream,
});

const Withdraw = defineCommand({ name: 'bank.withdraw', schema: amount, stream });
const Close = defineCommand({ name: 'bank.close', schema: z.object({ account: z.string() }), stream });
const Transfer = defineCommand({
  name: 'bank.transfer',
  schema: z.object({ from: z.string(), to: z.string(), amount: z.number() }),
});
const Grant = defineCommand({ name: 'bank.grant', schema: z.object({ account: z.string(), amount: z.number() }) });

interface State {
  readonly balance: number;
  readonly isClosed: boolean;
}

const account = defineDecider({
  name: 'account',
  initial: (): State => ({ balance: 0, isClosed: false }),
  evolve: [
    [Deposited, (state, { data }) => ({ ...state, balance: state.balance + data.amount })],
    [Withdrawn, (state, { data }) => ({ ...state, balance: state.balance - data.amount })],
    [Closed, (state) => ({ ...state, isClosed: true })],
  ],
  publishes: [Withdrawn, Closed, Overdrawn],
  decide: [
    [
      Withdraw,
      (state, { data }) =>
        data.amount <= state.balance
          ? fact(Withdrawn, data)
          : refuse('not-covered', `there are ${state.balance}`, {
              record: data.amount > 100 ? fact(Overdrawn, data) : [],
            }),
    ],
    [
      Close,
      // Refuses when it is told twice: the second time it has to be known by its id.
      (state, { data, time }) =>
        state.isClosed
          ? refuse('closed')
          : [
              ...(state.balance === 0 ? [] : [fact(Withdrawn, { account: data.account, amount: state.balance })]),
              fact(Closed, { account: data.account, at: time }),
            ],
    ],
  ],
});

const transfers = defineDecider({
  name: 'transfers',
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

const grants = defineDecider({
  name: 'grants',
  across: {
    held: ofQuery({
      initial: () => 0,
      evolve: [[Deposited, (sum, { data }) => sum + data.amount]],
      tags: (data: { account: string }) => [`holder:${data.account.slice(0, 1)}`],
    }),
  },
  decide: [[Grant, ({ held }, { data }) => (held + data.amount > 10 ? refuse('enough') : fact(Deposited, data))]],
});

const balances = defineProjection({
  name: 'balances',
  key: ({ data }) => data.account,
  initial: () => ({ balance: 0, moves: 0 }),
  on: [
    [Deposited, (row, { data }) => ({ balance: row.balance + data.amount, moves: row.moves + 1 })],
    [Withdrawn, (row, { data }) => ({ balance: row.balance - data.amount, moves: row.moves + 1 })],
    [Closed, () => undefined],
  ],
});

const deposited = [Deposited, { account: 'a', amount: 5 }] as const;

async function failureOf(specification: Promise<void>): Promise<AssertionError> {
  const error: unknown = await specification.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof AssertionError, `expected an AssertionError, found ${String(error)}`);
  return error;
}

describe('a specification of a decider', () => {
  test('says what is recorded, in its order, with what the schema fills in', async () => {
    await given(account, deposited)
      .when(Withdraw, { account: 'a', amount: 3 })
      .then([Withdrawn, { account: 'a', amount: 3 }]);
    await givenIn({ now: '2024-02-29T12:00:00Z' })(account, deposited)
      .when(Close, { account: 'a' })
      .then(
        [Withdrawn, { account: 'a', amount: 5, currency: 'EUR' }],
        [Closed, { account: 'a', at: '2024-02-29T12:00:00.000Z' }],
      );
  });

  test('says the state: after a command, and of what is given alone', async () => {
    await given(account, deposited)
      .when(Withdraw, { account: 'a', amount: 3 })
      .thenState({ balance: 2, isClosed: false });
    await given(account, deposited, deposited, [Deposited, { account: 'b', amount: 1 }])
      .when(Withdraw, { account: 'a', amount: 10 })
      .thenState({ balance: 0, isClosed: false });
    await given(account, deposited, deposited).thenState({ balance: 10, isClosed: false });
  });

  test('says why a command is refused, and what is recorded of that', async () => {
    await given(account).when(Withdraw, { account: 'a', amount: 3 }).thenRefused('not-covered');
    await given(account, [Closed, { account: 'a', at: '2024-01-01T00:00:00Z' }])
      .when(Close, { account: 'a' })
      .thenRefused('closed');
    await given(account)
      .when(Withdraw, { account: 'a', amount: 300 })
      .thenRefused('not-covered', [Overdrawn, { account: 'a', amount: 300 }]);
  });

  test('says that nothing comes of a command', async () => {
    const Look = defineCommand({ name: 'bank.look', schema: z.object({ account: z.string() }), stream });
    const looking = defineDecider({
      name: 'looking',
      category: 'account',
      initial: () => 0,
      evolve: [[Deposited, (sum, { data }) => sum + data.amount]],
      decide: [[Look, () => undefined]],
    });
    await given(looking).when(Look, { account: 'a' }).thenNothing();
    await given(looking).when(Look, { account: 'a' }).thenState(0);
    await given(looking, deposited).when(Look, { account: 'a' }).thenState(5);
  });

  test('is of several streams, or of a query, as of one', async () => {
    await given(transfers, deposited)
      .when(Transfer, { from: 'a', to: 'b', amount: 2 })
      .then([Withdrawn, { account: 'a', amount: 2 }], [Deposited, { account: 'b', amount: 2 }]);
    await given(transfers, deposited)
      .when(Transfer, { from: 'a', to: 'b', amount: 2 })
      .thenState({ from: { balance: 3, isClosed: false }, to: { balance: 2, isClosed: false } });
    await given(transfers).when(Transfer, { from: 'a', to: 'b', amount: 2 }).thenRefused('not-covered');
    await given(grants, deposited, [Deposited, { account: 'a2', amount: 5 }])
      .when(Grant, { account: 'a3', amount: 1 })
      .thenRefused('enough');
    await given(grants, deposited, [Deposited, { account: 'b', amount: 5 }])
      .when(Grant, { account: 'a3', amount: 5 })
      .then([Deposited, { account: 'a3', amount: 5 }]);
  });

  test('fails with both sides when something else is recorded', async () => {
    const failure = await failureOf(
      given(account, deposited)
        .when(Withdraw, { account: 'a', amount: 3 })
        .then([Withdrawn, { account: 'a', amount: 4 }]),
    );
    assert.match(failure.message, /^expected bank\.withdraw to record\n.*amount: 4.*\nfound\n.*amount: 3/s);
    assert.doesNotMatch(failure.message, /doubled/);
    assert.deepEqual(failure.expected, [{ type: Withdrawn.type, data: { account: 'a', amount: 4, currency: 'EUR' } }]);
    assert.deepEqual(failure.actual, [{ type: Withdrawn.type, data: { account: 'a', amount: 3, currency: 'EUR' } }]);
  });

  test('fails when the order, the outcome, the reason or the state is another one', async () => {
    const close = given(account, deposited).when(Close, { account: 'a' });
    const closed = [Closed, { account: 'a', at: '2026-01-01T00:00:00.000Z' }] as const;
    const withdrawn = [Withdrawn, { account: 'a', amount: 5 }] as const;
    await close.then(withdrawn, closed);
    await failureOf(close.then(closed, withdrawn));
    await failureOf(close.then(withdrawn));
    assert.match((await failureOf(close.thenNothing())).message, /record\n {2}nothing\nfound\n/);
    assert.match(
      (await failureOf(close.thenRefused('closed'))).message,
      /to be\n {2}refused: closed\nfound\n {2}accepted: bank\.money\.withdrawn, bank\.account\.closed/,
    );
    const withdraw = given(account, deposited).when(Withdraw, { account: 'a', amount: 300 });
    assert.match((await failureOf(withdraw.thenNothing())).message, /found\n {2}refused: not-covered \(there are 5\)/);
    assert.match((await failureOf(withdraw.thenState({ balance: 5, isClosed: false }))).message, /accepted/);
    await failureOf(withdraw.thenRefused('closed', [Overdrawn, { account: 'a', amount: 300 }]));
    await failureOf(withdraw.thenRefused('not-covered'));
    await failureOf(close.thenState({ balance: 1, isClosed: true }));
    await failureOf(given(account, deposited).thenState({ balance: 1, isClosed: false }));
  });

  test('hands on what is no outcome: data that does not fit, a command of nobody', async () => {
    // @ts-expect-error: the amount is missing
    await assert.rejects(given(account).when(Withdraw, { account: 'a' }).thenNothing(), /data\.amount/);
    await assert.rejects(
      given(account).when(Transfer, { from: 'a', to: 'b', amount: 1 }).thenNothing(),
      /bank\.transfer/,
    );
    await assert.rejects(given(account).thenState({ balance: 0, isClosed: false }), /found none/);
    await assert.rejects(given(transfers, deposited).thenState({ from: NOBODY, to: NOBODY }), /give it a command/);
  });

  test('that expects nothing does not compile, and fails where nobody compiles', async () => {
    const forgotten: object = given(account, deposited).when(Close, { account: 'a' });
    await assert.rejects(Promise.resolve(forgotten), /expects nothing; end it with then/);
  });
});

const NOBODY: State = { balance: 0, isClosed: false };

describe('a specification of a projection', () => {
  test('says its rows, and which are not there', async () => {
    const history = [
      deposited,
      [Withdrawn, { account: 'a', amount: 2 }],
      [Deposited, { account: 'b', amount: 1 }],
    ] as const;
    await given(balances, ...history).thenRow('a', { balance: 3, moves: 2 });
    await given(balances, ...history).thenNoRow('c');
    await given(balances, ...history).thenRows({ a: { balance: 3, moves: 2 }, b: { balance: 1, moves: 1 } });
    await given(balances, ...history, [Closed, { account: 'a', at: '2024-01-01' }]).thenNoRow('a');
  });

  test('fails with both sides, and with what there is instead', async () => {
    const rows = given(balances, deposited);
    const failure = await failureOf(rows.thenRow('a', { balance: 6, moves: 1 }));
    assert.match(failure.message, /^expected row a of balances to be\n.*balance: 6.*\nfound\n.*balance: 5/s);
    assert.match((await failureOf(rows.thenRow('b', { balance: 0, moves: 0 }))).message, /none; there are a/);
    await failureOf(rows.thenNoRow('a'));
    await failureOf(rows.thenRows({}));
  });

  test('tells which event a projection failed with, and why', async () => {
    const failing = defineProjection({
      name: 'failing',
      key: ({ data }) => data.account,
      initial: () => ({}),
      on: [
        [
          Deposited,
          () => {
            throw new Error('no such currency');
          },
        ],
      ],
    });
    const { message } = await failureOf(given(failing, deposited).thenNoRow('a'));
    assert.equal(message, 'projection failing failed with bank.money.deposited of account-a: no such currency');
  });
});

describe('the doubled run', () => {
  const known = (store: () => StoreFactory) => givenIn({ store });

  /** Forgets which events it has: one that is told again is recorded again. */
  const recordsTwice = () => {
    let appended = 0;
    return interceptedFactory(memory(), async (call) => {
      const [request] = call.input as readonly [AppendRequest?];
      if (call.port === 'log' && call.method === 'append' && request !== undefined) {
        appended += 1;
        const events = request.events.map((event) => ({ ...event, id: `${event.id} ${appended}` }));
        (call.input as unknown[])[0] = { ...request, events };
      }
      return call.proceed();
    });
  };

  /** Forgets which commands were executed. */
  const forgetsCommands = () =>
    interceptedFactory(memory(), async (call) => {
      const [request] = call.input as readonly [AppendRequest?];
      if (call.port === 'log' && call.method === 'append' && request?.command !== undefined) {
        const { command: _, ...rest } = request;
        (call.input as unknown[])[0] = rest;
      }
      return call.proceed();
    });

  test('fails on a store that records twice what is told twice', async () => {
    const specify = known(recordsTwice);
    const state = await failureOf(specify(account, deposited).thenState({ balance: 5, isClosed: false }));
    assert.match(state.message, /^in the doubled run .* expected the same as in the run as written\n.*balance: 5/s);
    assert.match(state.message, /found\n.*balance: 10/s);
    const row = await failureOf(specify(balances, deposited).thenRow('a', { balance: 5, moves: 1 }));
    assert.match(row.message, /^in the doubled run/);
    // Also where the state does not show it: the stream is longer.
    const closed = specify(account, [Closed, { account: 'a', at: '2024-01-01' }]);
    assert.match((await failureOf(closed.when(Close, { account: 'a' }).thenRefused('closed'))).message, /doubled/);
  });

  test('fails on a store that executes a command again', async () => {
    const close = known(forgetsCommands)(account).when(Close, { account: 'a' });
    const { message } = await failureOf(close.thenState({ balance: 0, isClosed: true }));
    assert.match(message, /^in the doubled run .*refused: undefined.*found.*reason: 'closed'/s);
  });

  test('fails when what comes of an event depends on how often somebody looked', async () => {
    let looks = 0;
    const moody = defineProjection({
      name: 'moody',
      key: ({ data }) => data.account,
      initial: () => ({ looks: 0 }),
      on: [[Deposited, () => ({ looks: (looks += 1) })]],
    });
    assert.match((await failureOf(given(moody, deposited).thenRow('a', { looks: 1 }))).message, /doubled/);
    assert.equal(looks, 2);
  });

  test('tells of an error that only it meets', async () => {
    let decided = 0;
    const Once = defineCommand({ name: 'bank.once', schema: z.object({ account: z.string() }), stream });
    const impatient = defineDecider({
      name: 'account',
      initial: () => 0,
      evolve: [[Deposited, (sum, { data }) => sum + data.amount]],
      decide: [
        [
          Once,
          (_sum, { data }) => {
            decided += 1;
            if (decided > 1) throw new Error('asked before');
            return fact(Deposited, { ...data, amount: 1 });
          },
        ],
      ],
    });
    const failure = await failureOf(given(impatient).when(Once, { account: 'a' }).thenState(1));
    assert.match(failure.message, /^in the doubled run .* there was an error: .*asked before/);
  });
});

/** Nothing here runs: each of these is a mistake that the compiler has to find. */
export async function mistakes(): Promise<void> {
  const asked: CommandSpecification<State> = given(account).when(Close, { account: 'a' });
  // @ts-expect-error: nothing is expected yet
  // oxlint-disable-next-line typescript/await-thenable
  await asked;
  // @ts-expect-error: the fact has no such field
  await asked.then([Closed, { account: 'a', on: 'x' }]);
  // @ts-expect-error: the state has no such field
  await asked.thenState({ balance: 0, isOpen: true });
  // @ts-expect-error: the row has no such field
  await given(balances).thenRow('a', { balance: 0, count: 1 });
  // @ts-expect-error: a given fact has to fit its definition
  given(account, [Deposited, { account: 'a' }]);
}
