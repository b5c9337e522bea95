import type { CompiledSelection } from '../channel/selection.ts';
import { InvalidDefinition, NotFound, WrongState } from '../errors.ts';
import type { JsonValue } from '../event/json.ts';
import { position } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import type { Environment } from '../system/environment.ts';
import type { Begun, ConsumerForm, ConsumerRecord, KeptStates, RecordChange, Stretch } from './checkpoint-store.ts';
import type { ConsumerStores } from './consumer-stores.ts';
import { furthestOf } from './lanes.ts';
import { assertNothingLost, leftStates } from './left-states.ts';
import { missedAt } from './missed-events.ts';
import type { KeyedState, Reaction } from './reaction.ts';
import { tablesDigest } from './table-store.ts';

const PAGE = 500;
/** No delivery is above it. */
const END = position(Number.MAX_SAFE_INTEGER);

/** What of a reaction decides what its stored state means. */
export function formOf(
  { kind, mode, consumes, state, tables, keyedBy, time, version = 1 }: Reaction,
  { began, missed, replayed, looksFor = {} }: Pick<ConsumerForm, 'began' | 'looksFor' | 'missed' | 'replayed'> = {},
): ConsumerForm {
  const indexes = state?.indexNames.toSorted() ?? [];
  const { namespace, kept } = state ?? {};
  const keeps =
    namespace === undefined || kept === undefined
      ? undefined
      : { rows: namespace, waitsFor: kept.waitsFor, own: kept.own, left: false };
  const ids = time?.looksFor.toSorted() ?? [];
  return {
    kind,
    mode,
    types: consumes?.toSorted(),
    indexes,
    version: version === 1 ? undefined : version,
    tables: tables && tablesDigest(tables),
    keyedBy,
    keeps,
    looksFor: Object.fromEntries(ids.map((id) => [id, looksFor[id] ?? null])),
    began,
    missed,
    replayed,
    indexing: false,
  };
}

/** Of a consumer that is given all events again. */
export function fromTheBeginning(looksFor: ConsumerForm['looksFor']): ConsumerForm['looksFor'] {
  return looksFor && Object.fromEntries(Object.keys(looksFor).map((id) => [id, null]));
}

/** Which version of its definition it is of. */
export function versionOf({ version = 1 }: Pick<ConsumerForm, 'version'>): number {
  return version;
}

/** Whether the definition is newer than what the store holds, which a build takes the place of. */
export function awaitsBuild({ form }: Pick<ConsumerRecord, 'form'>, { kind, version = 1 }: Reaction): boolean {
  return form.kind === kind && versionOf(form) < version;
}

/** Whether what the store holds of a consumer means the same under both forms. */
export function isSameForm(left: ConsumerForm, right: ConsumerForm): boolean {
  return JSON.stringify(meaningOf(left)) === JSON.stringify(meaningOf(right));
}

/**
 * Brings what the store holds of a consumer into the form that its definition has now: nothing that waits is forgotten because the
 * program was changed between two runs. Where several nodes share the work, those with another form handle it no longer. Answers the record
 * as it is then.
 *
 * Guarantee May be repeated, by several nodes at once and after a crash in the middle.
 * Errors    InvalidDefinition when the name belonged to a reaction of another kind: it would begin where that one ended.
 */
