import type { InvalidDataPolicy } from '../../event/define-event.ts';
import type { JsonValue } from '../../event/json.ts';
import type { SchemaRecord, SchemaStore } from '../../schema/schema-store.ts';
import type { Database } from './database.ts';
import type { OwnTransactions } from './own-transactions.ts';
import type { Session } from './session.ts';
import { fromText, toText } from './text.ts';

export type SchemaRow = [
  type: string,
  version: number,
  summary: string | null,
  vendor: string,
  jsonSchema: string | null,
  onInvalid: InvalidDataPolicy,
  registeredMs: number,
];

const COLUMNS = 'type, version, summary, vendor, json_schema, on_invalid, registered_ms';
export const PUT_SCHEMAS = `INSERT INTO schemas (${COLUMNS})
  SELECT * FROM unnest($1::text[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[])
  ON CONFLICT (type, version) DO UPDATE SET summary = excluded.summary, vendor = excluded.vendor,
    json_schema = excluded.json_schema, on_invalid = excluded.on_invalid, registered_ms = excluded.registered_ms`;
export const SCHEMAS_IN_ORDER = `SELECT ${COLUMNS} FROM schemas ORDER BY type, version`;
/** Roughly what a record holds in memory while it waits. */
const RECORD_BYTES = 4_096;

export class PostgresSchemaStore implements SchemaStore {
  readonly #database: Database;
  readonly #writes: OwnTransactions;
  readonly #session: Session;

  constructor(database: Database, writes: OwnTransactions, session: Session) {
    this.#database = database;
    this.#writes = writes;
    this.#session = session;
  }

  async put(records: readonly SchemaRecord[]): Promise<void> {
    // One statement changes a record once: of several for one type and version the last stands.
    const rows = new Map<string, SchemaRow>();
    for (const row of records.map(schemaRow)) rows.set(`${row[1]} ${row[0]}`, row);
    const columns = schemaColumns([...rows.values()]);
    await this.#writes.alone(rows.size * RECORD_BYTES, (queries) => queries.change(PUT_SCHEMAS, columns));
  }

  async list(): Promise<readonly SchemaRecord[]> {
    this.#session.assertOpen();
    const rows = await this.#database.query<SchemaRow>(SCHEMAS_IN_ORDER);
    return rows.map(schemaRecord);
  }
}

export function schemaColumns(rows: readonly SchemaRow[]) {
  return [
    rows.map(([type]) => type),
    rows.map(([, version]) => version),
    rows.map(([, , summary]) => summary),
    rows.map(([, , , vendor]) => vendor),
    rows.map(([, , , , jsonSchema]) => jsonSchema),
    rows.map(([, , , , , onInvalid]) => onInvalid),
    rows.map(([, , , , , , registeredMs]) => registeredMs),
  ];
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
  const about = summary === undefined ? null : toText(summary);
  return [toText(type), version, about, toText(vendor), json, onInvalid, registeredMs];
}

export function schemaRecord([type, version, summary, vendor, json, onInvalid, registeredMs]: SchemaRow): SchemaRecord {
  return {
    type: fromText(type),
    version,
    summary: summary === null ? undefined : fromText(summary),
    vendor: fromText(vendor),
    jsonSchema: json === null ? undefined : (JSON.parse(json) as JsonValue),
    onInvalid,
    registeredMs,
  };
}
