/** Publishes disordered events in parts, through a keyed window on SQLite, and tells after each part what is kept: `flat-memory-program.ts {"store":…}`. */
import { DatabaseSync } from 'node:sqlite';
import { defineEvent, defineWindow, open, tumbling } from 'thereupon';
import type { Duration, LatePolicy } from 'thereupon';
import { z } from 'zod';

export interface FlatMemoryTask {
  readonly store: string;
  readonly parts: number;
  /** In each part. */
  readonly events: number;
  readonly window: Duration;
  readonly late: LatePolicy;
}

/** What is kept after a part. */
export interface Kept {
  /** Handled so far, and so many of them late. */
  readonly handled: number;
  readonly late: number;
  readonly rows: number;
  readonly rowBytes: number;
  /** Windows of so many keys wait for their end. */
  readonly timers: number;
  readonly heapMb: number;
  readonly rssMb: number;
  readonly seconds: number;
}

const START_MS = Date.parse('2026-01-01T00:00:00Z');
const DISORDER_MS = 2_000;
/** So many keys speak at a time, for so many events; then others do. */
const KEYS = 400;
const KEY_EVENTS = 20_000;
const BATCH = 1_000;

const ReadingTaken = defineEvent({
  type: 'test.reading.taken',
  schema: z.object({ sensor: z.string(), value: z.number() }),
  stream: ({ sensor }) => `sensor-${sensor}`,
});
const ReadingsCounted = defineEvent({
  type: 'test.readings.counted',
  schema: z.object({ sensor: z.string(), readings: z.number() }),
  stream: ({ sensor }) => `counted-${sensor}`,
});

/** The n-th event: one each millisecond, up to two seconds late. */
function reading(n: number) {
  const mixed = Math.imul(n ^ (n >>> 15), 0x2c_1b_3c_6d) >>> 0;
  const late = (Math.imul(mixed, 0x29_7a_2d_39) >>> 0) % DISORDER_MS;
  const sensor = `${Math.floor(n / KEY_EVENTS)}-${mixed % KEYS}`;
  const time = new Date(START_MS + Math.max(0, n - late));
  return { event: ReadingTaken, data: { sensor, value: mixed % 100 }, options: { time } };
}

const task = JSON.parse(process.argv[2] ?? '{}') as FlatMemoryTask;
const counts = defineWindow({
  name: 'counts',
  on: ReadingTaken,
  key: ({ data }) => data.sensor,
  windows: tumbling(task.window),
  time: { disorder: DISORDER_MS, idle: 'never' },
  late: task.late,
  aggregate: {
    initial: () => 0,
    add: (readings) => readings + 1,
    result: (readings, { key }) => ({ sensor: key, readings }),
  },
  publishes: ReadingsCounted,
});

await using system = await open({ store: task.store, events: [ReadingTaken], windows: [counts] });
using file = new DatabaseSync(task.store, { readOnly: true });
for (let part = 0; part < task.parts; part += 1) {
  const begin = performance.now();
  for (let from = 0; from < task.events; from += BATCH)
    await system.publishAll(Array.from({ length: BATCH }, (_, index) => reading(part * task.events + from + index)));
  await system.settled();
  const seconds = (performance.now() - begin) / 1_000;
  process.stdout.write(`${JSON.stringify({ ...(await kept()), seconds })}\n`);
}

async function kept(): Promise<Omit<Kept, 'seconds'>> {
  const { figures, time } = await system.consumers.status('counts');
  const rows = file.prepare('SELECT count(*) AS rows, coalesce(sum(length(value)), 0) AS bytes FROM rows').get();
  globalThis.gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  return {
    handled: figures.handled,
    late: figures.late,
    rows: Number(rows?.['rows']),
    rowBytes: Number(rows?.['bytes']),
    timers: time?.timers ?? 0,
    heapMb: heapUsed / 1_048_576,
    rssMb: rss / 1_048_576,
  };
}
