import { InvalidDefinition } from '../errors.ts';
import type { Environment } from '../system/environment.ts';
import type { ConsumerForm, ConsumerRecord } from './checkpoint-store.ts';
import type { ConsumerStores } from './consumer-loop.ts';
import type { Position } from '../event/position.ts';
import type { KeyedState, Reaction } from './reaction.ts';

const PAGE = 500;

/** What of a reaction decides what its stored state means. */
export function formOf({ kind, mode, consumes, state }: Reaction): ConsumerForm {
  return { kind, mode, types: consumes?.toSorted(), indexes: state?.indexNames.toSorted() ?? [] };
}

/**
 * Brings what the store holds of a consumer into the form that its definition has now: nothing that waits is forgotten because the
 * program was changed between two runs. Answers whether there was something to bring over.
 *
 * Guarantee May be repeated: the new form is written down by the caller afterwards.
 * Errors    InvalidDefinition when the name belonged to a reaction of another kind: it would begin where that one ended.
 */
export async function adapt(
  record: ConsumerRecord,
  reaction: Reaction,
  stores: ConsumerStores,
  environment: Environment,
): Promise<boolean> {
  const before = record.form;
  const after = formOf(reaction);
  if (JSON.stringify(before) === JSON.stringify(after)) return false;
  const { logger } = environment;
  if (before.kind !== after.kind) {
    throw new InvalidDefinition(
      `${after.kind} ${reaction.name}`,
      `the store knows this name as that of a ${before.kind}, which stands at position ${record.checkpoint.low}; take another name, or forget the old one first (thereupon consumers forget)`,
    );
  }
  if (before.mode !== after.mode) {
    logger.warn(
      { consumer: reaction.name, before: before.mode, after: after.mode },
      'the mode of the consumer changed',
    );
    if (after.mode === 'queue') await makeDue(reaction.name, stores, environment.clock.now());
  }
  if (reaction.state !== undefined && before.indexes.join('\n') !== after.indexes.join('\n')) {
    const rows = await indexAnew(reaction.name, reaction.state, stores);
    logger.info({ consumer: reaction.name, indexes: after.indexes, rows }, 'the rows were indexed anew');
  }
  const added =
    before.types === undefined ? [] : (after.types ?? ['all']).filter((type) => !before.types?.includes(type));
  if (added.length > 0 && record.checkpoint.low > 0) {
    logger.warn(
      { consumer: reaction.name, types: added, position: record.checkpoint.low },
      'the consumer reacts to more than before; earlier events of these types are not handled unless it is replayed',
    );
  }
  return true;
}

/** In a queue nothing waits behind another event: what did is due now. */
async function makeDue(consumer: string, { deliveries, unitOfWork }: ConsumerStores, nowMs: number): Promise<void> {
  for (let after: Position | undefined; ;) {
    const page = await deliveries.list({
      consumer,
      states: ['waiting'],
      limit: PAGE,
      ...(after === undefined ? {} : { after: { consumer, position: after } }),
    });
    const put = page.filter(({ dueMs }) => dueMs === undefined).map((delivery) => ({ ...delivery, dueMs: nowMs }));
    if (put.length > 0)
      await unitOfWork.commit({
        consumer,
        checkpoint: undefined,
        appends: [],
        rows: [],
        deliveries: { put, remove: [] },
      });
    after = page.at(-1)?.position;
    if (page.length < PAGE) return;
  }
}

/** Writes every row with the indexes that are declared now. Answers how many there are. */
async function indexAnew(consumer: string, state: KeyedState, { rows, unitOfWork }: ConsumerStores): Promise<number> {
  let count = 0;
  for (let after: string | undefined; ;) {
    const { namespace } = state;
    const page = await rows.query(namespace, {
      limit: PAGE,
      ...(after === undefined ? {} : { after: { key: after, value: undefined } }),
    });
    const written = page.map(({ key, value }) => ({ namespace, key, value, indexes: state.indexes(value) }));
    if (written.length > 0) {
      const deliveries = { put: [], remove: [] };
      await unitOfWork.commit({ consumer, checkpoint: undefined, appends: [], rows: written, deliveries });
    }
    count += page.length;
    after = page.at(-1)?.key;
    if (page.length < PAGE) return count;
  }
}
