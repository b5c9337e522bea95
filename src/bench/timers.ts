import { z } from 'zod';
import { defineEvent, defineSilence, open } from '../index.ts';
import { inOwnProcess } from './own-process.ts';
import { figure, peakRssMb, rssMb } from './workload.ts';
import type { Workload } from './workload.ts';

const START_MS = Date.parse('2026-01-01T00:00:00Z');

const Heard = defineEvent({
  type: 'bench.device.heard',
  schema: z.object({ device: z.string() }),
  stream: ({ device }) => `device-${device}`,
});

const Lost = defineEvent({
  type: 'bench.device.lost',
  schema: z.object({ device: z.string() }),
  stream: ({ device }) => `device-${device}`,
});

const silence = defineSilence({
  name: 'lost',
  on: Heard,
  key: ({ data }) => data.device,
  for: '5m',
  time: { idle: 'never' },
  publishes: Lost,
  alarm: ({ key }) => ({ device: key }),
});

/** One event of each device, all within a minute of event time. */
async function hear(store: string, devices: number): Promise<void> {
  await using system = await open({ store, events: [Heard], consume: false });
  for (let from = 0; from < devices; from += 1_000) {
    const batch = Array.from({ length: Math.min(1_000, devices - from) }, (_, index) => ({
      event: Heard,
      data: { device: String(from + index) },
      options: { time: new Date(START_MS + Math.floor(((from + index) / devices) * 60_000)) },
    }));
    await system.publishAll(batch);
  }
}

/** A life of the program: one reads the events, one is started when all timers are open, and lets them fire. */
export interface TimersTask {
  readonly place: string;
  readonly fire: boolean;
}

export interface TimersMeasured {
  readonly openSeconds: number;
  readonly timers: number;
  /** With all timers open, and the most it had until then. */
  readonly openMb: number;
  readonly peakMb: number;
  readonly fireSeconds: number;
  /** The most it had until all had fired. */
  readonly firedMb: number;
}

export async function measureTimers({ place, fire }: TimersTask): Promise<TimersMeasured> {
  const begin = performance.now();
  await using system = await open({ store: place, monitors: [silence] });
  await system.settled();
  const opened = performance.now();
  const { time } = await system.consumers.status('lost');
  const [openMb, peakMb] = [rssMb(), peakRssMb()];
  const firing = performance.now();
  if (fire) await system.publish(Heard, { device: 'last' }, { time: new Date(START_MS + 30 * 60_000) });
  await system.settled();
  return {
    openSeconds: (opened - begin) / 1_000,
    timers: time?.timers ?? 0,
    openMb,
    peakMb,
    fireSeconds: (performance.now() - firing) / 1_000,
    firedMb: peakRssMb(),
  };
}

export const openTimers: Workload = {
  name: 'T5',
  what: '1,000,000 open absence timers: memory, then all of them fire',
  long: true,
  async run({ storePath, scale }) {
    const place = await storePath('t5');
    const devices = Math.ceil(1_000_000 * scale);
    await hear(place, devices);
    const live = (task: TimersTask) => inOwnProcess<TimersMeasured>('timers-process', task);
    const reading = await live({ place, fire: false });
    const restarted = await live({ place, fire: true });
    for (const { timers } of [reading, restarted])
      if (timers !== devices) throw new Error(`${timers} timers are open, expected ${devices}`);
    const note =
      `firings; RSS while it read the events ${reading.peakMb} MB at most (${Math.round(devices / reading.openSeconds)}/s), ` +
      `started again with all open ${restarted.openMb} MB, ${restarted.peakMb} at most (after ${restarted.openSeconds.toFixed(2)} s), ` +
      `until all had fired ${restarted.firedMb} at most`;
    return {
      ...figure({ workload: 'T5', events: devices, seconds: restarted.fireSeconds, note }),
      rssMb: Math.max(reading.peakMb, restarted.peakMb),
    };
  },
};
