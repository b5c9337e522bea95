import { defineCommand, defineDecider, fact, open, refuse } from '../index.ts';
import { BenchOrderPlaced, orderNumber } from './shop-event.ts';
import { figure, percentile } from './workload.ts';
import type { Workload } from './workload.ts';

const PlaceOrder = defineCommand({
  name: 'bench.place-order',
  schema: BenchOrderPlaced.schema,
  stream: (data) => data.orderId,
});

/** Counts what a customer ordered under one number, and lets nobody order without an end. */
const order = defineDecider({
  name: 'order',
  initial: () => ({ placed: 0, total: 0 }),
  evolve: [[BenchOrderPlaced, (state, { data }) => ({ placed: state.placed + 1, total: state.total + data.total })]],
  decide: [
    [PlaceOrder, (state, { data }) => (state.placed < 1_000_000 ? fact(BenchOrderPlaced, data) : refuse('full'))],
  ],
});
const withSnapshots = defineDecider({
  name: 'order',
  initial: () => ({ placed: 0, total: 0 }),
  evolve: [[BenchOrderPlaced, (state, { data }) => ({ placed: state.placed + 1, total: state.total + data.total })]],
  decide: [[PlaceOrder, (_state, { data }) => fact(BenchOrderPlaced, data)]],
  snapshot: { every: 100 },
});

const CALLERS = 64;
/** Of each of the short streams of E2. */
const EVENTS_OF_EACH = 10;

/** Commands on 20,000 streams from 64 callers: each is decided on the state of its stream, and what comes of it is recorded with the claim. */
export const executeCommands: Workload = {
  name: 'E1',
  what: 'commands on 20,000 streams, 64 callers: read, decide, append',
  async run({ store, storePath, scale }) {
    const place = store ?? (await storePath('e1'));
    const commands = Math.ceil(150_000 * scale);
    await using system = await open({ store: place, deciders: [order] });
    const took = new Float64Array(commands);
    let next = 0;
    const call = async (until: number) => {
      for (let n = next++; n < until; n = next++) {
        const start = performance.now();
        const { accepted } = await system.execute(PlaceOrder, orderNumber(n));
        if (!accepted) throw new Error(`command ${n} was refused`);
        if (n < commands) took[n] = performance.now() - start;
      }
    };
    const callAll = (until: number) => Promise.all(Array.from({ length: CALLERS }, () => call(until)));
    await callAll(Math.min(20_000, commands));
    next = 0;
    const begin = performance.now();
    await callAll(commands);
    return figure({
      workload: 'E1',
      events: commands,
      seconds: (performance.now() - begin) / 1_000,
      p50Ms: percentile(took, 0.5),
      p99Ms: percentile(took, 0.99),
      note: '64 callers, each command durable with its outcome',
    });
  },
};

/** States made of streams of 10, and of one of 10,000 with a snapshot. */
export const loadStates: Workload = {
  name: 'E2',
  what: 'load and fold a stream of 10; of 10,000 with a snapshot',
  async run({ store, storePath, scale, limits }) {
    const place = store ?? (await storePath('e2'));
    const streams = Math.ceil(10_000 * scale);
    const long = 'order-long';
    const system = await open({ store: place, deciders: [withSnapshots] });
    for (let round = 0; round < EVENTS_OF_EACH; round += 1)
      for (let from = 0; from < streams; from += 500)
        await system.publishAll(
          Array.from({ length: Math.min(500, streams - from) }, (_, index) => ({
            event: BenchOrderPlaced,
            data: { ...orderNumber(from + index), orderId: `order-s${from + index}` },
          })),
        );
    const ofLong = Math.ceil(10_000 * scale);
    await Promise.all(
      Array.from({ length: CALLERS }, async (_, caller) => {
        for (let n = caller; n < ofLong; n += CALLERS)
          await system.execute(PlaceOrder, { ...orderNumber(n), orderId: long });
      }),
    );
    await system.close();
    await using again = await open({ store: place, deciders: [withSnapshots] });
    const load = async (loads: number, { from = 0, among = streams }) => {
      let sum = 0;
      const begin = performance.now();
      for (let n = 0; n < loads; n += 1)
        sum += (await again.deciders.state<{ total: number }>('order', `order-s${from + (n % among)}`)).state.total;
      return { loads, seconds: (performance.now() - begin) / 1_000, sum: Math.round(sum) };
    };
    // The first tenth takes the compiler's time.
    const warm = Math.ceil(streams / 10);
    await load(warm, {});
    const cold = await load(streams - warm, { from: warm });
    const limit = await limits.fold?.(streams, EVENTS_OF_EACH);
    const hot = await load(streams * 10, { among: Math.min(500, streams) });
    const took = new Float64Array(1_000);
    for (let n = 0; n < took.length; n += 1) {
      const start = performance.now();
      await again.deciders.state('order', long);
      took[n] = performance.now() - start;
    }
    return [
      figure({
        workload: 'E2-hot',
        events: hot.loads,
        seconds: hot.seconds,
        note: `streams of 10 loaded and folded (sum ${hot.sum}), 500 of them again and again`,
      }),
      figure({
        workload: 'E2-cold',
        events: cold.loads,
        seconds: cold.seconds,
        limit,
        note: `streams of 10 loaded and folded (sum ${cold.sum}), each for the first time${limit === undefined ? '' : '; limit: node:sqlite alone, JSON parsed'}`,
      }),
      figure({
        workload: 'E2-long',
        events: took.length,
        seconds: took.reduce((sum, each) => sum + each, 0) / 1_000,
        p50Ms: percentile(took, 0.5),
        p99Ms: percentile(took, 0.99),
        note: `a stream of ${ofLong} with a snapshot every 100 events, its state asked for again and again`,
      }),
    ];
  },
};

/** The state of a stream of 1,000 at instants between its events. */
export const stateAsOf: Workload = {
  name: 'E6',
  what: 'state as of an instant on a stream of 1,000',
  async run({ store, storePath, scale }) {
    const place = store ?? (await storePath('e6'));
    const events = Math.ceil(1_000 * scale);
    await using system = await open({ store: place, deciders: [order], events: [BenchOrderPlaced] });
    const at = (n: number) => new Date(Date.UTC(2020, 0, 1) + n * 60_000).toISOString();
    await system.publishAll(
      Array.from({ length: events }, (_, n) => ({
        event: BenchOrderPlaced,
        data: { ...orderNumber(n), orderId: 'order-past' },
        options: { time: at(n) },
      })),
    );
    const took = new Float64Array(2_000);
    for (let n = 0; n < took.length; n += 1) {
      const wanted = Math.imul(n, 7_919) % events;
      const start = performance.now();
      const { version } = await system.deciders.state('order', 'order-past', { at: at(wanted) });
      took[n] = performance.now() - start;
      if (version !== wanted + 1) throw new Error(`expected version ${wanted + 1} at ${at(wanted)}, found ${version}`);
    }
    return figure({
      workload: 'E6',
      events: took.length,
      seconds: took.reduce((sum, each) => sum + each, 0) / 1_000,
      p50Ms: percentile(took, 0.5),
      p99Ms: percentile(took, 0.99),
      note: `a stream of ${events}, by event time, at instants all over its history`,
    });
  },
};
