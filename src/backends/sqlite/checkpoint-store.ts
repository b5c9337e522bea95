import {
  checkpointOf,
  covers,
  formOfText,
  isOfBuild,
  isReplacing,
  restOfCheckpoint,
} from '../../consumer/checkpoint-store.ts';
import type {
  CheckpointStore,
  ConsumerRecord,
  RecordChange,
  Removal,
  Replacement,
} from '../../consumer/checkpoint-store.ts';
import { namespaceOfTables } from '../../consumer/table-store.ts';
import { WrongState } from '../../errors.ts';
import type { Position } from '../../event/position.ts';
import type { Database } from './database.ts';
import type { GroupCommit } from './group-commit.ts';
import { writeOnce } from './group-commit.ts';
import type { SqliteRowStore } from './row-store.ts';
import type { Session } from './session.ts';
import type { SqliteTableStore } from './table-store.ts';

export type ConsumerRow = [
  consumer: string,
  form: string,
  low: number,
  done: string,
  pausedSinceMs: number | null,
  pausedReason: string | null,
  createdMs: number,
  updatedMs: number,
];

export const CONSUMER_COLUMNS = 'consumer, form, low, done, paused_since_ms, paused_reason, created_ms, updated_ms';
const FORGET = 'DELETE FROM deliveries WHERE consumer = ? AND position > ?';
const WAITING_DUE = `UPDATE deliveries SET due_ms = ? WHERE consumer = ? AND state = 'waiting' AND due_ms IS NULL`;
/** Roughly what a record holds in memory while it waits. */
const RECORD_BYTES = 1_024;

/**
 * Consumers as rows, and the names of those that exist in memory: every unit asks for one.
 *
 * Invariants 1. `#known` is what the table says, changes of the present transaction included; after a rollback `forget` is called.
 */
export class SqliteCheckpointStore implements CheckpointStore {
  readonly #database: Database;
  readonly #writes: Pick<GroupCommit, 'submit'>;
  readonly #rows: Pick<SqliteRowStore, 'abandon' | 'rename' | 'sweep'>;
  readonly #session: Session;
  readonly #tables: Pick<SqliteTableStore, 'remove'>;
  #known: Set<string> | undefined;

  constructor(
    database: Database,
    writes: Pick<GroupCommit, 'submit'>,
    rows: Pick<SqliteRowStore, 'abandon' | 'rename' | 'sweep'>,
    session: Session,
    tables: Pick<SqliteTableStore, 'remove'>,
  ) {
    this.#database = database;
    this.#writes = writes;
    this.#rows = rows;
    this.#session = session;
    this.#tables = tables;
  }

  async load(consumer: string): Promise<ConsumerRecord | undefined> {
    return this.#session.read(() => this.#load(consumer));
  }

  async list(): Promise<readonly ConsumerRecord[]> {
    const sql = `SELECT ${CONSUMER_COLUMNS} FROM consumers ORDER BY consumer`;
    return this.#session.read(() => this.#database.query<ConsumerRow>(sql).all()).map(consumerRecord);
  }

