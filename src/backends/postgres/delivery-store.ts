import type {
  Delivery,
  DeliveryCount,
  DeliveryState,
  DeliveryStore,
  Edited,
  ListDeliveriesOptions,
  StoredError,
  TakenAt,
} from '../../consumer/delivery-store.ts';
import { laneOf } from '../../consumer/lanes.ts';
import type { Position } from '../../event/position.ts';
import { position } from '../../event/position.ts';
import type { Database, Queries, SqlValue } from './database.ts';
import type { Session } from './session.ts';
import { fromText, toText } from './text.ts';

export type DeliveryRow = [
  consumer: string,
  position: number,
  key: string,
  lane: number,
  state: DeliveryState,
  attempts: number,
  firstFailedMs: number | null,
  lastFailedMs: number | null,
  dueMs: number | null,
  priority: number,
  error: string | null,
  edited: string | null,
  taken: string | null,
];

export const DELIVERY_COLUMNS =
  'consumer, position, key, lane, state, attempts, first_failed_ms, last_failed_ms, due_ms, priority, error, edited, taken';
/** As in the condition of the indexes deliveries_by_priority and deliveries_by_due. */
const TIMED = `due_ms IS NOT NULL AND state <> 'parked'`;
/** So many are found by their due time and sorted; where more are due, those in order of priority are mostly due. */
const FEW = 1_000;
const BY_PRIORITY = 'ORDER BY priority DESC, due_ms, position';
const DUE = (lanes: string) => `WITH earliest AS MATERIALIZED (
    SELECT ${DELIVERY_COLUMNS} FROM deliveries WHERE consumer = $1 AND ${TIMED} AND due_ms <= $2 ${lanes} ORDER BY due_ms LIMIT ${FEW}
  )
  SELECT ${DELIVERY_COLUMNS} FROM (
    (SELECT ${DELIVERY_COLUMNS} FROM earliest WHERE (SELECT count(*) FROM earliest) < ${FEW} ${BY_PRIORITY} LIMIT $3)
    UNION ALL
    (SELECT ${DELIVERY_COLUMNS} FROM deliveries WHERE consumer = $1 AND ${TIMED} AND due_ms <= $2 ${lanes}
      AND (SELECT count(*) FROM earliest) >= ${FEW} ${BY_PRIORITY} LIMIT $3)
  ) AS due ${BY_PRIORITY}`;
const REMOVE = 'DELETE FROM deliveries WHERE consumer = $1 AND position = ANY($2::bigint[])';
const PUT = `INSERT INTO deliveries (${DELIVERY_COLUMNS})
  SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::smallint[], $5::text[], $6::integer[], $7::bigint[],
    $8::bigint[], $9::bigint[], $10::double precision[], $11::text[], $12::text[], $13::text[])
  ON CONFLICT (consumer, position) DO UPDATE SET key = excluded.key, lane = excluded.lane, state = excluded.state,
    attempts = excluded.attempts, first_failed_ms = excluded.first_failed_ms, last_failed_ms = excluded.last_failed_ms,
    due_ms = excluded.due_ms, priority = excluded.priority, error = excluded.error, edited = excluded.edited,
    taken = excluded.taken`;

export class PostgresDeliveryStore implements DeliveryStore {
  readonly #database: Database;
  readonly #session: Session;

  constructor(database: Database, session: Session) {
    this.#database = database;
    this.#session = session;
  }

