import {
  TerminalError,
  defineAutomation,
  defineConsumer,
  defineEvent,
  defineMonitor,
  definePatterns,
  defineProjection,
  defineSequence,
  defineTableProjection,
  defineWindow,
  every,
  not,
  one,
  sql,
  tumbling,
} from 'thereupon';
import { z } from 'zod';
import { deciders } from './purses.ts';

/** The program that is killed: facts from many callers, and every kind of reaction to them. */

export const Moved = defineEvent({
  type: 'crash.account.moved',
  stream: (data) => `account-${data.account}`,
  schema: z.object({
    account: z.int(),
    amount: z.int(),
    /** Which batch it was published in, and how many events that has. */
    batch: z.string(),
    size: z.int(),
    /** Attempts that fail before one succeeds. */
    failures: z.int(),
  }),
});

export const Noted = defineEvent({
  type: 'crash.movement.noted',
  stream: (data) => `note-${data.account}`,
  schema: z.object({ account: z.int(), amount: z.int(), of: z.string() }),
});

export const Confirmed = defineEvent({
  type: 'crash.note.confirmed',
  stream: (data) => `confirmation-${data.account}`,
  schema: z.object({ account: z.int(), of: z.string(), part: z.int() }),
});

const retry = { attempts: 10, minDelay: 2, maxDelay: 20 } as const;

/** One note for each movement, in order of the account; some need several attempts. */
const note = defineAutomation({
  name: 'note',
  on: Moved,
  publishes: [Noted],
  retry,
  async run({ event, attempt, publish }) {
    await Promise.resolve();
    await publish(Noted, { account: event.data.account, amount: event.data.amount, of: event.id });
    if (attempt <= event.data.failures) throw new Error(`attempt ${attempt} fails as the event asks`);
  },
});

/** Two confirmations for each note: a second reaction in the chain, with two outputs. */
const confirm = defineAutomation({
  name: 'confirm',
  on: Noted,
  publishes: [Confirmed],
  async run({ event, publish }) {
    for (const part of [1, 2]) await publish(Confirmed, { account: event.data.account, of: event.data.of, part });
  },
});

/** Rises with every life of a store, so that each begins with what the one before it has, and builds it anew beside that. */
const life = Number(process.env['CRASH_LIFE'] ?? 1);

export const balances = defineProjection({
  name: 'balances',
  version: life,
  key: (event) => String(event.data.account),
  initial: () => ({ movements: 0, balance: 0, lastVersion: 0 }),
  on: [
    [
      Moved,
      (row, event) => ({
        movements: row.movements + 1,
        balance: row.balance + event.data.amount,
        lastVersion: event.version,
      }),
    ],
  ],
  indexes: { balance: (row) => row.balance },
});

/** The same in the transaction that records each movement: whatever the log has, it has. */
export const ledger = defineProjection({
  name: 'ledger',
  mode: 'inline',
  key: (event) => String(event.data.account),
  initial: () => ({ movements: 0, balance: 0, lastVersion: 0 }),
  on: [
    [
      Moved,
      (row, event) => {
        if (event.version !== row.lastVersion + 1)
          throw new TerminalError(`account ${event.data.account}: version ${event.version} after ${row.lastVersion}`);
        return { movements: row.movements + 1, balance: row.balance + event.data.amount, lastVersion: event.version };
      },
    ],
  ],
  indexes: { balance: (row) => row.balance },
});

export const confirmations = defineProjection({
  name: 'confirmations',
  key: (event) => String(event.data.account),
  initial: () => ({ count: 0 }),
  on: [[Confirmed, (row) => ({ count: row.count + 1 })]],
});

/** Keeps per account the last version it saw: an event out of order, left out or handled twice would be terminal. */
const inOrder = defineConsumer({
  name: 'in-order',
  on: Moved,
  state: { initial: () => ({ version: 0 }) },
  async handle({ event, state }) {
    await Promise.resolve();
    const { version } = state.get();
    if (event.version !== version + 1)
      throw new TerminalError(`account ${event.data.account}: version ${event.version} after ${version}`);
    state.set({ version: event.version });
  },
});

export const Worked = defineEvent({
  type: 'crash.job.worked',
  stream: () => 'work-done',
  schema: z.object({ of: z.string() }),
});

/** A queue: each movement is a job, done once, in any order. */
const work = defineConsumer({
  name: 'work',
  mode: 'queue',
  on: Moved,
  publishes: [Worked],
  concurrency: 32,
  retry,
  async handle({ event, attempt, publish }) {
    await publish(Worked, { of: event.id });
    if (attempt <= event.data.failures) throw new Error('this attempt fails as the event asks');
  },
});

/** Every seventh account cannot be handled at all: its key is parked, the others go on. */
export const POISONED = 7;
const picky = defineConsumer({
  name: 'picky',
  on: Moved,
  state: { initial: () => ({ count: 0 }) },
  handle({ event, state }) {
    if (event.data.account % POISONED === 0) throw new TerminalError('this account is never handled');
    state.set({ count: state.get().count + 1 });
  },
});

export const Totalled = defineEvent({
  type: 'crash.second.totalled',
  stream: (data) => `second-${data.account}`,
  schema: z.object({ account: z.string(), startMs: z.int(), movements: z.int(), amount: z.int() }),
});

export const WINDOW = { sizeMs: 1_000, disorderMs: 20, latenessMs: 500 } as const;

