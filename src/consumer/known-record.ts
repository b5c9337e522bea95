import { START } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { formOf } from './adapt.ts';
import type { ConsumerRecord } from './checkpoint-store.ts';
import type { ConsumerStores } from './consumer-loop.ts';
import type { Reaction } from './reaction.ts';
import { wasRemoved } from './removals.ts';
import { placeOf } from './replay.ts';

/** The consumer as the store has it, and had it made if need be. */
export async function knownRecord(reaction: Reaction, stores: ConsumerStores, nowMs: number): Promise<ConsumerRecord> {
  const { name: consumer } = reaction;
  const known = await stores.checkpoints.load(consumer);
  if (known !== undefined) return known;
  const began = await startPlace(reaction, stores);
  const replayed = (await wasRemoved(consumer, stores.log)) ? true : undefined;
  return stores.checkpoints.create({
    consumer,
    form: formOf(reaction, { began: began === START ? undefined : began, replayed }),
    checkpoint: { low: began, done: [] },
    paused: undefined,
    createdMs: nowMs,
    updatedMs: nowMs,
  });
}

async function startPlace({ start }: Reaction, { log }: ConsumerStores): Promise<Position> {
  if (start === 'beginning') return START;
  return start === 'end' ? log.head() : placeOf(start, log);
}
