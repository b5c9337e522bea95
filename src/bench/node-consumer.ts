import { defineConsumer } from '../index.ts';
import type { ConsumerDefinition, Position } from '../index.ts';
import { BenchOrderPlaced } from './shop-event.ts';

/** What a node of a benchmark does. */
export interface NodeTask {
  readonly place: string;
  readonly kind: 'plain' | 'queue';
  readonly name: string;
  readonly events: number;
  readonly position: Position;
}

/** The consumer that the nodes share: a counting handler, as in P3 or in P8. */
export function nodeConsumer({ kind, name, position }: NodeTask, handled: () => void): ConsumerDefinition {
  const from = { position };
  if (kind === 'plain') return defineConsumer({ name, on: BenchOrderPlaced, from, handle: handled });
  return defineConsumer({
    name,
    mode: 'queue',
    on: BenchOrderPlaced,
    from,
    concurrency: 256,
    async handle() {
      handled();
    },
  });
}
