import { formOfText, isOfBuild, isReplacing } from '../../consumer/checkpoint-store.ts';
import type {
  Checkpoint,
  CheckpointStore,
  ConsumerRecord,
  RecordChange,
  Removal,
  Replacement,
  Stretch,
} from '../../consumer/checkpoint-store.ts';
import { commonCheckpoint, coversLanes, sameCheckpoint, wholeGroup } from '../../consumer/lanes.ts';
import { namespaceOfTables } from '../../consumer/table-store.ts';
import { WrongState } from '../../errors.ts';
import type { LaneGroup } from '../../consumer/lanes.ts';
import { START } from '../../event/position.ts';
import { endInline, laneGroup, lockConsumers, LOW, replaceLanes, TELL_NODES } from './cluster.ts';
import type { LaneRow } from './cluster.ts';
import type { Database, Queries } from './database.ts';
import type { OwnTransactions } from './own-transactions.ts';
import { abandonRows, renameRows } from './row-store.ts';
import type { PostgresRowStore } from './row-store.ts';
import type { Session } from './session.ts';
import { removeTables } from './table-store.ts';
import { fromText, toText } from './text.ts';

type ConsumerRow = [
  consumer: string,
  form: string,
  pausedSinceMs: number | null,
  pausedReason: string | null,
  createdMs: number,
];

const COLUMNS = 'consumer, form, paused_since_ms, paused_reason, created_ms';
const INSERT_CONSUMER = `INSERT INTO consumers (${COLUMNS}) VALUES ($1, $2, $3, $4, $5)`;
const CREATE = `${INSERT_CONSUMER} ON CONFLICT (consumer) DO NOTHING`;
const PUT = `${INSERT_CONSUMER} ON CONFLICT (consumer) DO UPDATE SET form = excluded.form, paused_since_ms = excluded.paused_since_ms,
  paused_reason = excluded.paused_reason, created_ms = excluded.created_ms`;
const FORGET = 'DELETE FROM deliveries WHERE consumer = $1 AND position > $2';
const WAITING_DUE = `UPDATE deliveries SET due_ms = $2 WHERE consumer = $1 AND state = 'waiting' AND due_ms IS NULL`;
/** Tokens that a sequence gives are so far apart: in between they rise by one whenever lanes change hands. */
const TOKENS = 1_048_576;
/** Roughly what a record holds in memory while it waits. */
const RECORD_BYTES = 1_024;

/** Consumers as rows, and their lanes with the checkpoints. */
export class PostgresCheckpointStore implements CheckpointStore {
  readonly #database: Database;
  readonly #writes: OwnTransactions;
  readonly #rows: Pick<PostgresRowStore, 'sweep'>;
  readonly #session: Session;

  constructor(database: Database, writes: OwnTransactions, rows: Pick<PostgresRowStore, 'sweep'>, session: Session) {
    this.#database = database;
    this.#writes = writes;
    this.#rows = rows;
    this.#session = session;
  }