  async get(consumer: string, place: Position): Promise<Delivery | undefined> {
    const sql = `SELECT ${DELIVERY_COLUMNS} FROM deliveries WHERE consumer = $1 AND position = $2`;
    return (await this.#deliveries(sql, [toText(consumer), place]))[0];
  }

  async list(options: ListDeliveriesOptions): Promise<readonly Delivery[]> {
    const { consumer, key, states, after, limit } = options;
    const conditions: string[] = [];
    const parameters: SqlValue[] = [];
    const bind = (value: SqlValue) => `$${parameters.push(value)}`;
    if (consumer !== undefined) conditions.push(`consumer = ${bind(toText(consumer))}`);
    if (key !== undefined) conditions.push(`key = ${bind(toText(key))}`);
    if (states !== undefined) conditions.push(`state = ANY(${bind(states)}::text[])`);
    if (after !== undefined)
      conditions.push(`(consumer, position) > (${bind(toText(after.consumer))}, ${bind(after.position)})`);
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    const sql = `SELECT ${DELIVERY_COLUMNS} FROM deliveries ${where} ORDER BY consumer, position LIMIT ${bind(limit)}`;
    return this.#deliveries(sql, parameters);
  }

  async heldKeys(
    consumer: string,
    after: string | undefined,
    limit: number,
  ): Promise<readonly { readonly first: Delivery; readonly count: number }[]> {
    this.#session.assertOpen();
    const sql = `SELECT ${DELIVERY_COLUMNS}, held FROM (
        SELECT min(position) AS first, count(*) AS held FROM deliveries
        WHERE consumer = $1 AND key ${after === undefined ? '>=' : '>'} $2 GROUP BY key ORDER BY key LIMIT $3
      ) AS keys JOIN deliveries ON consumer = $1 AND position = first ORDER BY key`;
    const parameters = [toText(consumer), toText(after ?? ''), limit];
    const rows = await this.#database.query<[...DeliveryRow, held: number]>(sql, parameters);
    return rows.map((row) => ({ first: deliveryOf(row.slice(0, -1) as DeliveryRow), count: Number(row.at(-1)) }));
  }

  async countOfKey(consumer: string, key: string, state: DeliveryState): Promise<number> {
    this.#session.assertOpen();
    const sql = 'SELECT count(*) FROM deliveries WHERE consumer = $1 AND key = $2 AND state = $3';
    const [row] = await this.#database.query<[number]>(sql, [toText(consumer), toText(key), state]);
    return row?.[0] ?? 0;
  }

  async due(consumer: string, untilMs: number, limit: number): Promise<readonly Delivery[]> {
    return this.#deliveries(DUE(''), [toText(consumer), untilMs, limit]);
  }

  /** As `due`, of keys in these lanes. */
  async dueIn(
    consumer: string,
    lanes: readonly number[],
    untilMs: number,
    limit: number,
  ): Promise<readonly Delivery[]> {
    return this.#deliveries(DUE('AND lane = ANY($4::smallint[])'), [toText(consumer), untilMs, limit, lanes]);
  }

  async nextDueMs(consumer: string, afterMs: number): Promise<number | undefined> {
    this.#session.assertOpen();
    const sql = `SELECT min(due_ms) FROM deliveries WHERE consumer = $1 AND ${TIMED} AND due_ms > $2`;
    const [row] = await this.#database.query<[number | null]>(sql, [toText(consumer), afterMs]);
    return row?.[0] ?? undefined;
  }

  /** As `nextDueMs`, of keys in these lanes. */
  async nextDueMsIn(consumer: string, lanes: readonly number[], afterMs: number): Promise<number | undefined> {
    this.#session.assertOpen();
    const sql = `SELECT min(due_ms) FROM deliveries WHERE consumer = $1 AND ${TIMED} AND due_ms > $2 AND lane = ANY($3::smallint[])`;
    const [row] = await this.#database.query<[number | null]>(sql, [toText(consumer), afterMs, lanes]);
    return row?.[0] ?? undefined;
  }

  async counts(): Promise<readonly DeliveryCount[]> {
    this.#session.assertOpen();
    const sql = 'SELECT consumer, state, count(*) FROM deliveries GROUP BY consumer, state ORDER BY consumer, state';
    const rows = await this.#database.query<[string, DeliveryState, number]>(sql);
    return rows.map(([consumer, state, count]) => ({ consumer: fromText(consumer), state, count }));
  }

  async positions(after: Position, limit: number): Promise<readonly Position[]> {
    this.#session.assertOpen();
    const sql = 'SELECT DISTINCT position FROM deliveries WHERE position > $1 ORDER BY position LIMIT $2';
    return (await this.#database.query<[number]>(sql, [after, limit])).map(([place]) => position(place));
  }

  async #deliveries(sql: string, parameters: readonly SqlValue[]): Promise<readonly Delivery[]> {
    this.#session.assertOpen();
    return (await this.#database.query<DeliveryRow>(sql, parameters)).map(deliveryOf);
  }
}

/** Part of a unit: removes, then puts; putting replaces, and of several for one position the last stands. */
export async function writeDeliveries(
  queries: Queries,
  consumer: string,
  remove: readonly Position[],
  put: readonly DeliveryRow[],
): Promise<void> {
  if (remove.length > 0) await queries.change(REMOVE, [toText(consumer), remove]);
  if (put.length === 0) return;
  // One statement changes a row once.
  const last = new Map<string, DeliveryRow>();
  for (const row of put) last.set(`${row[1]} ${row[0]}`, row);
  await putDeliveries(queries, [...last.values()]);
}

/** Each one once, of whatever consumers. */
export async function putDeliveries(queries: Queries, rows: readonly DeliveryRow[]): Promise<void> {
  await queries.change(PUT, columnsOf(rows));
}

function columnsOf(rows: readonly DeliveryRow[]): readonly SqlValue[] {
  return [
    rows.map(([consumer]) => consumer),
    rows.map(([, place]) => place),
    rows.map(([, , key]) => key),
    rows.map(([, , , lane]) => lane),
    rows.map(([, , , , state]) => state),
    rows.map(([, , , , , attempts]) => attempts),
    rows.map(([, , , , , , firstFailedMs]) => firstFailedMs),
    rows.map(([, , , , , , , lastFailedMs]) => lastFailedMs),
    rows.map(([, , , , , , , , dueMs]) => dueMs),
    rows.map(([, , , , , , , , , priority]) => priority),
    rows.map(([, , , , , , , , , , error]) => error),
    rows.map(([, , , , , , , , , , , edited]) => edited),
    rows.map(([, , , , , , , , , , , , taken]) => taken),
  ];
}

/** A delivery as it is stored, detached from the objects of its writer. */
export function deliveryRow(delivery: Delivery): DeliveryRow {
  const {
    consumer,
    position: place,
    key,
    state,
    attempts,
    firstFailedMs,
    lastFailedMs,
    dueMs,
    priority,
    error,
    edited,
    taken,
  } = delivery;
  return [
    toText(consumer),
    place,
    toText(key),
    laneOf(key),
    state,
    attempts,
    firstFailedMs ?? null,
    lastFailedMs ?? null,
    dueMs ?? null,
    priority,
    error === undefined ? null : JSON.stringify(error),
    edited === undefined ? null : JSON.stringify(edited),
    taken === undefined ? null : JSON.stringify(taken),
  ];
}

/** A row as an object with the names of its columns, for the server to read as JSON. */
export function namedColumns(row: DeliveryRow): Readonly<Record<string, unknown>> {
  return Object.fromEntries(DELIVERY_COLUMNS.split(', ').map((name, index) => [name, row[index]]));
}

export function deliveryOf(row: DeliveryRow): Delivery {
  const [consumer, place, key, , state, attempts, firstFailedMs, lastFailedMs, dueMs, priority, error, edited, taken] =
    row;
  return {
    consumer: fromText(consumer),
    position: position(place),
    key: fromText(key),
    state,
    attempts,
    firstFailedMs: firstFailedMs ?? undefined,
    lastFailedMs: lastFailedMs ?? undefined,
    dueMs: dueMs ?? undefined,
    priority,
    error: error === null ? undefined : wholeError(JSON.parse(error) as StoredError),
    edited: edited === null ? undefined : (JSON.parse(edited) as Edited),
    taken: taken === null ? undefined : (JSON.parse(taken) as TakenAt),
  };
}

/** JSON leaves out members that are undefined; the type has them. */
function wholeError({ name, message, code, stack, cause, part }: StoredError): StoredError {
  const whole = { name, message, code, stack, cause: cause === undefined ? undefined : wholeError(cause) };
  return part === undefined ? whole : { ...whole, part };
}
