import { defineProjection, open } from '../index.ts';
import { BenchOrderPlaced, orderNumber } from './shop-event.ts';
import { figure, percentile } from './workload.ts';
import type { Workload } from './workload.ts';

const ofCustomer = {
  key: ({ data }: { readonly data: { readonly customer: string } }) => data.customer,
  initial: () => ({ orders: 0, total: 0 }),
  on: [
    [
      BenchOrderPlaced,
      (
        row: { readonly orders: number; readonly total: number },
        { data }: { readonly data: { readonly total: number } },
      ) => ({
        orders: row.orders + 1,
        total: row.total + data.total,
      }),
    ],
  ],
} as const;
const counts = defineProjection({ name: 'counts', mode: 'inline', ...ofCustomer });

const CALLERS = 64;
/** With the projection and without one in turns, since machines change their speed. */
const TURNS = 10;

/** Counts per customer in the transaction that records each order, beside the same without a projection. */
export const projectInline: Workload = {
  name: 'E3',
  what: 'inline projection: counts per customer, one event per append, 64 callers',
  async run({ storePath, scale }) {
    const events = Math.ceil((200_000 * scale) / TURNS) * TURNS;
    await using plain = await open({ store: await storePath('e3-plain'), events: [BenchOrderPlaced] });
    await using system = await open({
      store: await storePath('e3'),
      events: [BenchOrderPlaced],
      projections: [counts],
    });
    const took = new Float64Array(events);
    const publish = async (to: typeof system, from: number, until: number, note: boolean) => {
      let next = from;
      const begin = performance.now();
      await Promise.all(
        Array.from({ length: CALLERS }, async () => {
          for (let n = next++; n < until; n = next++) {
            const start = performance.now();
            await to.publish(BenchOrderPlaced, orderNumber(n));
            if (note) took[n] = performance.now() - start;
          }
        }),
      );
      return (performance.now() - begin) / 1_000;
    };
    const warm = Math.ceil(20_000 * scale);
    for (const each of [plain, system]) await publish(each, events, events + warm, false);
    const seconds = { plain: 0, inline: 0 };
    for (let turn = 0; turn < TURNS; turn += 1) {
      const [from, until] = [(events / TURNS) * turn, (events / TURNS) * (turn + 1)];
      seconds.plain += await publish(plain, from, until, false);
      seconds.inline += await publish(system, from, until, true);
    }
    let sum = 0;
    for (let after: string | undefined; ;) {
      const page = await system.views.query(counts, { limit: 1_000, ...(after === undefined ? {} : { after }) });
      for (const { row } of page.items) sum += row.orders;
      if (page.next === undefined) break;
      after = page.next;
    }
    if (sum !== events + warm) throw new Error(`the projection counted ${sum} of ${events + warm} events`);
    return figure({
      workload: 'E3',
      events,
      seconds: seconds.inline,
      limit: events / seconds.plain,
      p50Ms: percentile(took, 0.5),
      p99Ms: percentile(took, 0.99),
      note: 'rows changed in the transaction of each append; limit: the same without a projection, in turns',
    });
  },
};