  async load(consumer: string): Promise<ConsumerRecord | undefined> {
    this.#session.assertOpen();
    return (await consumerRecords(this.#database, toText(consumer)))[0];
  }

  async list(): Promise<readonly ConsumerRecord[]> {
    this.#session.assertOpen();
    return consumerRecords(this.#database, undefined);
  }

  async create(record: ConsumerRecord): Promise<ConsumerRecord> {
    const row = consumerRow(record);
    const checkpoint = structuredClone(record.checkpoint);
    return this.#writes.alone(RECORD_BYTES, async (queries) => {
      if ((await queries.change(CREATE, row)) > 0) await putCheckpoint(queries, row[0], checkpoint, record.updatedMs);
      return (await consumerRecords(queries, row[0]))[0] ?? record;
    });
  }

  async put(record: ConsumerRecord): Promise<void> {
    const row = consumerRow(record);
    const checkpoint = structuredClone(record.checkpoint);
    await this.#writes.alone(RECORD_BYTES, async (queries) => {
      await queries.change(PUT, row);
      await endInline(queries, [row[0]]);
      await putCheckpoint(queries, row[0], checkpoint, record.updatedMs);
    });
  }

  async change(consumer: string, change: RecordChange, updatedMs: number): Promise<ConsumerRecord | undefined> {
    const name = toText(consumer);
    const { forget, waitingDueMs, together, ofBuild, ...members } = structuredClone(change);
    const changed = await this.#writes.alone(RECORD_BYTES, async (queries) => {
      await lockConsumers(queries, [name]);
      await endInline(queries, [name]);
      const [record] = await consumerRecords(queries, name);
      if (!isOfBuild(record, { ofBuild })) return undefined;
      const joined = together && (await joinLanes(queries, name, consumer, together));
      const checkpoint = members.checkpoint ?? joined;
      const next = { ...record, ...members, updatedMs };
      await queries.change(PUT, consumerRow(next));
      // First of all that holders write: what they commit at this moment is there afterwards, or refused.
      if (checkpoint === undefined) {
        await queries.change('UPDATE lanes SET updated_ms = $2 WHERE consumer = $1', [name, updatedMs]);
        await releaseLanes(queries, name);
      } else await putCheckpoint(queries, name, checkpoint, updatedMs);
      for (const rows of forget?.rows ?? []) await abandonRows(queries, rows);
      if (forget !== undefined) await queries.change(FORGET, [name, forget.above]);
      if (waitingDueMs !== undefined) await queries.change(WAITING_DUE, [name, waitingDueMs]);
      return checkpoint === undefined ? next : { ...next, checkpoint };
    });
    if (forget !== undefined && forget.rows.length > 0) await this.#rows.sweep();
    return changed;
  }

  async replace(consumer: string, replacement: Replacement, updatedMs: number): Promise<ConsumerRecord | undefined> {
    const { by, form, rows, ofBuild } = structuredClone(replacement);
    const [name, other] = [toText(consumer), toText(by)];
    const replaced = await this.#writes.alone(RECORD_BYTES, async (queries) => {
      await lockConsumers(queries, [name, other]);
      await endInline(queries, [name, other]);
      const [record] = await consumerRecords(queries, name);
      if (record === undefined || !isReplacing((await consumerRecords(queries, other))[0], { ofBuild }))
        return undefined;
      // Nobody commits on these lanes before the transaction ends.
      const groups = await lockedGroups(queries, other, name);
      if (!coversLanes(groups(other), groups(name))) throw new WrongState(`consumer ${by} is behind ${consumer}`);
      const next = { ...record, form, checkpoint: commonCheckpoint(groups(other)) ?? record.checkpoint, updatedMs };
      await queries.change(PUT, consumerRow(next));
      const token = await newToken(queries);
      const freed = groups(other).map((group) => ({ ...group, holder: undefined, token }));
      await replaceLanes(queries, [{ consumer: name, stays: [], groups: freed }], updatedMs);
      await queries.change('DELETE FROM deliveries WHERE consumer = $1', [name]);
      await queries.change('UPDATE deliveries SET consumer = $1 WHERE consumer = $2', [name, other]);
      for (const { from, to } of rows) await renameRows(queries, from, to);
      await removeConsumer(queries, other);
      return next;
    });
    // Nobody waits for it; what is left when it fails, or when the store is closed, the next one removes.
    if (replaced !== undefined) void this.#rows.sweep().catch(() => undefined);
    return replaced;
  }

  async remove(consumer: string, { ofBuild, rows = [] }: Removal = {}): Promise<boolean> {
    const name = toText(consumer);
    const namespaces = [...rows];
    const isKnown = await this.#writes.alone(RECORD_BYTES, async (queries) => {
      await lockConsumers(queries, [name]);
      if (ofBuild !== undefined && !isOfBuild((await consumerRecords(queries, name))[0], { ofBuild })) return false;
      await endInline(queries, [name]);
      // Before its rows are: what holders commit at this moment is there afterwards, and goes with them, or is refused.
      await queries.change('DELETE FROM lanes WHERE consumer = $1', [name]);
      await queries.change('DELETE FROM deliveries WHERE consumer = $1', [name]);
      for (const namespace of namespaces) await abandonRows(queries, namespace);
      return removeConsumer(queries, name);
    });
    if (isKnown && namespaces.length > 0) await this.#rows.sweep();
    return isKnown;
  }
}

/** Its row is locked, and it has no deliveries any more. Answers whether it was known. */
async function removeConsumer(queries: Queries, name: string): Promise<boolean> {
  await queries.change('DELETE FROM lanes WHERE consumer = $1', [name]);
  await removeTables(queries, namespaceOfTables(fromText(name)));
  await queries.query(TELL_NODES);
  return (await queries.change('DELETE FROM consumers WHERE consumer = $1', [name])) !== 0;
}

/** The lanes of consumers, by name; until the transaction ends nobody commits on them. */
async function lockedGroups(
  queries: Queries,
  ...names: readonly string[]
): Promise<(name: string) => readonly LaneGroup[]> {
  const sql = `SELECT consumer, lanes, low, done, holder, token FROM lanes WHERE consumer = ANY($1::text[])
ORDER BY consumer, first_lane FOR UPDATE`;
  const rows = await queries.query<[consumer: string, ...LaneRow]>(sql, [names]);
  return (wanted) => rows.filter(([name]) => name === wanted).map(([, ...row]) => laneGroup(row));
}

