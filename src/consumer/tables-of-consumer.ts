import { BEFORE_ALL, START } from '../event/position.ts';
import type { AttemptSetting } from './attempt.ts';
import type { ConsumerRecord } from './checkpoint-store.ts';
import type { ConsumerStores } from './consumer-stores.ts';
import { missedAfterReplay } from './missed-events.ts';

/**
 * Sees to it that a consumer has the tables that its definition declares, before it handles events. Where they are missing and it has handled some,
 * as in a store that was moved, into which tables do not go along, it begins anew. Answers the record as it is then.
 *
 * Guarantee May be repeated, by several nodes at once and after a crash in the middle: the checkpoint goes back before there are tables.
 */
export async function withTables(
  record: ConsumerRecord,
  { reaction, environment }: AttemptSetting,
  { tables, checkpoints }: Pick<ConsumerStores, 'checkpoints' | 'tables'>,
): Promise<ConsumerRecord> {
  if (reaction.tables === undefined || tables === undefined) return record;
  const { checkpoint, form } = record;
  const { began = START } = form;
  let present = record;
  const hasHandled = checkpoint.low > began || checkpoint.done.length > 0;
  if (hasHandled && !(await tables.has(reaction.tables.namespace))) {
    environment.logger.warn(
      { consumer: reaction.name, position: checkpoint.low },
      'the tables of the view are not in this store; it takes in all events from its beginning',
    );
    const change = {
      checkpoint: { low: began, done: [] },
      forget: { above: BEFORE_ALL, rows: [] },
      form: { ...form, missed: form.missed && missedAfterReplay(form.missed, began), replayed: true as const },
    };
    present = (await checkpoints.change(reaction.name, change, environment.clock.now())) ?? record;
  }
  await tables.ensure(reaction.tables);
  return present;
}
