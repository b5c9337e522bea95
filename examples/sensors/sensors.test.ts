import { retractionOf } from 'thereupon';
import { simulate, testSystem } from 'thereupon/testing';
import { expect, test } from 'vitest';
import {
  AlarmAnswered,
  AlarmEscalated,
  HeatNoticed,
  HotHourNoted,
  HourMeasured,
  ReadingTaken,
  SensorLost,
} from './events.ts';
import { readings } from './generator.ts';
import { houseByHour } from './hours.ts';
import sensors from './thereupon.config.ts';

const { store: _store, feed: _feed, ...program } = sensors;
const START_MS = Date.parse('2026-01-01T00:00:00Z');
const at = (minute: number) => ({ time: new Date(START_MS + minute * 60_000) });

test('an alarm is told once, again after it was cooler, and goes to the next in line when nobody answers', async () => {
  await using house = await testSystem({ ...program, now: '2026-01-01T12:00:00Z' });
  for (const [minute, celsius] of [
    [0, 81],
    [1, 82],
    [2, 83],
    [3, 79],
    [4, 90],
    [5, 74],
    [6, 85],
    [8, 86],
  ] as const) {
    await house.system.publish(ReadingTaken, { sensor: 'roof', celsius }, at(minute));
    if (minute === 2) await house.system.publish(AlarmAnswered, { sensor: 'roof', by: 'Ada' }, at(minute));
  }
  await house.settled({ advance: '1h' });
  const since = house.recorded(HeatNoticed).map(({ data }) => (Date.parse(data.since) - START_MS) / 60_000);
  expect(since).toEqual([0, 6]);
  expect(house.recorded(AlarmEscalated).map(({ data }) => data.since)).toEqual(['2026-01-01T00:06:00.000Z']);
});

test('the sensors that are built in are missed, also those that never were heard of', async () => {
  await using house = await testSystem({ ...program, now: '2026-01-01T00:00:00Z' });
  await house.system.publish(ReadingTaken, { sensor: 'hall', celsius: 20 }, at(0));
  await house.settled({ advance: '1h' });
  expect(
    house
      .recorded(SensorLost)
      .map(({ data }) => `${data.sensor} ${data.everHeard}`)
      .toSorted(),
  ).toEqual(['cellar false', 'hall true', 'kitchen false', 'roof false', 'server-room false']);
});

test('a late reading corrects its hour, the view over it, and what was noted of it', async () => {
  await using house = await testSystem({ ...program, now: '2026-01-01T12:00:00Z' });
  for (const [minute, celsius] of [
    [0, 70],
    [30, 60],
    [61, 20],
    [10, 20],
  ] as const)
    await house.system.publish(ReadingTaken, { sensor: 'roof', celsius }, at(minute));
  await house.settled();
  const means = house.recorded(HourMeasured).filter(({ data }) => data.hour === '2026-01-01T00:00:00.000Z');
  expect(means.at(-1)?.data).toEqual({ sensor: 'roof', hour: '2026-01-01T00:00:00.000Z', mean: 50, readings: 3 });
  expect(house.recorded(retractionOf(HourMeasured)).length).toBe(means.length - 1);
  expect(await house.row(houseByHour, '2026-01-01T00:00:00.000Z')).toEqual({ sum: 150, readings: 3 });
  expect(house.recorded(HotHourNoted).at(-1)?.data).toMatchObject({ was: 65, mean: 60 });
});

test('whatever happens to its events, the same comes of them', async () => {
  const taken = readings(1);
  const events = Array.from({ length: 60 }, (_, index) => {
    const { sensor, celsius } = taken.next().value;
    return [ReadingTaken, { sensor, celsius }, at(index / 60)] as const;
  });
  // Monitors ask for the order of readings, and say what is late: here they come in order, twice, and the process dies.
  const { divergence, report } = await simulate(sensors, { events, runs: 20, faults: { reorder: 0, delay: 0 } });
  expect(divergence, report).toBeUndefined();
});
