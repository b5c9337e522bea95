import { defineEvent } from 'thereupon';
import { z } from 'zod';

const sensor = z.string().min(1);
const celsius = z.number();

export const ReadingTaken = defineEvent({
  type: 'sensors.reading.taken',
  summary: 'A sensor took the temperature; its time is when it did',
  stream: (data) => `sensor-${data.sensor}`,
  schema: z.object({ sensor, celsius }),
});

export const HeatNoticed = defineEvent({
  type: 'sensors.heat.noticed',
  summary: 'It has been too hot at a sensor for a minute',
  stream: (data) => `sensor-${data.sensor}`,
  schema: z.object({ sensor, since: z.string(), celsius }),
});

export const WarmthNoticed = defineEvent({
  type: 'sensors.warmth.noticed',
  summary: 'The mean of a minute was above what is good for what is there',
  stream: (data) => `sensor-${data.sensor}`,
  schema: z.object({ sensor, mean: celsius }),
});

export const SensorLost = defineEvent({
  type: 'sensors.sensor.lost',
  summary: 'Nothing was heard of a sensor for five minutes',
  stream: (data) => `sensor-${data.sensor}`,
  schema: z.object({ sensor, since: z.string(), everHeard: z.boolean() }),
});

export const AlarmAnswered = defineEvent({
  type: 'sensors.alarm.answered',
  summary: 'Somebody went there',
  stream: (data) => `sensor-${data.sensor}`,
  schema: z.object({ sensor, by: z.string() }),
});

export const AlarmEscalated = defineEvent({
  type: 'sensors.alarm.escalated',
  summary: 'Nobody went there within a quarter of an hour',
  stream: (data) => `sensor-${data.sensor}`,
  schema: z.object({ sensor, since: z.string() }),
});

export const HourMeasured = defineEvent({
  type: 'sensors.hour.measured',
  summary: 'The mean temperature of an hour',
  stream: (data) => `hours-${data.sensor}`,
  schema: z.object({ sensor, hour: z.string(), mean: celsius, readings: z.int().positive() }),
});

export const HotHourNoted = defineEvent({
  type: 'sensors.hot-hour.noted',
  summary: 'An hour was hot on average; or, as is known now, it was not',
  stream: (data) => `hours-${data.sensor}`,
  schema: z.object({ sensor, hour: z.string(), mean: celsius, was: celsius.optional() }),
});
