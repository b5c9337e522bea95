import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { defineConfig } from 'thereupon';
import { escalate } from './alarms.ts';
import { AlarmAnswered, ReadingTaken } from './events.ts';
import { readings } from './generator.ts';
import { hourlyMeans, houseByHour, noteHotHours } from './hours.ts';
import { lost, tooHot, tooWarm } from './monitors.ts';

const HISTORY_MS = 6 * 3_600_000;

export default defineConfig({
  store: './data/sensors.db',
  source: '/sensors',
  events: [ReadingTaken, AlarmAnswered],
  monitors: [tooHot, tooWarm, lost],
  windows: [hourlyMeans],
  projections: [houseByHour],
  automations: [noteHotHours, escalate],
  // A sensor whose clock is ahead would make the readings of all others late.
  clocks: { trusted: '1m' },

  /** Sensors: `rate` readings a second; first those of the last hours, one for each five seconds, then of the present. */
  async feed({ system, rate, signal }) {
    const taken = readings(Date.now());
    const isNew = (await system.events.head()) === 0;
    let presentMs = Date.now() - (isNew ? HISTORY_MS : 0);
    while (!signal.aborted) {
      const { sensor, celsius, lateSeconds } = taken.next().value;
      presentMs = Math.min(presentMs + 5_000, Date.now());
      const time = new Date(presentMs - lateSeconds * 1_000);
      await system.publish(ReadingTaken, { sensor, celsius }, { id: randomUUID(), time });
      await wait(1_000 / rate, undefined, { signal }).catch(() => undefined);
    }
  },
});
