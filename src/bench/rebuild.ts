import { defineProjection, open } from '../index.ts';
import type { System } from '../index.ts';
import { fill } from './react.ts';
import { BenchOrderPlaced, orderNumber } from './shop-event.ts';
import { figure, percentile } from './workload.ts';
import type { Workload } from './workload.ts';

const WRITES_PER_SECOND = 2_000;
const ALONE_SECONDS = 10;

const counts = defineProjection({
  name: 'bench-counts',
  key: (event) => event.data.customer,
  initial: () => ({ orders: 0 }),
  on: [[BenchOrderPlaced, (row) => ({ orders: row.orders + 1 })]],
});

/** Publishes at an even pace until it is told to end. Answers how long each took, from the moment at which it was due. */
async function write(system: System<typeof BenchOrderPlaced>, first: number, isOver: () => boolean): Promise<number[]> {
  const took: number[] = [];
  const calls: Promise<unknown>[] = [];
  const start = performance.now();
  for (let n = 0; !isOver();) {
    const due = Math.floor(((performance.now() - start) / 1_000) * WRITES_PER_SECOND);
    for (; n < due; n += 1) {
      const dueMs = start + (n * 1_000) / WRITES_PER_SECOND;
      const call = system.publish(BenchOrderPlaced, orderNumber(first + n));
      calls.push(call.then(() => took.push(performance.now() - dueMs)));
    }
    await new Promise<void>((turn) => setTimeout(turn, 0.5));
  }
  await Promise.all(calls);
  return took;
}

/** A view of a million events is built anew, while its rows serve and others write. */
export const rebuildView: Workload = {
  name: 'E5',
  what: 'rebuild of 1,000,000 events beside 2,000 live writes a second',
  async run({ store, storePath, scale }) {
    const place = store ?? (await storePath('e5'));
    const events = Math.ceil(1_000_000 * scale);
    await fill(place, events);
    await using system = await open({ store: place, events: [BenchOrderPlaced], projections: [counts] });
    await system.settled();
    const over = performance.now() + 2_000;
    await write(system, events, () => performance.now() > over);
    const until = performance.now() + ALONE_SECONDS * 1_000;
    const alone = await write(system, 2 * events, () => performance.now() > until);
    let isOver = false;
    const begin = performance.now();
    const rebuild = await system.views.rebuild(counts);
    const building = rebuild.ended().finally(() => (isOver = true));
    const beside = await write(system, 3 * events, () => isOver);
    const { state, total } = await building;
    const seconds = (performance.now() - begin) / 1_000;
    if (state !== 'switched') throw new Error(`the rebuild is ${state}`);
    await system.settled();
    const p99 = (samples: readonly number[]) => percentile(Float64Array.from(samples), 0.99);
    const p50 = (samples: readonly number[]) => percentile(Float64Array.from(samples), 0.5);
    return [
      figure({
        workload: 'E5',
        events: total,
        seconds,
        p50Ms: p50(beside),
        p99Ms: p99(beside),
        note: `p50 and p99 of the ${beside.length} writes beside it, from the moment at which each was due`,
      }),
      figure({
        workload: 'E5-alone',
        events: alone.length,
        seconds: ALONE_SECONDS,
        p50Ms: p50(alone),
        p99Ms: p99(alone),
        note: 'the same writes without a rebuild',
      }),
    ];
  },
};
