import { defineEvent, defineMonitor, defineSilence, defineWindow, retractionOf, tumbling } from 'thereupon';
import { testSystem } from 'thereupon/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { DISORDER_MS, expectedOf, isBad, ORDERS, readingsOf, SERIES } from './nab-series.ts';
import type { Answers, Reading } from './nab-series.ts';
import { testSharedText } from './shared-text.ts';

const Taken = defineEvent({
  type: 'nab.reading.taken',
  schema: z.object({ sensor: z.string(), value: z.number() }),
  stream: ({ sensor }) => `sensor-${sensor}`,
});
const Fired = defineEvent({
  type: 'nab.monitor.fired',
  schema: z.object({ monitor: z.string(), since: z.string() }),
  stream: ({ monitor }) => `monitor-${monitor}`,
});
const Measured = defineEvent({
  type: 'nab.hour.measured',
  schema: z.object({ hour: z.string(), mean: z.number() }),
  stream: () => 'hours-all',
});

/** The same time for all: the order in which readings come is that of the file, or worse. */
const time = { disorder: DISORDER_MS, idle: 'never' } as const;
const SENSOR = 'series';

function programOf(bad: (value: number) => boolean, stepMs: number) {
  const monitor = (name: string, more: { readonly rearms?: 'always'; readonly times?: number }) =>
    defineMonitor({
      ...more,
      name,
      on: Taken,
      key: ({ data }) => data.sensor,
      time,
      value: ({ data }) => (data.sensor === SENSOR ? data.value : undefined),
      fires: bad,
      publishes: Fired,
      alarm: ({ since }) => ({ monitor: name, since }),
    });
  const silence = defineSilence({
    on: Taken,
    key: ({ data }) => data.sensor,
    time,
    name: 'gaps',
    for: 3 * stepMs,
    publishes: Fired,
    alarm: ({ since }) => ({ monitor: 'gaps', since }),
  });
  const hours = defineWindow({
    on: Taken,
    key: ({ data }) => data.sensor,
    time,
    name: 'hours',
    windows: tumbling('1h'),
    aggregate: {
      initial: () => ({ sum: 0, count: 0 }),
      add: ({ sum, count }, { data }) => ({ sum: sum + data.value, count: count + 1 }),
      result: ({ sum, count }, { start }) => ({ hour: start, mean: sum / count }),
    },
    late: { correct: '1d' },
    publishes: Measured,
  });
  return {
    events: [Taken],
    monitors: [
      monitor('beyond', { rearms: 'always' }),
      monitor('crossings', {}),
      monitor('runs', { times: 3 }),
      silence,
    ],
    windows: [hours],
  };
}

/** What the program says of a series, whose readings are told in the order in which they arrive, and its program restarted now and then. */
async function answer(arrivals: readonly Reading[], bad: (value: number) => boolean, stepMs: number) {
  await using system = await testSystem(programOf(bad, stepMs));
  const lastMs = Math.max(...arrivals.map(({ timeMs }) => timeMs));
  // Of another sensor: with it the last hour is over.
  const end = { timeMs: lastMs + 3 * 3_600_000, value: 0, id: -1 };
  const all = [...arrivals, end];
  for (let from = 0; from < all.length; from += 1_000) {
    const batch = all.slice(from, from + 1_000).map(({ timeMs, value, id }) => ({
      event: Taken,
      data: { sensor: id < 0 ? 'end' : SENSOR, value },
      options: { id: String(id), time: new Date(timeMs) },
    }));
    // Told twice, it is one.
    await system.system.publishAll(batch);
    if (from % 5_000 === 0) await system.crash();
  }
  await system.settled();
  const fired = (name: string) => system.recorded(Fired).filter(({ data }) => data.monitor === name);
  const means = new Map(system.recorded(Measured).map(({ data }) => [data.hour, data.mean]));
  const late = system
    .reported('thereupon.event.late')
    .map(({ data }) => data as { consumer: string; position: number })
    .filter(({ consumer }) => consumer === 'beyond');
  const values = new Map(system.recorded(Taken).map(({ position, data }) => [Number(position), data.value]));
  // What comes after ten minutes have passed over it is late: for what asks of one reading alone it counts all the same.
  const lateBad = late.filter(({ position }) => bad(values.get(position) ?? Number.NaN)).length;
  expect(late.length).toBeLessThanOrEqual(12);
  const corrections = system.recorded(Measured).filter(({ extensions }) => extensions['replaces'] !== undefined);
  expect(system.recorded(retractionOf(Measured)).length).toBe(corrections.length);
  return {
    beyond: fired('beyond').length + lateBad,
    crossings: fired('crossings').length,
    runs: fired('runs').length,
    hours: means.size,
    badHours: [...means.values()].filter(bad).length,
    gaps: fired('gaps').filter(({ data }) => Date.parse(data.since) < lastMs).length,
  };
}

describe('a program of monitors and hourly means over the series of the Numenta benchmark (G6, G8)', () => {
  testSharedText(
    ['sensors-nab/answers.json', ...SERIES.map((name) => `sensors-nab/${name}.csv`)],
    (answers, ...texts) => {
      for (const [index, series] of SERIES.entries()) {
        const expected = (JSON.parse(answers) as Record<string, Answers>)[series];
        if (expected === undefined) throw new Error(`${series} has no answers`);
        const readings = readingsOf(texts[index] ?? '');
        for (const [order, arranged] of Object.entries(ORDERS)) {
          test(`${series}, ${order}`, async () => {
            const stepMs = expected['median step s'] * 1_000;
            expect(await answer(arranged(readings), isBad(expected), stepMs)).toEqual(expectedOf(expected));
          }, 60_000);
        }
      }
    },
  );
});