/** When a movement happened that is told now: most a moment ago, some so long that they are late, or too late. */
export function happened(below: (bound: number) => number): Date {
  return new Date(Date.now() - (below(10) === 0 ? below(2_500) : below(30)));
}

/** What moved in each second of event time. Callers overtake each other, so that some movements are late, and some too late. */
const totals = defineWindow({
  name: 'totals',
  on: Moved,
  key: (event) => String(event.data.account),
  windows: tumbling(WINDOW.sizeMs),
  time: { disorder: WINDOW.disorderMs, idle: '2s' },
  late: { correct: WINDOW.latenessMs },
  aggregate: {
    initial: () => ({ movements: 0, amount: 0 }),
    add: (total, event) => ({ movements: total.movements + 1, amount: total.amount + event.data.amount }),
    result: (total, { key, startMs }) => ({ account: key, startMs, ...total }),
  },
  publishes: Totalled,
});

export const Matched = defineEvent({
  type: 'crash.pattern.matched',
  stream: (data) => `match-${data.account}`,
  schema: z.object({ account: z.string(), pattern: z.string(), of: z.array(z.string()) }),
});

/** What is far above zero and far below, one after another, in number, and without the other. Matches outlive many of those who look for them. */
const patterns = definePatterns({
  key: (event) => event.stream,
  time: { disorder: '100ms', idle: '2s' },
  patterns: {
    'sent back': {
      sequence: [
        every(one('out', Moved).where({ data: { amount: [{ numeric: ['<', -90] }] } })),
        one('back', Moved).where({ data: { amount: [{ numeric: ['>=', 90] }] } }),
      ],
      within: '3s',
    },
    'three large ones': {
      sequence: [
        every(
          one('large', Moved)
            .where({ data: { amount: [{ numeric: ['>=', 80] }] } })
            .count({ atLeast: 3 }),
        ),
      ],
      within: '3s',
    },
    'not made good': {
      sequence: [
        every(one('low', Moved).where({ data: { amount: [{ numeric: ['<', -95] }] } })),
        not(Moved, { data: { amount: [{ numeric: ['>=', 60] }] } }).within('150ms'),
      ],
    },
  },
});

const match = defineAutomation({
  name: 'match',
  on: patterns,
  publishes: [Matched],
  async run({ pattern, key, time, events, publish }) {
    await Promise.resolve();
    const of = Object.values(events)
      .flat()
      .map(({ id }) => id);
    await publish(Matched, { account: key, pattern, of }, { time });
  },
});

export const Swung = defineEvent({
  type: 'crash.account.swung',
  stream: (data) => `swing-${data.account}`,
  schema: z.object({ account: z.string(), since: z.string(), mean: z.number() }),
});

/** Of some accounts: that the last movements were large on the whole, once until they are not. */
const swings = defineMonitor({
  name: 'swings',
  on: Moved,
  where: { data: { account: [{ numeric: ['<', 10] }] } },
  key: (event) => String(event.data.account),
  time: { disorder: '20ms', idle: '2s' },
  value: (event) => event.data.amount,
  measure: { average: { events: 5 } },
  fires: { above: 40 },
  rearms: { below: 0 },
  publishes: Swung,
  alarm: ({ key, since, measured }) => ({ account: key, since, mean: measured }),
});

/** The same in a table of its own; an account and a version that is there already is refused by its key. */
export const entries = defineTableProjection({
  name: 'entries',
  version: life,
  tables: {
    entries: {
      columns:
        'account BIGINT NOT NULL, version BIGINT NOT NULL, amount BIGINT NOT NULL, PRIMARY KEY (account, version)',
      indexes: ['account, amount'],
    },
  },
  on: [
    [
      Moved,
      (event, t) =>
        sql`INSERT INTO ${t.entries} VALUES (${event.data.account}, ${event.version}, ${event.data.amount})`,
    ],
  ],
});

/** What a meter tells, under numbers of its own, which do not come in their order, some twice, some late and some never. */
export const Metered = defineEvent({
  type: 'crash.meter.told',
  stream: (data) => `meter-${data.meter}`,
  schema: z.object({ meter: z.string(), number: z.int() }),
});

export const Read = defineEvent({
  type: 'crash.meter.read',
  stream: (data) => `read-${data.meter}`,
  schema: z.object({ meter: z.string(), number: z.int(), place: z.int() }),
});

/** Fewer wait than the last numbers that are remembered, so that each doubled one is known as such. */
const counts = defineSequence({
  name: 'counts',
  on: Metered,
  sequence: { onGap: 'hold', wait: '1500ms', first: 1, hold: { maxEvents: 40 } },
});

/** Writes down in which order it is given them. */
const read = defineAutomation({
  name: 'read',
  on: Metered,
  sequence: counts,
  publishes: [Read],
  state: { initial: () => ({ place: 0 }) },
  async run({ event, state, publish }) {
    await Promise.resolve();
    const place = state.get().place + 1;
    state.set({ place });
    await publish(Read, { meter: event.data.meter, number: event.data.number, place }, { time: event.time });
  },
});

/** What follows from the recorded log by event time or by producers' numbers: an orderly run of the same log says the same. */
export const orderly = { automations: [match, read], monitors: [swings, counts] } as const;

export const definitions = {
  deciders,
  events: [Moved, Noted, Confirmed, Worked, Metered],
  windows: [totals],
  automations: [note, confirm, ...orderly.automations],
  monitors: orderly.monitors,
  projections: [balances, ledger, entries, confirmations],
  consumers: [inOrder, work, picky],
} as const;
