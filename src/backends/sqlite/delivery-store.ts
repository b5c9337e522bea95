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
import type { Position } from '../../event/position.ts';
import { position } from '../../event/position.ts';
import type { Database, SqlValue } from './database.ts';
import type { Session } from './session.ts';

export type DeliveryRow = [
  consumer: string,
  position: number,
  key: string,
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
  'consumer, position, key, state, attempts, first_failed_ms, last_failed_ms, due_ms, priority, error, edited, taken';
/** As in the condition of the indexes deliveries_by_priority and deliveries_by_due. */
const TIMED = `due_ms IS NOT NULL AND state <> 'parked'`;
/** So many are found by their due time and sorted (1 ms); where more are due, those in order of priority are mostly due. */
const FEW = 1_000;
const COUNT_DUE = `SELECT count(*) FROM (
  SELECT 1 FROM deliveries INDEXED BY deliveries_by_due WHERE consumer = ? AND ${TIMED} AND due_ms <= ? LIMIT ?)`;
const DUE = `WHERE consumer = ? AND ${TIMED} AND due_ms <= ? ORDER BY priority DESC, due_ms, position LIMIT ?`;
const FEW_DUE = `SELECT ${DELIVERY_COLUMNS} FROM deliveries INDEXED BY deliveries_by_due ${DUE}`;
const MANY_DUE = `SELECT ${DELIVERY_COLUMNS} FROM deliveries INDEXED BY deliveries_by_priority ${DUE}`;

export class SqliteDeliveryStore implements DeliveryStore {
  readonly #database: Database;
  readonly #session: Session;

  constructor(database: Database, session: Session) {
    this.#database = database;
    this.#session = session;
  }

  async get(consumer: string, place: Position): Promise<Delivery | undefined> {
    return this.#deliveries('WHERE consumer = ? AND position = ?', consumer, place)[0];
  }

  async list(options: ListDeliveriesOptions): Promise<readonly Delivery[]> {
    const { consumer, key, states, after, limit } = options;
    const conditions: string[] = [];
    const parameters: SqlValue[] = [];
    const demand = (condition: string, ...values: readonly SqlValue[]) => {
      conditions.push(condition);
      parameters.push(...values);
    };
    if (consumer !== undefined) demand('consumer = ?', consumer);
    if (key !== undefined) demand('key = ?', key);
    if (states !== undefined) demand('state IN (SELECT value FROM json_each(?))', JSON.stringify(states));
    if (after !== undefined) demand('(consumer, position) > (?, ?)', after.consumer, after.position);
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    // Left to itself SQLite goes through all deliveries of the consumer, which are in the wanted order, to find those of the key.
    const ofKey = consumer !== undefined && key !== undefined;
    const from = ofKey ? 'INDEXED BY deliveries_by_key' : '';
    const order = ofKey ? 'position' : 'consumer, position';
    return this.#deliveries(`${from} ${where} ORDER BY ${order} LIMIT ?`, ...parameters, limit);
  }

  async heldKeys(
    consumer: string,
    after: string | undefined,
    limit: number,
  ): Promise<readonly { readonly first: Delivery; readonly count: number }[]> {
    const sql = `SELECT ${DELIVERY_COLUMNS}, held FROM (
        SELECT min(position) AS first, count(*) AS held FROM deliveries INDEXED BY deliveries_by_key
        WHERE consumer = ?1 AND key ${after === undefined ? '>=' : '>'} ?2 GROUP BY key ORDER BY key LIMIT ?3
      ) CROSS JOIN deliveries ON consumer = ?1 AND position = first ORDER BY key`;
    const rows = this.#session.read(() =>
      this.#database.query<[...DeliveryRow, held: number]>(sql).all(consumer, after ?? '', limit),
    );
    return rows.map((row) => ({ first: deliveryOf(row.slice(0, -1) as DeliveryRow), count: Number(row.at(-1)) }));
  }

  async countOfKey(consumer: string, key: string, state: DeliveryState): Promise<number> {
    const sql =
      'SELECT count(*) FROM deliveries INDEXED BY deliveries_by_key WHERE consumer = ? AND key = ? AND state = ?';
    return this.#session.read(() => this.#database.query<[number]>(sql).get(consumer, key, state)?.[0] ?? 0);
  }

  async due(consumer: string, untilMs: number, limit: number): Promise<readonly Delivery[]> {
    return this.#session.read(() => {
      const few = this.#database.query<[number]>(COUNT_DUE).get(consumer, untilMs, FEW)?.[0] ?? 0;
      const sql = few < FEW ? FEW_DUE : MANY_DUE;
      return this.#database.query<DeliveryRow>(sql).all(consumer, untilMs, limit).map(deliveryOf);
    });
  }

  async nextDueMs(consumer: string, afterMs: number): Promise<number | undefined> {
    const sql = `SELECT min(due_ms) FROM deliveries WHERE consumer = ? AND ${TIMED} AND due_ms > ?`;
    return this.#session.read(
      () => this.#database.query<[number | null]>(sql).get(consumer, afterMs)?.[0] ?? undefined,
    );
  }

  async counts(): Promise<readonly DeliveryCount[]> {
    const sql = 'SELECT consumer, state, count(*) FROM deliveries GROUP BY consumer, state ORDER BY consumer, state';
    const rows = this.#session.read(() => this.#database.query<[string, DeliveryState, number]>(sql).all());
    return rows.map(([consumer, state, count]) => ({ consumer, state, count }));
  }

  async positions(after: Position, limit: number): Promise<readonly Position[]> {
    const sql = 'SELECT DISTINCT position FROM deliveries WHERE position > ? ORDER BY position LIMIT ?';
    return this.#session
      .read(() => this.#database.query<[number]>(sql).all(after, limit))
      .map(([place]) => position(place));
  }

  /** Part of a unit. */
  areParked(consumer: string, positions: readonly Position[] = []): boolean {
    const state = this.#database.query<[string]>('SELECT state FROM deliveries WHERE consumer = ? AND position = ?');
    return positions.every((place) => state.get(consumer, place)?.[0] === 'parked');
  }

  /** Part of a unit: removes, then puts; putting replaces. */
  write(consumer: string, remove: readonly Position[], put: readonly DeliveryRow[]): void {
    const removal = this.#database.change('DELETE FROM deliveries WHERE consumer = ? AND position = ?');
    for (const place of remove) removal.run(consumer, place);
    const replacement = this.#database.change(
      `INSERT OR REPLACE INTO deliveries (${DELIVERY_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    for (const row of put) replacement.run(...row);
  }

  #deliveries(rest: string, ...parameters: readonly SqlValue[]): readonly Delivery[] {
    const sql = `SELECT ${DELIVERY_COLUMNS} FROM deliveries ${rest}`;
    return this.#session.read(() => this.#database.query<DeliveryRow>(sql).all(...parameters)).map(deliveryOf);
  }
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
    consumer,
    place,
    key,
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

export function deliveryOf(row: DeliveryRow): Delivery {
  const [consumer, place, key, state, attempts, firstFailedMs, lastFailedMs, dueMs, priority, error, edited, taken] =
    row;
  return {
    consumer,
    position: position(place),
    key,
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