export async function adapt(
  record: ConsumerRecord,
  reaction: Reaction,
  stores: ConsumerStores,
  environment: Environment,
): Promise<ConsumerRecord> {
  const { checkpoints } = stores;
  const { form: before, consumer } = record;
  const missed = missedAt(before.missed ?? [], record.checkpoint, before.types, reaction.consumes);
  const { began, replayed } = before;
  const known = { began, replayed, missed: missed.length === 0 ? undefined : missed };
  const begins = (reaction.time?.looksFor ?? []).some((id) => before.looksFor?.[id] === undefined);
  const begun = {
    after: begins ? await furthest(record, stores) : record.checkpoint.low,
    atMs: environment.clock.now(),
  };
  let after = formOf(reaction, { ...known, looksFor: beginningAt(before, reaction, begun) });
  if (before.kind !== after.kind) {
    throw new InvalidDefinition(
      `${after.kind} ${consumer}`,
      `the store knows this name as that of a ${before.kind}, which stands at position ${record.checkpoint.low}; take another name, or forget the old one first (thereupon consumers forget)`,
    );
  }
  if (versionOf(after) < versionOf(before)) {
    throw new InvalidDefinition(
      `${after.kind} ${consumer}`,
      `the store has version ${versionOf(before)} of it, and this program defines version ${versionOf(after)}; versions only rise: give it one above ${versionOf(before)}, which is then built beside the other`,
    );
  }
  if (before.tables !== after.tables) {
    throw new InvalidDefinition(
      `${after.kind} ${consumer}`,
      `it has other tables than those that the store made for version ${versionOf(before)} of it; give it a version above ${versionOf(before)}, and what it has now is built beside the other`,
    );
  }
  const indexing = before.indexing || (reaction.state !== undefined && !sameNames(before.indexes, after.indexes));
  if (isSameForm(before, after) && !indexing) return record;
  const nowMs = () => environment.clock.now();
  let adapted: ConsumerRecord | undefined = record;
  if (!isSameForm(before, after)) {
    tellChanges(record, after, environment);
    const left = leftStates(before, after);
    if (left !== undefined) await assertNothingLost(consumer, left, after, stores.rows);
    const becomesQueue = before.mode !== after.mode && after.mode === 'queue';
    const waiting = becomesQueue ? { waitingDueMs: nowMs() } : {};
    const change = {
      form: { ...after, ...(left === undefined ? {} : { keeps: { ...left, left: true } }), indexing },
      ...waiting,
      ...(isRekeyed(before, after) ? { together: true as const } : {}),
    };
    adapted = await checkpoints.change(consumer, change, nowMs()).catch(async (error: unknown) => {
      if (!isRekeyed(before, after) || !(error instanceof WrongState)) throw error;
      const together = await emptyStretch(consumer, reaction.selection, stores);
      if (together === undefined) throw apart(record, after);
      return checkpoints.change(consumer, { ...change, together }, nowMs()).catch((again: unknown) => {
        throw again instanceof WrongState ? apart(record, after) : again;
      });
    });
    // Other nodes went on as before until it was changed.
    const later = begins && stores.cluster !== undefined ? await furthest(record, stores) : begun.after;
    if (later > begun.after) {
      after = formOf(reaction, { ...known, looksFor: beginningAt(before, reaction, { ...begun, after: later }) });
      adapted = await checkpoints.change(consumer, { form: { ...change.form, looksFor: after.looksFor } }, nowMs());
    }
    if (left !== undefined) {
      // Now that nobody handles events as before, nothing comes to what is there.
      await assertNothingLost(consumer, left, after, stores.rows);
      adapted = await checkpoints.change(consumer, { form: { ...after, indexing }, ...forgetOf(left) }, nowMs());
    }
  }
  if (indexing && reaction.state !== undefined) {
    const rows = await indexAnew(reaction.state, stores);
    environment.logger.info({ consumer, indexes: after.indexes, rows }, 'the rows were indexed anew');
    adapted = await checkpoints.change(consumer, { form: after }, nowMs());
  }
  if (adapted === undefined) throw new NotFound('consumer', consumer);
  return adapted;
}

function meaningOf({ kind, mode, types, indexes, version, tables, keyedBy, keeps, looksFor = {} }: ConsumerForm): Omit<
  ConsumerForm,
  'began' | 'build' | 'built' | 'indexing' | 'looksFor' | 'missed' | 'replayed'
> & {
  readonly looksFor: readonly string[];
} {
  return { kind, mode, types, indexes, version, tables, keyedBy, keeps, looksFor: Object.keys(looksFor).toSorted() };
}

/** What it looks for now, and where it began to: what it did not look for before begins now. */
function beginningAt(
  { looksFor: before }: Pick<ConsumerForm, 'looksFor'>,
  { time }: Pick<Reaction, 'time'>,
  now: Begun,
): ConsumerForm['looksFor'] {
  // Of a store of before it is not known what it looked for.
  if (before === undefined) return undefined;
  return Object.fromEntries((time?.looksFor ?? []).map((id) => [id, before[id] === undefined ? now : before[id]]));
}

