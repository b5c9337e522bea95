import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AppendRequest, EventLog } from '../../channel/event-log.ts';
import type { CommandOutcome } from '../../decider/command-outcome.ts';
import { StoreUnavailable } from '../../errors.ts';
import type { EncodedEvent } from '../../event/event.ts';
import { tagsAttribute } from '../../event/tags.ts';
import type { System } from '../../open.ts';
import type { Store } from '../../store.ts';
import { seededRandom } from '../../system/random.ts';
import type { TestSystem } from '../../testing/index.ts';
import type { ContractSuite } from '../contract-case.ts';
import {
  accounts,
  Deposit,
  Deposited,
  Grant,
  grants,
  Transfer,
  transfers,
  Withdraw,
  Withdrawn,
} from './deciding-samples.ts';
import { deliveryCases } from './delivery-case.ts';
import type { NewInterceptor } from './delivery-case.ts';

const ACCOUNTS = ['x1', 'x2', 'y1'];
const MOST = 40;
const ROUNDS = 12;
const AT_ONCE = 16;

/**
 * What is told beside the commands, without a decision: one fact; several, of several accounts; one that may be told again under its id; one that
 * another process records.
 */
type Telling = 'publish' | 'publish-all' | 'tell' | 'elsewhere';

interface Sketch {
  readonly kind: 'deposit' | 'withdraw' | 'transfer' | 'grant' | 'repeat' | Telling;
  readonly from: string;
  readonly to: string;
  readonly amount: number;
  readonly id: string;
}

/** What a command is when it is executed again: the same. */
type Issued = Sketch & { readonly kind: Exclude<Sketch['kind'], Telling | 'repeat'> };

/** Money by account, as of a place in the log. */
type Balances = ReadonlyMap<string, number>;

/** Commands that fail at the store, before or after they were written. */
function faulty(random: () => number): NewInterceptor {
  return () => async (call) => {
    const chance = call.method === 'append' || call.method === 'readStream' ? random() : 1;
    if (chance < 0.04) throw new StoreUnavailable('the store', 'away');
    const answer = await call.proceed();
    if (chance < 0.08 && call.method === 'append') throw new StoreUnavailable('the store', 'the answer was lost');
    return answer;
  };
}

/** Random commands, many at once, with faults: what comes of them is what would come of them one after the other (G2, G4, G6). */
export const decidingModelCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    async 'of random commands at once each outcome is the one that the history before it demands, whatever fails (G2, G4)'(
      stage,
    ) {
      for (const seed of seeds()) {
        const random = seededRandom(seed);
        let isFaulty = false;
        const interceptor = faulty(() => (isFaulty ? random.next() : 1));
        const account = accounts({ snapshot: { every: 7 }, attempts: 200 });
        const deciders = [account, { ...transfers(account), attempts: 200 }, { ...grants, attempts: 200 }];
        let elsewhere: EventLog | undefined;
        // Only looks: what another process records goes to the store itself.
        const broken = (store: Store) => {
          elsewhere = store.log;
          return store;
        };
        const test = await stage.start({ deciders }, { interceptor, seed, broken });
        const outcomes = new Map<string, { readonly sketch: Issued; readonly outcome: CommandOutcome }>();
        const issued: Issued[] = [];
        for (let round = 0; round < ROUNDS; round += 1) {
          isFaulty = true;
          const sketches = Array.from({ length: AT_ONCE }, (_, index) => sketchOf(random, `${seed}-${round}-${index}`));
          const results = await inTime(
            test,
            sketches.map(async (sketch) => {
              if (sketch.kind === 'elsewhere') return void (await elsewhere?.append(fromElsewhere(sketch)));
              if (isTelling(sketch)) return tell(test.system, sketch, random);
              const own =
                sketch.kind === 'repeat' ? issued[Math.floor(random.next() * issued.length)] : (sketch as Issued);
              if (own === undefined) return;
              issued.push(own);
              keep(outcomes, own, await execute(test.system, own));
            }),
          );
          isFaulty = false;
          for (const result of results)
            if (result.status === 'rejected')
              assert.ok(result.reason instanceof StoreUnavailable, String(result.reason));
          if (round % 5 === 4) await test.crash();
        }
        // Who got no answer asks again.
        for (const sketch of issued) keep(outcomes, sketch, await execute(test.system, sketch));
        await verify(test.system, outcomes);
        await test.close();
      }
    },
  });

/** Two in the suite; `MODEL_RUNS` asks for more, from `MODEL_SEED`. */
function seeds(): readonly number[] {
  const { MODEL_RUNS: runs = '2', MODEL_SEED: first = '1' } = process.env;
  return Array.from({ length: Number(runs) }, (_, index) => Number(first) + index);
}

/** Lets time pass for those who wait for their next attempt. */
async function inTime(
  { clock }: Pick<TestSystem, 'clock'>,
  pending: readonly Promise<unknown>[],
): Promise<readonly PromiseSettledResult<unknown>[]> {
  const over = new AbortController();
  const results = Promise.allSettled(pending).finally(() => over.abort());
  while (!over.signal.aborted) {
    await nextTurn();
    await clock.advance('50ms');
  }
  return results;
}

function sketchOf(random: { next(): number }, id: string): Sketch {
  const pick = <Item>(items: readonly [Item, ...Item[]]): Item =>
    items[Math.floor(random.next() * items.length)] ?? items[0];
  const names = ACCOUNTS as [string, ...string[]];
  const kind = pick<Sketch['kind']>([
    'deposit',
    'deposit',
    'withdraw',
    'withdraw',
    'transfer',
    'transfer',
    'grant',
    'publish',
    'publish-all',
    'tell',
    'elsewhere',
    'repeat',
  ]);
  return { kind, from: pick(names), to: pick(names), amount: 1 + Math.floor(random.next() * 5), id };
}

