import { NotFound } from '../errors.ts';
import { START } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { formOf, isSameForm } from './adapt.ts';
import { isOfBuild } from './checkpoint-store.ts';
import type { ConsumerRecord } from './checkpoint-store.ts';
import type { ConsumerStores } from './consumer-stores.ts';
import type { ConsumerOptions } from './consumer-options.ts';
import type { Reaction } from './reaction.ts';
import { wasRemoved } from './removals.ts';
import { placeOf } from './replay.ts';

/** The consumer as the store has it, and had it made if need be. Errors: NotFound of a build, which nothing but its beginning makes. */
export async function knownRecord(reaction: Reaction, stores: ConsumerStores, nowMs: number): Promise<ConsumerRecord> {
  const { name: consumer } = reaction;
  const known = await stores.checkpoints.load(consumer);
  if (known !== undefined) return known;
  if (reaction.build !== undefined) throw new NotFound('consumer', consumer);
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

/** Whether it is a build that was switched, compared or cancelled, maybe by another node; there may be another of its name by now. */
export async function isOverBuild(
  { build, name }: Pick<Reaction, 'build' | 'name'>,
  checkpoints: ConsumerStores['checkpoints'],
): Promise<boolean> {
  return build !== undefined && (await checkpoints.load(name))?.form.build?.id !== build;
}

async function startPlace({ start }: Reaction, { log }: ConsumerStores): Promise<Position> {
  if (start === 'beginning') return START;
  return start === 'end' ? log.head() : placeOf(start, log);
}

/** Where nodes share the work, the definition of the one that was started last counts. */
export function isCurrent(
  record: ConsumerRecord,
  { lanes, setting: { reaction, logger } }: Pick<ConsumerOptions, 'lanes' | 'setting'>,
): boolean {
  if (lanes === undefined) return true;
  if (isSameForm(record.form, formOf(reaction)) && isOfBuild(record, { ofBuild: reaction.build })) return true;
  logger.warn(
    { consumer: reaction.name, here: formOf(reaction), there: record.form },
    'another program brought the consumer into another form; this one handles its events no longer',
  );
  lanes.withdraw(reaction.name);
  return false;
}