/** Nothing behind this place was handled by anybody yet. */
async function furthest(
  { consumer, checkpoint }: ConsumerRecord,
  { cluster }: Pick<ConsumerStores, 'cluster'>,
): Promise<Position> {
  const view = await cluster?.view();
  const groups = view?.lanes.get(consumer) ?? view?.paused.get(consumer) ?? [];
  return furthestOf([{ checkpoint }, ...groups]);
}

/** Those that a consumer took none of before. */
function newTypes({ types: before }: Pick<ConsumerForm, 'types'>, types: readonly string[]): readonly string[] {
  return before === undefined ? [] : types.filter((type) => !before.includes(type));
}

/** A program's own values stay where they are, as long as nothing else comes to be there. */
function forgetOf({ rows, waitsFor }: KeptStates): RecordChange {
  return waitsFor === 'nothing' ? {} : { forget: { above: END, rows: [rows] } };
}

function isRekeyed(before: ConsumerForm, after: ConsumerForm): boolean {
  return before.keyedBy !== undefined && before.keyedBy !== after.keyedBy;
}

/** What is done of a lane is known by the keys of before; of other keys nobody could say. */
function apart({ consumer }: ConsumerRecord, { kind }: ConsumerForm): InvalidDefinition {
  return new InvalidDefinition(
    `${kind} ${consumer}`,
    'its keys are made in another way than before, and not all of them are at one place yet; stop all nodes of the older program in order, then start this one',
  );
}

/**
 * Where its lanes are, from the first to the last, if they are at different places only because one node passed more events than another
 * that do not concern the consumer; else undefined.
 */
async function emptyStretch(
  consumer: string,
  selection: CompiledSelection,
  { cluster, log }: ConsumerStores,
): Promise<Stretch | undefined> {
  const view = await cluster?.view();
  const groups = view?.lanes.get(consumer) ?? view?.paused.get(consumer) ?? [];
  const places = groups.map(({ checkpoint }) => checkpoint.low);
  const ofTypes = selection.types === undefined ? {} : { types: selection.types };
  const [from, to] = [Math.min(...places) as Position, Math.max(...places) as Position];
  for (let after = from; after < to;) {
    const events = await log.read({ after, limit: PAGE, ...ofTypes });
    if (events.some((event) => event.position <= to && selection.matches(event))) return undefined;
    if (events.length < PAGE) break;
    after = events.at(-1)?.position ?? to;
  }
  return places.length === 0 ? undefined : { from, to };
}

function sameNames(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((name, index) => name === right[index]);
}

function tellChanges(
  { consumer, form: before, checkpoint }: ConsumerRecord,
  after: ConsumerForm,
  environment: Environment,
): void {
  const { logger } = environment;
  if (before.mode !== after.mode)
    logger.warn({ consumer, before: before.mode, after: after.mode }, 'the mode of the consumer changed');
  if (isRekeyed(before, after))
    logger.warn({ consumer }, 'keys are made in another way than before; what is set aside keeps the keys that it has');
  const added = newTypes(before, after.types ?? ['all']);
  if (added.length > 0 && checkpoint.low > 0) {
    logger.warn(
      { consumer, types: added, position: checkpoint.low },
      'the consumer reacts to more than before; earlier events of these types are not handled unless it is replayed',
    );
  }
}

/** Of a row as it is stored. */
function indexesOf(state: KeyedState, row: JsonValue): ReturnType<KeyedState['indexes']> {
  const value = state.form === undefined ? row : state.form.restored(row);
  return value === undefined ? {} : state.indexes(value);
}

/** Gives every row the indexes that are declared now. Answers how many there are. */
async function indexAnew(state: KeyedState, { rows }: ConsumerStores): Promise<number> {
  let count = 0;
  for (let after: string | undefined; ;) {
    const page = await rows.reindex(state.namespace, {
      after,
      limit: PAGE,
      indexesOf: (row) => indexesOf(state, row),
    });
    count += page.rows;
    if (page.last === undefined || page.rows < PAGE) return count;
    after = page.last;
  }
}