/** One checkpoint for all lanes, which nobody holds then. */
async function putCheckpoint(queries: Queries, consumer: string, checkpoint: Checkpoint, nowMs: number): Promise<void> {
  const groups = [wholeGroup(checkpoint, await newToken(queries))];
  await replaceLanes(queries, [{ consumer, stays: [], groups }], nowMs);
}

/** Nobody commits on these lanes before the transaction ends. Answers where they are to be; undefined: they are at one place already. */
async function joinLanes(
  queries: Queries,
  name: string,
  consumer: string,
  where: true | Stretch,
): Promise<Checkpoint | undefined> {
  const sql = 'SELECT lanes, low, done, holder, token FROM lanes WHERE consumer = $1 ORDER BY first_lane FOR UPDATE';
  const checkpoints = (await queries.query<LaneRow>(sql, [name])).map((row) => laneGroup(row).checkpoint);
  const [first] = checkpoints;
  if (first === undefined || checkpoints.every((other) => sameCheckpoint(other, first))) return undefined;
  const isWithin = ({ low, done }: Checkpoint) =>
    where !== true && low >= where.from && low <= where.to && done.length === 0;
  if (where !== true && checkpoints.every(isWithin)) return { ...first, low: where.to };
  throw new WrongState(`consumer ${consumer}: its lanes are at different places`);
}

/** Higher than all that there were. */
export async function newToken(queries: Queries): Promise<number> {
  const [row] = await queries.query<[number]>(`SELECT nextval('lane_tokens')`);
  return (row?.[0] ?? 0) * TOKENS;
}

/** A consumer that is not known yet, whose lanes nobody holds; with a checkpoint of its own for each of these groups, where it has several. */
export async function insertConsumer(
  queries: Queries,
  record: ConsumerRecord,
  groups: readonly Pick<LaneGroup, 'lanes' | 'checkpoint'>[] | undefined,
): Promise<void> {
  const row = consumerRow(record);
  const token = await newToken(queries);
  const lanes = groups?.map((group) => ({ ...group, holder: undefined, token }));
  await queries.change(INSERT_CONSUMER, row);
  const all = lanes ?? [wholeGroup(record.checkpoint, token)];
  await replaceLanes(queries, [{ consumer: row[0], stays: [], groups: all }], record.updatedMs);
}

/** Takes all lanes of a consumer, whose row is locked, from their holders: what these commit from now on is refused. */
export async function releaseLanes(queries: Queries, consumer: string): Promise<void> {
  await queries.change('UPDATE lanes SET holder = NULL, token = token + 1 WHERE consumer = $1', [consumer]);
  await queries.query(TELL_NODES);
}

/** By name; one, or all. */
export async function consumerRecords(
  queries: Queries,
  consumer: string | undefined,
): Promise<readonly ConsumerRecord[]> {
  const where = consumer === undefined ? '' : 'WHERE c.consumer = $1';
  const rows = await queries.query<[...ConsumerRow, ...LaneRow, updatedMs: number]>(
    `SELECT c.consumer, c.form, c.paused_since_ms, c.paused_reason, c.created_ms, l.lanes, ${LOW}, l.done, l.holder, l.token, l.updated_ms
FROM log_head AS h CROSS JOIN consumers AS c JOIN lanes AS l USING (consumer) ${where} ORDER BY c.consumer, l.first_lane`,
    consumer === undefined ? [] : [consumer],
  );
  return [...Map.groupBy(rows, ([name]) => name).values()].map((ofOne) => {
    const groups = ofOne.map(([, , , , , ...lane]) => laneGroup(lane.slice(0, LANE_WIDTH) as LaneRow));
    return fromRow(ofOne[0] as unknown as ConsumerRow, groups, Math.max(...ofOne.map((row) => row[UPDATED])));
  });
}

const LANE_WIDTH = 5;
const UPDATED = 10;

function consumerRow({ consumer, form, paused, createdMs }: ConsumerRecord): ConsumerRow {
  return [
    toText(consumer),
    JSON.stringify(form),
    paused?.sinceMs ?? null,
    paused === undefined ? null : toText(paused.reason),
    createdMs,
  ];
}

function fromRow(
  [consumer, form, sinceMs, reason, createdMs]: ConsumerRow,
  groups: readonly LaneGroup[],
  updatedMs: number,
): ConsumerRecord {
  return {
    consumer: fromText(consumer),
    form: formOfText(form),
    checkpoint: commonCheckpoint(groups) ?? { low: START, done: [] },
    paused: sinceMs === null ? undefined : { sinceMs, reason: fromText(reason ?? '') },
    createdMs,
    updatedMs,
  };
}
