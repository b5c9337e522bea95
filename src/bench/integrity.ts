import { open } from '../index.ts';
import type { System } from '../index.ts';
import { BenchOrderPlaced, orderNumber } from './shop-event.ts';
import { figure } from './workload.ts';
import type { Figure, Workload } from './workload.ts';

/** With a chain and without one in turns, since machines change their speed. */
const TURNS = 20;

type Log = System<typeof BenchOrderPlaced>;

/** One way of publishing: so many callers, each with so many events at a time. */
interface Way {
  readonly workload: string;
  readonly callers: number;
  readonly batch: number;
  readonly events: number;
  readonly note: string;
}

/** What a hash chain costs who publishes, and how fast a log is compared with it. */
export const hashChain: Workload = {
  name: 'E7',
  what: 'the hash chain: what it costs on publishing, beside a log without one; verify',
  async run({ storePath, scale }) {
    const ways: readonly Way[] = [
      { workload: 'E7-many', callers: 256, batch: 1, events: 300_000, note: '256 callers, one event each' },
      { workload: 'E7-one', callers: 1, batch: 1, events: 10_000, note: 'one at a time, awaited' },
      { workload: 'E7-batch', callers: 1, batch: 500, events: 300_000, note: 'batches of 500' },
    ];
    await using plain = await open({ store: await storePath('e7-plain'), events: [BenchOrderPlaced] });
    await using chained = await open({
      store: await storePath('e7-chained'),
      events: [BenchOrderPlaced],
      tamperEvidence: true,
    });
    const figures: Figure[] = [];
    for (const way of ways)
      figures.push(await beside(plain, chained, { ...way, events: Math.ceil(way.events * scale) }));
    const begin = performance.now();
    const { ok, events } = await chained.integrity.verify();
    if (!ok) throw new Error('the log is not what its chain says');
    const seconds = (performance.now() - begin) / 1_000;
    return [
      ...figures,
      figure({ workload: 'E7-verify', events, seconds, note: 'every event compared with the chain' }),
    ];
  },
};

/** The limit is the same without a chain. */
async function beside(plain: Log, chained: Log, { workload, callers, batch, events, note }: Way): Promise<Figure> {
  const took = { plain: 0, chained: 0 };
  const perTurn = Math.ceil(events / TURNS / batch) * batch;
  for (let turn = -1; turn < TURNS; turn += 1)
    for (const [name, log] of [
      ['plain', plain],
      ['chained', chained],
    ] as const) {
      const seconds = await publishing(log, { callers, batch, events: perTurn });
      // The first turn warms up.
      if (turn >= 0) took[name] += seconds;
    }
  const published = perTurn * TURNS;
  return figure({
    workload,
    events: published,
    seconds: took.chained,
    limit: published / took.plain,
    note: `${note}; limit: the same in a log without a chain, in turns`,
  });
}

async function publishing(
  log: Log,
  { callers, batch, events }: Pick<Way, 'callers' | 'batch' | 'events'>,
): Promise<number> {
  let next = 0;
  const begin = performance.now();
  await Promise.all(
    Array.from({ length: callers }, async () => {
      for (let n = (next += batch) - batch; n < events; n = (next += batch) - batch)
        if (batch === 1) await log.publish(BenchOrderPlaced, orderNumber(n));
        else
          await log.publishAll(
            Array.from({ length: batch }, (_, index) => ({ event: BenchOrderPlaced, data: orderNumber(n + index) })),
          );
    }),
  );
  return (performance.now() - begin) / 1_000;
}
