import type { InvalidDataPolicy } from '../../event/define-event.ts';
import type { JsonValue } from '../../event/json.ts';
import type { SchemaRecord, SchemaStore } from '../../schema/schema-store.ts';
import type { Database } from './database.ts';
import type { GroupCommit } from './group-commit.ts';
import { writeOnce } from './group-commit.ts';
import type { Session } from './session.ts';

export type SchemaRow = [
  type: string,
  version: number,
  summary: string | null,
  vendor: string,
  jsonSchema: string | null,
  onInvalid: InvalidDataPolicy,
  registeredMs: number,
];

export const SCHEMAS_IN_ORDER =
  'SELECT type, version, summary, vendor, json_schema, on_invalid, registered_ms FROM schemas ORDER BY type, version';
export const PUT_SCHEMA = 'INSERT OR REPLACE INTO schemas VALUES (?, ?, ?, ?, ?, ?, ?)';
/** Roughly what a record holds in memory while it waits. */
const RECORD_BYTES = 4_096;

export class SqliteSchemaStore implements SchemaStore {
  readonly #database: Database;
  readonly #writes: Pick<GroupCommit, 'submit'>;
  readonly #session: Session;

  constructor(database: Database, writes: Pick<GroupCommit, 'submit'>, session: Session) {
    this.#database = database;
    this.#writes = writes;
    this.#session = session;
  }

  async put(records: readonly SchemaRecord[]): Promise<void> {
    const rows = records.map(schemaRow);
    await writeOnce(this.#writes, rows.length * RECORD_BYTES, () => {
      for (const row of rows) this.#database.change(PUT_SCHEMA).run(...row);
    });
  }

  async list(): Promise<readonly SchemaRecord[]> {
    return this.#session.read(() => this.#database.query<SchemaRow>(SCHEMAS_IN_ORDER).all().map(schemaRecord));
  }
}

export function schemaRow({
  type,
  version,
  summary,
  vendor,
  jsonSchema,
  onInvalid,
  registeredMs,
}: SchemaRecord): SchemaRow {
  const json = jsonSchema === undefined ? null : JSON.stringify(jsonSchema);
  return [type, version, summary ?? null, vendor, json, onInvalid, registeredMs];
}

export function schemaRecord([type, version, summary, vendor, json, onInvalid, registeredMs]: SchemaRow): SchemaRecord {
  const jsonSchema = json === null ? undefined : (JSON.parse(json) as JsonValue);
  return { type, version, summary: summary ?? undefined, vendor, jsonSchema, onInvalid, registeredMs };
}
