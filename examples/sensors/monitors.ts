import { defineMonitor, defineSilence } from 'thereupon';
import { HeatNoticed, ReadingTaken, SensorLost, WarmthNoticed } from './events.ts';

/** Most readings are here by then: they are looked at in the order in which they were taken. What comes later still is told as late. */
const DISORDER = '30s';

/** Fires above 80 °C, and not again before it was below 75. */
export const tooHot = defineMonitor({
  name: 'too-hot',
  summary: 'Notices when it is too hot for a minute',
  on: ReadingTaken,
  key: (event) => event.data.sensor,
  value: (event) => event.data.celsius,
  fires: { above: 80 },
  rearms: { below: 75 },
  for: '1m',
  time: { disorder: DISORDER },
  publishes: HeatNoticed,
  alarm: ({ key, since, measured }) => ({ sensor: key, since, celsius: measured }),
});

/** The mean of the last minute, which one reading does not move. */
export const tooWarm = defineMonitor({
  name: 'too-warm',
  summary: 'Notices when a minute was above 65 degrees on average, and not again before one was below 60',
  on: ReadingTaken,
  key: (event) => event.data.sensor,
  value: (event) => event.data.celsius,
  measure: { average: { over: '1m' } },
  fires: { above: 65 },
  rearms: { below: 60 },
  time: { disorder: DISORDER },
  publishes: WarmthNoticed,
  alarm: ({ key, measured }) => ({ sensor: key, mean: Math.round(measured * 10) / 10 }),
});

/** Those that are built in: of these it is known that they should be heard of. */
export const SENSORS = ['cellar', 'hall', 'kitchen', 'roof', 'server-room'] as const;

export const lost = defineSilence({
  name: 'lost',
  summary: 'Notices when nothing is heard of a sensor for five minutes',
  on: ReadingTaken,
  key: (event) => event.data.sensor,
  for: '5m',
  expected: SENSORS,
  time: { disorder: DISORDER, idle: '10s' },
  publishes: SensorLost,
  alarm: ({ key, since, heard }) => ({ sensor: key, since, everHeard: heard }),
});
