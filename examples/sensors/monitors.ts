import { defineMonitor, defineSilence } from 'thereupon';
import { HeatNoticed, ReadingTaken, RiseNoticed, SensorLost } from './events.ts';

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
  publishes: HeatNoticed,
  alarm: ({ key, since, measured }) => ({ sensor: key, since, celsius: measured }),
});

export const rising = defineMonitor({
  name: 'rising',
  summary: 'Notices a rise of more than ten degrees a minute',
  on: ReadingTaken,
  key: (event) => event.data.sensor,
  value: (event) => event.data.celsius,
  measure: { rate: '1m' },
  fires: { above: 10 },
  publishes: RiseNoticed,
  alarm: ({ key, measured }) => ({ sensor: key, perMinute: Math.round(measured * 10) / 10 }),
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
  time: { idle: '10s' },
  publishes: SensorLost,
  alarm: ({ key, since, heard }) => ({ sensor: key, since, everHeard: heard }),
});
