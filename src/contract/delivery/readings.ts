import { z } from 'zod';
import { defineEvent } from '../../event/define-event.ts';
import { DEFAULT_START_MS } from '../../testing/index.ts';
import type { TestSystem } from '../../testing/index.ts';

export const Measured = defineEvent({
  type: 'contract.reading.measured',
  schema: z.object({ sensor: z.string(), value: z.number() }),
  stream: (data) => `sensor-${data.sensor}`,
});

export const Totalled = defineEvent({
  type: 'contract.minute.totalled',
  schema: z.object({ sensor: z.string(), start: z.string(), count: z.number().max(99), sum: z.number() }),
  stream: (data) => `minute-${data.sensor}`,
});

export const Alarmed = defineEvent({
  type: 'contract.sensor.alarmed',
  schema: z.object({ sensor: z.string(), since: z.string() }),
  stream: (data) => `sensor-${data.sensor}`,
});

export type Test = TestSystem<typeof Measured>;

/** The reading of a sensor so many seconds after the beginning. */
export async function measure(
  test: Test,
  sensor: string,
  second: number,
  value = 1,
  source = '/sensors',
): Promise<void> {
  await test.system.publish(Measured, { sensor, value }, { time: new Date(DEFAULT_START_MS + second * 1_000), source });
}

/** Since the beginning. */
export function seconds(time: string): number {
  return (Date.parse(time) - DEFAULT_START_MS) / 1_000;
}
