import { defineConsumer, defineProjection, open } from '../index.ts';
import type { Position, PublishOptions, StoreFactory } from '../index.ts';
import { inOwnProcess } from './own-process.ts';
import { BenchOrderPlaced, orderNumber } from './shop-event.ts';
import { figure, inTurns, percentile, rssMb } from './workload.ts';
import type { Workload } from './workload.ts';

/** What is compared is measured in so many turns, since machines change their speed. */
const TURNS = 4;

/** Fills a store with `events` orders. Answers where they begin: a store that was given may hold others. */
export async function fill(
  store: string | StoreFactory,
  events: number,
  options: PublishOptions = {},
): Promise<Position> {
  await using system = await open({ store, events: [BenchOrderPlaced], consume: false });
  const before = await system.events.head();
  const size = 1_000;
  for (let from = 0; from < events; from += size) {
    const batch = Array.from({ length: Math.min(size, events - from) }, (_, n) => ({
      event: BenchOrderPlaced,
      data: orderNumber(from + n),
      options,
    }));
    await system.publishAll(batch);
  }
  return before;
}

export interface CaughtUp {
  readonly seconds: number;
  readonly peakMb: number;
}

/** Lets a fresh consumer count `events` events after a position. */
export async function catchUp(place: string, events: number, name: string, position: Position): Promise<CaughtUp> {
  let handled = 0;
  const { promise: all, resolve } = Promise.withResolvers<void>();
  const counter = defineConsumer({
    name,
    on: BenchOrderPlaced,
    from: { position },
    handle() {
      handled += 1;
      if (handled === events) resolve();
    },
  });
  let peakMb = 0;
  const begin = performance.now();
  await using system = await open({ store: place, consumers: [counter] });
  const watch = setInterval(() => (peakMb = Math.max(peakMb, rssMb())), 50);
  await all;
  await system.settled();
  clearInterval(watch);
  return { seconds: (performance.now() - begin) / 1_000, peakMb: Math.max(peakMb, rssMb()) };
}

export const catchUpWithLog: Workload = {
  name: 'P3',
  what: 'catch-up of 200,000 events, counting handler, durable checkpoints',
  async run({ store, storePath, limits, scale }) {
    const place = store ?? (await storePath('p3'));
    const events = Math.ceil(200_000 * scale);
    const position = await fill(place, events);
    const { page } = limits;
    // The first run warms the compiler up; fresh consumers then read the same log.
    await page?.(events);
    await catchUp(place, events, `warm-up-${position}`, position);
    const countAll = async (turn: number) =>
      (await catchUp(place, events, `counting-${position}-${turn}`, position)).seconds;
    const { seconds, limit } = await inTurns(TURNS, page && (() => page(events)), countAll);
    const note = `${TURNS} times, each from opening the store to the last durable checkpoint`;
    return figure({ workload: 'P3', events: TURNS * events, seconds, limit, note });
  },
};

export const memoryOfCatchUp: Workload = {
  name: 'memory',
  what: 'resident memory through a catch-up of 1,000,000 events',
  long: true,
  async run({ store, storePath, scale }) {
    const place = store ?? (await storePath('memory'));
    const events = Math.ceil(1_000_000 * scale);
    const position = await fill(place, events);
    // In a process of its own, so that what filling left behind does not count.
    const { seconds, peakMb } = await inOwnProcess<CaughtUp>('catch-up-process', { place, events, position });
    return {
      ...figure({ workload: 'memory', events, seconds, note: 'rssMb is the peak, in a process of its own' }),
      rssMb: peakMb,
    };
  },
};

