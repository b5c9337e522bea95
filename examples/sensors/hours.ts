import { defineAutomation, defineProjection, defineWindow, tumbling } from 'thereupon';
import { HotHourNoted, HourMeasured, ReadingTaken } from './events.ts';

/** The mean of each hour, first told every ten minutes, then when the hour is over, and again for each late reading of the day after. */
export const hourlyMeans = defineWindow({
  name: 'hourly-means',
  summary: 'The mean temperature of each hour at each sensor, corrected when readings come late',
  on: ReadingTaken,
  key: (event) => event.data.sensor,
  windows: tumbling('1h'),
  time: { disorder: '30s' },
  early: { every: '10m' },
  late: { correct: '1d' },
  aggregate: {
    initial: () => ({ sum: 0, readings: 0 }),
    add: (total, event) => ({ sum: total.sum + event.data.celsius, readings: total.readings + 1 }),
    result: ({ sum, readings }, { key, start }) => ({
      sensor: key,
      hour: start,
      mean: Math.round((sum / readings) * 100) / 100,
      readings,
    }),
  },
  publishes: HourMeasured,
});

/** Over all sensors: a mean that is corrected is taken out, and the new one put in. */
export const houseByHour = defineProjection({
  name: 'house-by-hour',
  summary: 'The mean temperature of the house in each hour',
  key: (event) => event.data.hour,
  initial: () => ({ sum: 0, readings: 0 }),
  on: [
    [
      HourMeasured,
      (row, { data }) => ({
        sum: rounded(row.sum + data.mean * data.readings),
        readings: row.readings + data.readings,
      }),
      (row, { data }) => ({
        sum: rounded(row.sum - data.mean * data.readings),
        readings: row.readings - data.readings,
      }),
    ],
  ],
  indexes: { mean: (row) => (row.readings === 0 ? null : row.sum / row.readings) },
});

export const noteHotHours = defineAutomation({
  name: 'note-hot-hours',
  summary: 'Notes hours that were hot on average, and when that turns out to be otherwise',
  on: HourMeasured,
  where: { data: { mean: [{ numeric: ['>', 60] }] } },
  publishes: [HotHourNoted],
  async run({ event, publish }) {
    const { sensor, hour, mean } = event.data;
    await publish(HotHourNoted, { sensor, hour, mean });
  },
  /** Called where an hour that was noted is known better, also when it is hot no longer. */
  async onCorrection({ event, replaced, publish }) {
    for (const { data } of replaced) {
      const mean = event?.data.mean ?? Math.min(data.mean, 60);
      await publish(HotHourNoted, { sensor: data.sensor, hour: data.hour, mean, was: data.mean });
    }
  },
});

/** Hundredths are added up in whatever order they come: the same comes out. */
function rounded(sum: number): number {
  return Math.round(sum * 100) / 100;
}
