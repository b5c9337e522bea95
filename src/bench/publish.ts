import { open } from '../index.ts';
import { BenchOrderPlaced, orderNumber } from './shop-event.ts';
import { figure, inTurns, percentile } from './workload.ts';
import type { Workload } from './workload.ts';

/** What is compared is measured in so many turns, since machines change their speed. */
const TURNS = 10;
const TURN_SECONDS = 0.4;

/** One caller, each publish awaited before the next. */
export const publishOneByOne: Workload = {
  name: 'P1',
  what: 'publish one at a time, awaited',
  async run({ store, storePath, limits, scale }) {
    const place = store ?? (await storePath('p1'));
    const events = Math.ceil(20_000 * scale);
    await using system = await open({ store: place, events: [BenchOrderPlaced] });
    for (let n = 0; n < 500; n += 1) await system.publish(BenchOrderPlaced, orderNumber(n));
    const took = new Float64Array(events);
    const publishSome = async (turn: number) => {
      const begin = performance.now();
      for (let n = Math.floor((events * turn) / TURNS); n < Math.floor((events * (turn + 1)) / TURNS); n += 1) {
        const start = performance.now();
        await system.publish(BenchOrderPlaced, orderNumber(n));
        took[n] = performance.now() - start;
      }
      return (performance.now() - begin) / 1_000;
    };
    const { seconds, limit } = await inTurns(TURNS, () => limits.append(1, TURN_SECONDS), publishSome);
    return figure({
      workload: 'P1',
      events,
      seconds,
      limit,
      p50Ms: percentile(took, 0.5),
      p99Ms: percentile(took, 0.99),
      note: `limit: ${limits.appendNote} of each event, in turns`,
    });
  },
};

/** 256 callers at once, each awaiting its own. */
export const publishByMany: Workload = {
  name: 'P2a',
  what: 'publish by 256 concurrent callers, one event each',
  async run({ store, storePath, limits, scale }) {
    const place = store ?? (await storePath('p2a'));
    const events = Math.ceil(400_000 * scale);
    const callers = 256;
    const limit = await limits.appendByMany(callers);
    await using system = await open({ store: place, events: [BenchOrderPlaced] });
    const took = new Float64Array(events);
    let next = 0;
    const call = async (until: number) => {
      for (let n = next++; n < until; n = next++) {
        const start = performance.now();
        await system.publish(BenchOrderPlaced, orderNumber(n));
        if (n < events) took[n] = performance.now() - start;
      }
    };
    const callAll = (until: number) => Promise.all(Array.from({ length: callers }, () => call(until)));
    await callAll(Math.min(20_000, events));
    next = 0;
    const begin = performance.now();
    await callAll(events);
    const seconds = (performance.now() - begin) / 1_000;
    return figure({
      workload: 'P2a',
      events,
      seconds,
      limit,
      p50Ms: percentile(took, 0.5),
      p99Ms: percentile(took, 0.99),
      note: `limit: ${limits.appendNote}, by as many callers as the medium serves`,
    });
  },
};

export const publishBatches: Workload = {
  name: 'P2b',
  what: 'publish in batches of 500',
  async run({ store, storePath, limits, scale }) {
    const place = store ?? (await storePath('p2b'));
    const size = 500;
    const batches = Math.ceil(800 * scale);
    const remarks = await limits.remarks(size);
    await using system = await open({ store: place, events: [BenchOrderPlaced] });
    const publish = (batch: number) =>
      system.publishAll(
        Array.from({ length: size }, (_, n) => ({ event: BenchOrderPlaced, data: orderNumber(batch * size + n) })),
      );
    for (let batch = 0; batch < 20; batch += 1) await publish(batch);
    const publishSome = async (turn: number) => {
      const begin = performance.now();
      const end = Math.floor((batches * (turn + 1)) / TURNS);
      for (let batch = Math.floor((batches * turn) / TURNS); batch < end; batch += 1) await publish(batch);
      return (performance.now() - begin) / 1_000;
    };
    const { seconds, limit } = await inTurns(TURNS, () => limits.append(size, TURN_SECONDS), publishSome);
    return figure({
      workload: 'P2b',
      events: batches * size,
      seconds,
      limit,
      note: `limit: ${limits.appendNote} of 500 events at a time, in turns${remarks}`,
    });
  },
};

/** Appends with an expected version from 64 callers, each with streams of its own; then streams of 10 read and folded. */
export const appendAndLoad: Workload = {
  name: 'P5',
  what: 'append with expected version, 64 callers; load and fold a stream of 10',
  async run({ store, storePath, scale }) {
    const place = store ?? (await storePath('p5'));
    const callers = 64;
    const streams = Math.ceil(10_000 * scale);
    await using system = await open({ store: place, events: [BenchOrderPlaced] });
    const prefix = `cart${Date.now()}`;
    const appendOnes = async (caller: number) => {
      for (let version = 0; version < 10; version += 1) {
        for (let stream = caller; stream < streams; stream += callers) {
          await system.append(`${prefix}-${stream}`, [{ event: BenchOrderPlaced, data: orderNumber(stream) }], {
            expectedVersion: version,
          });
        }
      }
    };
    const appendBegin = performance.now();
    await Promise.all(Array.from({ length: callers }, (_, caller) => appendOnes(caller)));
    const appendSeconds = (performance.now() - appendBegin) / 1_000;
    const load = async (loads: number, among: number) => {
      let sum = 0;
      const begin = performance.now();
      for (let n = 0; n < loads; n += 1) {
        const { events } = await system.events.readStream(`${prefix}-${n % among}`);
        for (const event of events) sum += (event.data as { total: number }).total;
      }
      return { loads, seconds: (performance.now() - begin) / 1_000, sum: Math.round(sum) };
    };
    // Each stream in turn, more than memory keeps: all of them come from the file. Then those that are asked for again and again.
    const cold = await load(streams * 2, streams);
    const hot = await load(streams * 10, Math.min(500, streams));
    return [
      figure({
        workload: 'P5-append',
        events: streams * 10,
        seconds: appendSeconds,
        note: '64 callers, expected version checked',
      }),
      figure({
        workload: 'P5-load',
        events: hot.loads,
        seconds: hot.seconds,
        note: `rate counts streams of 10 loaded and folded (sum ${hot.sum}), 500 of them again and again`,
      }),
      figure({
        workload: 'P5-load-cold',
        events: cold.loads,
        seconds: cold.seconds,
        note: `rate counts streams of 10 loaded and folded (sum ${cold.sum}), ${streams} in turn, more than memory keeps`,
      }),
    ];
  },
};
