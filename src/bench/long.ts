import { setTimeout as wait } from 'node:timers/promises';
import { defineConsumer, defineProjection, open } from '../index.ts';
import { publishByMany, publishOneByOne } from './publish.ts';
import { catchUpWithLog, fill, publishToHandler } from './react.ts';
import { BenchOrderPlaced, orderNumber } from './shop-event.ts';
import { figure, rssMb } from './workload.ts';
import type { Figure, Workload } from './workload.ts';

const reactions = () => ({
  consumers: [defineConsumer({ name: 'counting', on: BenchOrderPlaced, handle() {} })],
  projections: [
    defineProjection({
      name: 'orders',
      key: (event) => event.data.customer,
      initial: () => ({ orders: 0 }),
      on: [[BenchOrderPlaced, (row) => ({ orders: row.orders + 1 })]],
    }),
  ],
});

/** The same workloads on an empty store and on one with 5,000,000 events, one after the other. */
export const growth: Workload = {
  name: 'growth',
  what: 'P1, P2a, P3, P4 with 5,000,000 events stored, beside an empty store; opening',
  long: true,
  async run({ storePath, limits, scale }) {
    const stored = Math.ceil(5_000_000 * scale);
    const place = await storePath('growth');
    await fill(place, stored);
    const figures: Figure[] = [];
    const begin = performance.now();
    const system = await open({ store: place });
    figures.push(
      figure({
        workload: 'growth-open',
        events: stored,
        seconds: (performance.now() - begin) / 1_000,
        note: 'seconds to open the store',
      }),
    );
    await system.close();
    for (const workload of [publishOneByOne, publishByMany, catchUpWithLog, publishToHandler]) {
      for (const [name, store] of [
        ['empty', undefined],
        ['full', place],
      ] as const) {
        const measured = [
          await workload.run({
            store,
            limits,
            scale: Math.min(1, scale * 4),
            storePath: (file) => storePath(`${file}-${name}`),
          }),
        ].flat();
        figures.push(...measured.map((each) => ({ ...each, workload: `growth-${each.workload}-${name}` })));
      }
    }
    return figures;
  },
};

/** What a system costs that has nothing to do. */
export const idle: Workload = {
  name: 'idle',
  what: 'CPU of an open system with reactions and nothing to do, over 10 s',
  long: true,
  async run({ store, storePath }) {
    const place = store ?? (await storePath('idle'));
    await fill(place, 10_000);
    await using system = await open({ store: place, ...reactions() });
    await system.settled();
    await wait(1_000);
    const before = process.cpuUsage();
    const seconds = 10;
    await wait(seconds * 1_000);
    const { user, system: kernel } = process.cpuUsage(before);
    const part = (user + kernel) / 1e6 / seconds;
    return figure({ workload: 'idle', events: 0, seconds, note: `${(part * 100).toFixed(3)} % of one core` });
  },
};

/** Memory over five minutes at a steady rate. */
export const soak: Workload = {
  name: 'soak',
  what: '5,000 events a second for 5 minutes with a consumer and a projection',
  long: true,
  async run({ store, storePath, scale }) {
    const rate = 5_000;
    const seconds = 300 * scale;
    await using system = await open({
      store: store ?? (await storePath('soak')),
      events: [BenchOrderPlaced],
      ...reactions(),
    });
    const samples: number[] = [];
    const begin = performance.now();
    let published = 0;
    const pending = new Set<Promise<unknown>>();
    const elapsed = () => (performance.now() - begin) / 1_000;
    while (elapsed() < seconds) {
      for (const due = Math.floor(elapsed() * rate); published < due; published += 1) {
        const publication = system.publish(BenchOrderPlaced, orderNumber(published));
        pending.add(publication);
        void publication.finally(() => pending.delete(publication));
      }
      if (samples.length < elapsed() / (seconds / 10)) samples.push(rssMb());
      await wait(1);
    }
    await Promise.all(pending);
    await system.settled();
    return figure({
      workload: 'soak',
      events: published,
      seconds: elapsed(),
      note: `RSS in MB at each tenth: ${samples.join(' ')}`,
    });
  },
};
