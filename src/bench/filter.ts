import { FilterIndex, compilePattern } from '../index.ts';
import { orderNumber } from './shop-event.ts';
import { figure } from './workload.ts';
import type { Workload } from './workload.ts';

/** 10,000 filters on three fields: one of 50 types, one of 1,000 customers, a lower bound on the total. */
export const matchFilters: Workload = {
  name: 'P9',
  what: 'match 100,000 events against 10,000 filters on three fields',
  async run({ scale }) {
    const filters = 10_000;
    const events = Math.ceil(100_000 * scale);
    const index = new FilterIndex<number>();
    for (let n = 0; n < filters; n += 1) {
      const pattern = {
        type: [`bench.type.${n % 50}`],
        data: { customer: [`customer-${n % 1_000}`], total: [{ numeric: ['>=', (n * 7) % 1_000] }] },
      };
      index.add(n, compilePattern(pattern));
    }
    const sample = Array.from({ length: 10_000 }, (_, n) => ({ type: `bench.type.${n % 50}`, data: orderNumber(n) }));
    let matched = 0;
    const match = (count: number) => {
      for (let n = 0; n < count; n += 1) {
        const event = sample[n % sample.length];
        if (event !== undefined) matched += index.match(event).length;
      }
    };
    match(20_000);
    matched = 0;
    const begin = performance.now();
    match(events);
    const seconds = (performance.now() - begin) / 1_000;
    return figure({ workload: 'P9', events, seconds, note: `${matched} matches` });
  },
};