  create(record: ConsumerRecord): Promise<ConsumerRecord> {
    const row = consumerRow(record);
    return writeOnce(this.#writes, RECORD_BYTES, () => {
      const known = this.#load(record.consumer);
      if (known === undefined) this.#put(row);
      return known ?? consumerRecord(row);
    });
  }

  async put(record: ConsumerRecord): Promise<void> {
    const row = consumerRow(record);
    await writeOnce(this.#writes, RECORD_BYTES, () => this.#put(row));
  }

  async change(consumer: string, change: RecordChange, updatedMs: number): Promise<ConsumerRecord | undefined> {
    const { forget, waitingDueMs, together: _always, ofBuild, ...members } = structuredClone(change);
    const changed = await writeOnce(this.#writes, RECORD_BYTES, () => {
      const record = this.#load(consumer);
      if (!isOfBuild(record, { ofBuild })) return undefined;
      const next = { ...record, ...members, updatedMs };
      this.#put(consumerRow(next));
      for (const rows of forget?.rows ?? []) this.#rows.abandon(rows);
      if (forget !== undefined) this.#database.change(FORGET).run(consumer, forget.above);
      if (waitingDueMs !== undefined) this.#database.change(WAITING_DUE).run(waitingDueMs, consumer);
      return next;
    });
    if (forget !== undefined && forget.rows.length > 0) await this.#rows.sweep();
    return changed;
  }

  async replace(consumer: string, replacement: Replacement, updatedMs: number): Promise<ConsumerRecord | undefined> {
    const { by, form, rows, ofBuild } = structuredClone(replacement);
    const replaced = await writeOnce(this.#writes, RECORD_BYTES, () => {
      const [record, other] = [this.#load(consumer), this.#load(by)];
      if (record === undefined || !isReplacing(other, { ofBuild })) return undefined;
      const { checkpoint } = other;
      if (!covers(checkpoint, record.checkpoint)) return 'behind';
      const next = { ...record, form, checkpoint, updatedMs };
      this.#put(consumerRow(next));
      this.#database.change('DELETE FROM deliveries WHERE consumer = ?').run(consumer);
      this.#database.change('UPDATE deliveries SET consumer = ? WHERE consumer = ?').run(consumer, by);
      for (const { from, to } of rows) this.#rows.rename(from, to);
      this.#remove(by);
      return next;
    });
    if (replaced === 'behind') throw new WrongState(`consumer ${by} is behind ${consumer}`);
    // Nobody waits for it; what is left when it fails, or when the store is closed, the next one removes.
    if (replaced !== undefined) void this.#rows.sweep().catch(() => undefined);
    return replaced;
  }

  async remove(consumer: string, { ofBuild, rows = [] }: Removal = {}): Promise<boolean> {
    const namespaces = [...rows];
    const isKnown = await writeOnce(this.#writes, RECORD_BYTES, () => {
      if (ofBuild !== undefined && !isOfBuild(this.#load(consumer), { ofBuild })) return false;
      for (const namespace of namespaces) this.#rows.abandon(namespace);
      return this.#remove(consumer);
    });
    if (isKnown && namespaces.length > 0) await this.#rows.sweep();
    return isKnown;
  }

  #remove(consumer: string): boolean {
    this.#database.change('DELETE FROM deliveries WHERE consumer = ?').run(consumer);
    this.#names().delete(consumer);
    this.#tables.remove(namespaceOfTables(consumer));
    return this.#database.change('DELETE FROM consumers WHERE consumer = ?').run(consumer).changes !== 0;
  }

  #load(consumer: string): ConsumerRecord | undefined {
    const row = this.#database
      .query<ConsumerRow>(`SELECT ${CONSUMER_COLUMNS} FROM consumers WHERE consumer = ?`)
      .get(consumer);
    return row === undefined ? undefined : consumerRecord(row);
  }

  #put(row: ConsumerRow): void {
    this.#database
      .change(`INSERT OR REPLACE INTO consumers (${CONSUMER_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`)
      .run(...row);
    this.#names().add(row[0]);
  }

  /** Part of a unit. */
  isKnown(consumer: string): boolean {
    return this.#names().has(consumer);
  }

  /** Part of a unit. `done`: as of `restOfCheckpoint`. */
  advance(consumer: string, low: Position, done: string, nowMs: number): void {
    this.#database
      .change('UPDATE consumers SET low = ?, done = ?, updated_ms = ? WHERE consumer = ?')
      .run(low, done, nowMs, consumer);
  }

  /** The database was rolled back. */
  forget(): void {
    this.#known = undefined;
  }

  #names(): Set<string> {
    this.#known ??= new Set(
      this.#database
        .query<[string]>('SELECT consumer FROM consumers')
        .all()
        .map(([name]) => name),
    );
    return this.#known;
  }
}

export function consumerRow({ consumer, form, checkpoint, paused, createdMs, updatedMs }: ConsumerRecord): ConsumerRow {
  return [
    consumer,
    JSON.stringify(form),
    checkpoint.low,
    restOfCheckpoint(checkpoint),
    paused?.sinceMs ?? null,
    paused?.reason ?? null,
    createdMs,
    updatedMs,
  ];
}

export function consumerRecord([
  consumer,
  form,
  low,
  done,
  sinceMs,
  reason,
  createdMs,
  updatedMs,
]: ConsumerRow): ConsumerRecord {
  const checkpoint = checkpointOf(low, done);
  const paused = sinceMs === null ? undefined : { sinceMs, reason: reason ?? '' };
  return { consumer, form: formOfText(form), checkpoint, paused, createdMs, updatedMs };
}
