import { z } from 'zod';
import { defineEvent } from '../../event/define-event.ts';
import { DEFAULT_START_MS } from '../../testing/index.ts';
import type { ProgramOptions, TestSystem } from '../../testing/index.ts';
import type { DeliveryStage } from './delivery-case.ts';

export const Read = defineEvent({
  type: 'contract.gauge.read',
  schema: z.object({ gauge: z.string(), n: z.number() }),
  stream: ({ gauge }) => `gauge-${gauge}`,
});

/** Numbers above 50 are refused by the schema, not by the one who publishes them. */
export const Said = defineEvent({
  type: 'contract.gauge.said',
  schema: z.object({ n: z.number().max(50) }),
  stream: () => 'said',
});

export const SaidInTime = defineEvent({
  type: 'contract.gauge.shown',
  schema: z.object({ n: z.number().refine((n) => Promise.resolve(n <= 50)) }),
  stream: () => 'said',
});

export const Lost = defineEvent({
  type: 'contract.gauge.lost',
  schema: z.object({ gauge: z.string() }),
  stream: () => 'lost',
});

export type Test = TestSystem<typeof Read>;

export const start = (stage: DeliveryStage, program: Omit<ProgramOptions<typeof Read>, 'events'>): Promise<Test> =>
  stage.start({ events: [Read], ...program });

export async function read(test: Test, gauge: string, n: number, second: number): Promise<void> {
  const at = new Date(DEFAULT_START_MS + second * 1_000);
  await test.system.publish(Read, { gauge, n }, { source: '/gauges', time: at });
}

export const said = (test: Test, definition: typeof Said | typeof SaidInTime = Said) =>
  test.recorded(definition).map(({ data }) => data.n);
export const key = ({ data }: { readonly data: { readonly gauge: string } }) => data.gauge;
export const common = { on: Read, key, retry: { attempts: 1 } } as const;