export const publishToHandler: Workload = {
  name: 'P4',
  what: 'publish to handler at 1,000 a second for 10 s',
  async run({ store, storePath, limits, scale }) {
    const place = store ?? (await storePath('p4'));
    const rate = 1_000;
    const events = Math.ceil(rate * 10 * scale);
    const warmUp = rate;
    const begun = new Float64Array(events + warmUp);
    const took = new Float64Array(events);
    let handled = 0;
    const { promise: all, resolve } = Promise.withResolvers<void>();
    const consumer = defineConsumer({
      name: 'latency',
      on: BenchOrderPlaced,
      from: 'end',
      handle({ event }) {
        const n = Number(event.id);
        if (n >= warmUp) took[n - warmUp] = performance.now() - (begun[n] ?? 0);
        handled += 1;
        if (handled === events + warmUp) resolve();
      },
    });
    await using system = await open({ store: place, events: [BenchOrderPlaced], consumers: [consumer] });
    const source = `/bench/${Date.now()}`;
    const calm = await limits.calm();
    const start = performance.now();
    for (let n = 0; n < events + warmUp;) {
      const due = Math.floor(((performance.now() - start) / 1_000) * rate);
      for (; n < Math.min(due, events + warmUp); n += 1) {
        begun[n] = performance.now();
        void system.publish(BenchOrderPlaced, orderNumber(n), { id: String(n), source });
      }
      await new Promise<void>((turn) => setTimeout(turn, 0.5));
    }
    await all;
    const seconds = (performance.now() - start) / 1_000;
    return figure({
      workload: 'P4',
      events: events + warmUp,
      seconds,
      p50Ms: percentile(took, 0.5),
      p99Ms: percentile(took, 0.99),
      note: `from the call of publish to the call of the handler, one process${calm}`,
    });
  },
};

const projectCounts = (workload: string): Workload => ({
  name: workload,
  what: 'projection: counts per customer over 100,000 events, transactional',
  async run({ store, storePath, limits, scale }) {
    const place = store ?? (await storePath(workload.toLowerCase()));
    const events = Math.ceil(100_000 * scale);
    // A store that was given may hold other orders.
    const run = Date.now();
    const source = `/bench/${run}`;
    await fill(place, events, { source });
    const project = async (name: string) => {
      const counts = defineProjection({
        name,
        key: (event) => event.data.customer,
        initial: () => ({ orders: 0 }),
        on: [[BenchOrderPlaced, (row) => ({ orders: row.orders + 1 })]],
        where: { source: [source] },
      });
      const begin = performance.now();
      await using system = await open({ store: place, projections: [counts] });
      await system.settled();
      const seconds = (performance.now() - begin) / 1_000;
      let sum = 0;
      for (let after: string | undefined; ;) {
        const page = await system.views.query(counts, { limit: 1_000, ...(after === undefined ? {} : { after }) });
        for (const { row } of page.items) sum += row.orders;
        if (page.next === undefined) break;
        after = page.next;
      }
      if (sum !== events) throw new Error(`the projection counted ${sum} of ${events} events`);
      return seconds;
    };
    const limitOf = limits.project;
    await limitOf?.(events);
    await project(`warm-up-${run}`);
    const projectAll = (turn: number) => project(`counts-${run}-${turn}`);
    const { seconds, limit } = await inTurns(TURNS, limitOf && (() => limitOf(events)), projectAll);
    const note = `${TURNS} times; 1,000 customers; rows and checkpoint in one transaction`;
    return figure({ workload, events: TURNS * events, seconds, limit, note });
  },
});

/** One of the workloads of channels, and one of those of commands and states. */
export const [projectInChannels, projectAsync] = [projectCounts('P6'), projectCounts('E4')] as const;

export const processQueue: Workload = {
  name: 'P8',
  what: 'queue: 50,000 stored jobs, no-op handler, each acknowledgement durable',
  async run({ store, storePath, scale }) {
    const place = store ?? (await storePath('p8'));
    const events = Math.ceil(50_000 * scale);
    const position = await fill(place, events);
    const work = async (name: string) => {
      let handled = 0;
      const queue = defineConsumer({
        name,
        mode: 'queue',
        on: BenchOrderPlaced,
        from: { position },
        concurrency: 256,
        async handle() {
          handled += 1;
        },
      });
      const begin = performance.now();
      await using system = await open({ store: place, consumers: [queue] });
      await system.settled();
      const seconds = (performance.now() - begin) / 1_000;
      if (handled !== events) throw new Error(`${handled} jobs were handled, expected ${events}`);
      return seconds;
    };
    await work(`warm-up-${position}`);
    return figure({
      workload: 'P8',
      events,
      seconds: await work(`jobs-${position}`),
      note: '256 at a time, asynchronous handler',
    });
  },
};
