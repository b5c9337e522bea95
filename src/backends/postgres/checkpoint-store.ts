import type { Checkpoint, CheckpointStore, ConsumerForm, ConsumerRecord } from '../../consumer/checkpoint-store.ts';
import { position } from '../../event/position.ts';
import type { Database } from './database.ts';
import type { Session } from './session.ts';
import { fromText, toText } from './text.ts';
import type { Writes } from './write-queue.ts';

type ConsumerRow = [
  consumer: string,
  form: string,
  low: number,
  done: string,
  pausedSinceMs: number | null,
  pausedReason: string | null,
  createdMs: number,
  updatedMs: number,
];

const COLUMNS = 'consumer, form, low, done, paused_since_ms, paused_reason, created_ms, updated_ms';
const PUT = `INSERT INTO consumers (${COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
  ON CONFLICT (consumer) DO UPDATE SET form = excluded.form, low = excluded.low, done = excluded.done,
    paused_since_ms = excluded.paused_since_ms, paused_reason = excluded.paused_reason,
    created_ms = excluded.created_ms, updated_ms = excluded.updated_ms`;
/** Roughly what a record holds in memory while it waits. */
const RECORD_BYTES = 1_024;

/** Consumers as rows. */
export class PostgresCheckpointStore implements CheckpointStore {
  readonly #database: Database;
  readonly #writes: Writes;
  readonly #session: Session;

  constructor(database: Database, writes: Writes, session: Session) {
    this.#database = database;
    this.#writes = writes;
    this.#session = session;
  }

  async load(consumer: string): Promise<ConsumerRecord | undefined> {
    this.#session.assertOpen();
    const sql = `SELECT ${COLUMNS} FROM consumers WHERE consumer = $1`;
    const [row] = await this.#database.query<ConsumerRow>(sql, [toText(consumer)]);
    return row === undefined ? undefined : fromRow(row);
  }

  async list(): Promise<readonly ConsumerRecord[]> {
    this.#session.assertOpen();
    return (await this.#database.query<ConsumerRow>(`SELECT ${COLUMNS} FROM consumers ORDER BY consumer`)).map(fromRow);
  }

  async put(record: ConsumerRecord): Promise<void> {
    const row = toRow(record);
    await this.#writes.alone(RECORD_BYTES, (queries) => queries.change(PUT, row));
  }

  async remove(consumer: string): Promise<boolean> {
    const name = toText(consumer);
    return this.#writes.alone(RECORD_BYTES, async (queries) => {
      await queries.change('DELETE FROM deliveries WHERE consumer = $1', [name]);
      return (await queries.change('DELETE FROM consumers WHERE consumer = $1', [name])) !== 0;
    });
  }
}

function toRow({ consumer, form, checkpoint, paused, createdMs, updatedMs }: ConsumerRecord): ConsumerRow {
  return [
    toText(consumer),
    JSON.stringify(form),
    checkpoint.low,
    JSON.stringify(checkpoint.done),
    paused?.sinceMs ?? null,
    paused === undefined ? null : toText(paused.reason),
    createdMs,
    updatedMs,
  ];
}

function fromRow([consumer, form, low, done, sinceMs, reason, createdMs, updatedMs]: ConsumerRow): ConsumerRecord {
  const checkpoint = { low: position(low), done: JSON.parse(done) as Checkpoint['done'] };
  const paused = sinceMs === null ? undefined : { sinceMs, reason: fromText(reason ?? '') };
  return {
    consumer: fromText(consumer),
    form: wholeForm(JSON.parse(form) as ConsumerForm),
    checkpoint,
    paused,
    createdMs,
    updatedMs,
  };
}

/** JSON leaves out members that are undefined; the type has them. */
function wholeForm({ kind, mode, types, indexes }: ConsumerForm): ConsumerForm {
  return { kind, mode, types, indexes };
}