function isTelling(sketch: Sketch): sketch is Sketch & { readonly kind: Exclude<Telling, 'elsewhere'> } {
  return sketch.kind === 'publish' || sketch.kind === 'publish-all' || sketch.kind === 'tell';
}

function fromElsewhere({ from: account, amount, id }: Sketch): AppendRequest {
  const event: EncodedEvent = {
    id,
    source: '/elsewhere',
    type: Deposited.type,
    schemaVersion: 1,
    stream: `account-${account}`,
    subject: `account-${account}`,
    time: '2024-01-01T00:00:00Z',
    correlationid: id,
    causationid: undefined,
    encoding: 'json',
    data: JSON.stringify({ account, amount }),
    attributes: { tags: tagsAttribute([`holder:${account.slice(0, 1)}`]) },
  };
  return { events: [event], onDuplicate: 'verify' };
}

async function tell(
  system: System,
  { kind, from, to, amount }: Sketch & { readonly kind: Exclude<Telling, 'elsewhere'> },
  random: { next(): number },
): Promise<void> {
  const data = { account: from, amount };
  switch (kind) {
    case 'publish':
      return void (await system.publish(Deposited, data));
    case 'publish-all':
      return void (await system.publishAll([
        { event: Deposited, data },
        { event: Deposited, data: { account: to, amount } },
        { event: Deposited, data },
      ]));
    case 'tell':
      // Few ids, so that many are told again. What an id says it always says.
      return void (await system.publish(
        Deposited,
        { account: from, amount: 1 },
        { id: `told-${from}-${Math.floor(random.next() * 8)}`, time: '2024-01-01T00:00:00Z' },
      ));
  }
}

function execute(system: System, { kind, from, to, amount, id }: Issued): Promise<CommandOutcome> {
  switch (kind) {
    case 'deposit':
      return system.execute(Deposit, { account: from, amount }, { id });
    case 'withdraw':
      return system.execute(Withdraw, { account: from, amount }, { id });
    case 'transfer':
      return system.execute(Transfer, { from, to, amount }, { id });
    case 'grant':
      return system.execute(Grant, { account: from, amount, most: MOST }, { id });
  }
}

/** Of one id all answers are one outcome. */
function keep(
  outcomes: Map<string, { readonly sketch: Issued; readonly outcome: CommandOutcome }>,
  sketch: Issued,
  outcome: CommandOutcome,
): void {
  const before = outcomes.get(sketch.id)?.outcome;
  if (before !== undefined) assert.deepEqual(coreOf(outcome), coreOf(before), `G2: command ${sketch.id}`);
  else outcomes.set(sketch.id, { sketch, outcome });
}

function coreOf({ accepted, events, version }: CommandOutcome): unknown {
  return { accepted, version, events: events.map(({ id, position }) => [id, position]) };
}

/** Goes along the log: every fact follows from what was before it, and every refusal from the state at its version. */
async function verify(
  system: System,
  outcomes: ReadonlyMap<string, { readonly sketch: Issued; readonly outcome: CommandOutcome }>,
): Promise<void> {
  const balances = new Map<string, number>();
  /** By stream and version. */
  const history = new Map<string, number>();
  const seen = new Set<string>();
  const { events } = await system.events.read({ limit: 1_000 });
  for (const event of events) {
    const command = outcomes.get(event.causationid ?? '');
    if (command !== undefined && !seen.has(command.sketch.id)) {
      seen.add(command.sketch.id);
      assert.deepEqual(
        events.filter(({ causationid }) => causationid === command.sketch.id).map(({ id }) => id),
        command.outcome.events.map(({ id }) => id),
        `G2, G3: the facts of command ${command.sketch.id}`,
      );
      assert.ok(isAllowed(command.sketch, balances), `G4: ${JSON.stringify(command.sketch)} at ${event.position}`);
    }
    const { account, amount } = event.data as { account: string; amount: number };
    const balance = (balances.get(account) ?? 0) + (event.type === Deposited.type ? amount : -amount);
    assert.ok(event.type === Deposited.type || event.type === Withdrawn.type);
    balances.set(account, balance);
    history.set(`${account} ${event.version}`, balance);
  }
  for (const { sketch, outcome } of outcomes.values()) {
    assert.equal(outcome.accepted, seen.has(sketch.id), `G1: command ${sketch.id}`);
    if (outcome.accepted || outcome.version === undefined || sketch.kind !== 'withdraw') continue;
    const balance = history.get(`${sketch.from} ${outcome.version}`) ?? 0;
    assert.ok(balance < sketch.amount, `G4: ${JSON.stringify(sketch)} was refused at version ${outcome.version}`);
  }
  for (const account of ACCOUNTS) {
    const state = await system.events.streamState(`account-${account}`);
    if (state.version === 0) continue;
    const present = await system.deciders.state<{ balance: number }>('account', `account-${account}`);
    assert.deepEqual([present.state.balance, present.version], [balances.get(account), state.version]);
  }
}

function isAllowed({ kind, from, amount }: Issued, balances: Balances): boolean {
  const balance = balances.get(from) ?? 0;
  if (kind === 'deposit') return true;
  if (kind !== 'grant') return amount <= balance;
  const held = [...balances].filter(([account]) => account.startsWith(from.slice(0, 1)));
  return held.reduce((sum, [, each]) => sum + each, 0) + amount <= MOST;
}
