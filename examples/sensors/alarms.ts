import { defineAutomation, definePattern, every, not, one } from 'thereupon';
import { AlarmAnswered, AlarmEscalated, HeatNoticed } from './events.ts';

/** An alarm, and nobody who went there within a quarter of an hour. */
const unanswered = definePattern({
  sequence: [every(one('alarm', HeatNoticed)), not(AlarmAnswered).within('15m')],
  key: (event) => event.stream,
});

export const escalate = defineAutomation({
  name: 'escalate',
  summary: 'Tells the next in line when nobody answers an alarm',
  on: unanswered,
  publishes: [AlarmEscalated],
  async run({ events, publish }) {
    for (const { data } of events.alarm) await publish(AlarmEscalated, { sensor: data.sensor, since: data.since });
  },
});
