import { formOfText } from '../../consumer/checkpoint-store.ts';
import { INLINE_EVENTS } from '../../consumer/inline-rows.ts';
import type { InlineLook, InlineProjection, InlineRows } from '../../consumer/inline-rows.ts';
import { settledIn, wholeGroup } from '../../consumer/lanes.ts';
import type { LaneGroup, NodeId } from '../../consumer/lanes.ts';
import { StoreDefect, WrongState } from '../../errors.ts';
import type { JsonValue } from '../../event/json.ts';
import { position } from '../../event/position.ts';
import type { Position } from '../../event/position.ts';
import { newToken } from './checkpoint-store.ts';
import { endInline, laneGroup, lockConsumers, LOW, replaceLanes } from './cluster.ts';
import type { LaneRow } from './cluster.ts';
import type { Database, Queries } from './database.ts';
import { storeError } from './database.ts';
import { LogReader } from './log-reader.ts';
import type { EncodedEvent, RecordedEvent } from '../../event/event.ts';
import { Foresight } from './foresight.ts';
import type { Foreseen } from './foresight.ts';
import type { OwnTransactions } from './own-transactions.ts';
import { RowMemory } from './row-memory.ts';
import type { PreparedRow } from './row-store.ts';
import { prepareRow, storedRows, writeRows } from './row-store.ts';
import type { Session } from './session.ts';
import { fromText, toText } from './text.ts';

/** What a begin holds in memory while it waits, roughly. */
const BEGIN_BYTES = 4_096;
const CONSUMER = `SELECT form, paused_since_ms IS NOT NULL OR EXISTS (SELECT FROM deliveries AS d WHERE d.consumer = c.consumer)
FROM consumers AS c WHERE consumer = $1`;
const GROUPS = `SELECT l.inline, l.lanes, ${LOW}, l.done, l.holder, l.token FROM log_head AS h CROSS JOIN lanes AS l WHERE l.consumer = $1 ORDER BY l.first_lane FOR UPDATE OF l`;
const MARK = 'UPDATE lanes SET inline = true WHERE consumer = $1';
const NEW_EPOCH = `UPDATE log_head SET inline = nextval('lane_tokens')`;
const IN_FORCE = `SELECT h.inline, l.consumer FROM log_head AS h LEFT JOIN lanes AS l ON l.inline`;
/** The trigger that looks after the head of the log asks for it. */
const SAY = `SELECT set_config('thereupon.projected', $1, true)`;

export interface InlineParts {
  readonly database: Database;
  writes(): OwnTransactions;
  readonly session: Session;
  /** The node that this process is, if it is one. */
  node(): NodeId | undefined;
  now(): number;
}

/** What of the projections here becomes of the events of a transaction. */
export interface InlineWork {
  readonly rows: readonly PreparedRow[];
  /** To be called when it is durable, before anybody is told of the events. */
  committed(): void;
}

/**
 * Projects what this process appends, in the transaction that appends it. That there is a projection stands in the store, for all who append: as
 * many as know it keep it going, and the server ends it for whoever does not.
 *
 * Invariants 1. While a consumer is marked (`lanes.inline`) its checkpoint is the head of the log, and no lane of it has a holder.
 *            2. Marks are set and taken by whoever holds the head of the log. What this process remembers of them may be over: the head says which
 *               there are (`log_head.inline`), and who appends for others than these is refused, or ends them.
 *            3. A projection that throws has written nothing: its rows are computed before any of them is written.
 */
export class PostgresInlineRows implements InlineRows {
  readonly #parts: InlineParts;
  readonly #projected = new Map<string, InlineProjection>();
  /** Why none is to be projected by the next transaction: rows could not be written. */
  #refused: { readonly reason: unknown } | undefined;
  /** What named those that there were when this process looked last; undefined: not those that are here, or nothing is known. */
  #epoch: number | undefined;
  readonly #foresight = new Foresight(new RowMemory());
  /** Rises when one begins or ends here. */
  #changes = 0;
  #looking: Promise<void> | undefined;

  constructor(parts: InlineParts) {
    this.#parts = parts;
  }

  /** Something is to be projected when events are appended. */
  get any(): boolean {
    return this.#projected.size > 0;
  }

  /** Rows could not be written: the transaction, done again, does without. */
  get hasRefused(): boolean {
    return this.#refused !== undefined;
  }

  async begin(projection: InlineProjection): Promise<boolean> {
    const { consumer } = projection;
    let begun: Begun | undefined;
    try {
      begun = await this.#parts.writes().alone(BEGIN_BYTES, async (queries) => {
        const found = await this.#begin(queries, projection);
        // Before it is durable, so that what is appended next is for it too. If it never is, the server says so then.
        if (found === undefined) return undefined;
        this.#projected.set(consumer, projection);
        this.#changes += 1;
        this.#found(await inForce(queries));
        return found;
      });
    } catch (error) {
      if (this.#projected.get(consumer) === projection) this.#projected.delete(consumer);
      if (error instanceof StoreDefect) return false;
      throw error;
    }
    if (begun === undefined) return false;
    projection.kept(begun.head, begun.handled);
    return true;
  }

  async end(consumer: string): Promise<void> {
    await this.#parts.writes().alone(0, async (queries) => {
      this.#projected.delete(consumer);
      this.#changes += 1;
      await endInline(queries, [toText(consumer)]);
      this.#found(await inForce(queries));
    });
  }

  /** Others may have ended what is projected here. */
  look(): void {
    if (this.#projected.size === 0) return;
    this.#looking ??= this.#look()
      // Whoever appends next hears of it.
      .catch(() => undefined)
      .finally(() => (this.#looking = undefined));
  }

  async close(): Promise<void> {
    await this.#looking;
  }

  /** For a statement that appends these. 'unread': after `readAhead`. Undefined: it takes more than one statement. */
  foresee(events: readonly EncodedEvent[]): Foreseen | 'unread' | undefined {
    if (this.#epoch === undefined) return undefined;
    return this.#foresight.foresee([...this.#projected.values()], this.#epoch, events);
  }

  async readAhead(): Promise<void> {
    await this.#foresight.read(this.#parts.database);
  }

  /** What was foreseen was not carried out. */
  forget(): void {
    this.#foresight.forget();
  }

  /** Part of a transaction that holds the head of the log, before these events are written. */
  async project(queries: Queries, events: readonly RecordedEvent[]): Promise<InlineWork | undefined> {
    if (this.#projected.size === 0 || events.length === 0) return undefined;
    const refused = this.#refused;
    this.#refused = undefined;
    const { epoch: before, consumers } = await inForce(queries);
    const rows: PreparedRow[] = [];
    const kept: { readonly projection: InlineProjection; readonly handled: number }[] = [];
    const over: { readonly projection: InlineProjection; readonly reason: unknown }[] = [];
    const looks = new Looks(queries, events);
    for (const projection of this.#projected.values()) {
      if (!consumers.has(projection.consumer)) {
        over.push({ projection, reason: CHANGED_BESIDE });
        continue;
      }
      const work = refused === undefined ? await looks.projected(projection, events) : { failure: refused };
      if ('failure' in work) over.push({ projection, reason: work.failure.reason });
      else {
        kept.push({ projection, handled: work.handled });
        rows.push(...work.rows);
      }
    }
    // Those of other programs, too: this one cannot keep them.
    const left = [...consumers].filter((name) => !kept.some(({ projection }) => projection.consumer === name));
    const epoch = left.length > 0 ? await endInline(queries, left.map(toText)) : before;
    if (kept.length > 0 && epoch !== undefined) await queries.query(SAY, [String(epoch)]);
    const head = events.at(-1)?.position ?? position(0);
    return {
      rows,
      committed: () => {
        this.#foresight.forget();
        this.#epoch = epoch;
        for (const { projection, handled } of kept) projection.kept(head, handled);
        for (const { projection, reason } of over) this.#over(projection, reason);
      },
    };
  }

  /** Part of the transaction: those rows. */
  async write(queries: Queries, { rows }: InlineWork): Promise<void> {
    try {
      await writeRows(queries, rows);
    } catch (reason) {
      if (storeError(this.#parts.database.store, reason) instanceof StoreDefect) this.#refused = { reason };
      throw reason;
    }
  }

  #found({ epoch, consumers }: InForce): void {
    const areHere =
      consumers.size === this.#projected.size && [...consumers].every((name) => this.#projected.has(name));
    this.#epoch = areHere ? epoch : undefined;
  }

  #over(projection: InlineProjection, reason: unknown): void {
    if (this.#projected.get(projection.consumer) !== projection) return;
    this.#projected.delete(projection.consumer);
    this.#changes += 1;
    projection.ended(reason);
  }

  async #look(): Promise<void> {
    for (;;) {
      const seen = this.#changes;
      const there = await inForce(this.#parts.database);
      if (this.#changes !== seen) continue;
      const { consumers } = there;
      this.#found(there);
      for (const projection of this.#projected.values())
        if (!consumers.has(projection.consumer)) this.#over(projection, CHANGED_BESIDE);
      return;
    }
  }

  /** Undefined: it is not begun, and nothing was changed. */
  async #begin(queries: Queries, projection: InlineProjection): Promise<Begun | undefined> {
    const consumer = toText(projection.consumer);
    await lockConsumers(queries, [consumer]);
    const [found] = await queries.query<[form: string, isHindered: boolean]>(CONSUMER, [consumer]);
    if (found === undefined || found[1] || !isOfForm(projection, found[0])) return undefined;
    const rows = await queries.query<[isInline: boolean, ...LaneRow]>(GROUPS, [consumer]);
    const groups = rows.map(([, ...row]) => laneGroup(row));
    const reader = new LogReader(queries);
    const head = position((await reader.head())[0]);
    // Another node has begun it.
    if (rows.some(([isInline]) => isInline)) return { head, handled: 0 };
    if (!mayTake(groups, this.#parts.node())) return undefined;
    const low = groups.reduce<Position>(
      (least, { checkpoint }) => (checkpoint.low < least ? checkpoint.low : least),
      head,
    );
    if (groups.some(({ checkpoint }) => checkpoint.low > head)) return undefined;
    const events = await reader.read({ after: low, limit: INLINE_EVENTS + 1 });
    if (events.length > INLINE_EVENTS) return undefined;
    const isSettled = settledIn(groups);
    const missing = events.filter((event) => !isSettled(projection.laneOf(event), event.position));
    const work = await new Looks(queries, []).projected(projection, missing);
    if ('failure' in work) return undefined;
    await writeRows(queries, work.rows);
    // What those commit who had lanes of it is refused from now on.
    const group = wholeGroup({ low: head, done: [] }, await newToken(queries));
    await replaceLanes(queries, [{ consumer, stays: [], groups: [group] }], this.#parts.now());
    await queries.change(MARK, [consumer]);
    await queries.query(NEW_EPOCH);
    return { head, handled: work.handled };
  }
}

interface InForce {
  readonly epoch: number | undefined;
  readonly consumers: ReadonlySet<string>;
}

interface Begun {
  readonly head: Position;
  readonly handled: number;
}

type Projected =
  | { readonly rows: readonly PreparedRow[]; readonly handled: number }
  | { readonly failure: { readonly reason: unknown } };

const CHANGED_BESIDE = new WrongState('the consumer was changed beside it, or events were recorded without its rows');

/**
 * Lanes are taken from others by who takes part in handling their events: while one has all of them for itself, as an operator has, nobody else does.
 * The dead are found out by those who take lanes.
 */
function mayTake(groups: readonly LaneGroup[], node: NodeId | undefined): boolean {
  return groups.every(({ holder }) => holder === undefined) || groups.some(({ holder }) => holder === node);
}

function isOfForm({ form }: InlineProjection, stored: string): boolean {
  return form === undefined || JSON.stringify(form) === JSON.stringify(formOfText(stored));
}

/** Which projections there are, by the names that programs give them, and what names them all. */
async function inForce(queries: Pick<Queries, 'query'>): Promise<InForce> {
  const rows = await queries.query<[epoch: number | null, consumer: string | null]>(IN_FORCE);
  const names = rows.flatMap(([, consumer]) => (consumer === null ? [] : [fromText(consumer)]));
  return { epoch: rows[0]?.[0] ?? undefined, consumers: new Set(names) };
}

/** What projections ask of the store in a transaction. They ask in the middle of their work, which is done again when the answer is there. */
class Looks {
  readonly #queries: Queries;
  readonly #events: readonly RecordedEvent[];
  /** By namespace. */
  readonly #rows = new Map<string, Map<string, JsonValue | undefined>>();
  readonly #found = new Map<string, RecordedEvent | undefined>();
  #wanted: (readonly [namespace: string, key: string])[] = [];
  #sought: (readonly [source: string, id: string])[] = [];

  /** `events`: those that the transaction is going to append. */
  constructor(queries: Queries, events: readonly RecordedEvent[]) {
    this.#queries = queries;
    this.#events = events;
  }

  async projected(projection: InlineProjection, events: readonly RecordedEvent[]): Promise<Projected> {
    this.#wanted.push(...projection.keysOf(events).map((key) => [projection.namespace, key] as const));
    for (;;) {
      await this.#read();
      const work = this.#attempt(projection, events);
      if (this.#wanted.length + this.#sought.length === 0) return work;
    }
  }

  #attempt(projection: InlineProjection, events: readonly RecordedEvent[]): Projected {
    projection.forget();
    try {
      const rows = projection.project(events, this.#look).map(prepareRow);
      return { rows, handled: projection.handOver() };
    } catch (reason) {
      projection.undone();
      return { failure: { reason } };
    }
  }

  readonly #look: InlineLook = {
    row: (namespace, key) => {
      const rows = this.#rows.get(namespace);
      if (rows?.has(key) === true) return rows.get(key);
      this.#wanted.push([namespace, key]);
      throw new NotRead();
    },
    find: (source, id) => {
      const own = this.#events.find((event) => event.source === source && event.id === id);
      if (own !== undefined) return own;
      const name = JSON.stringify([source, id]);
      if (this.#found.has(name)) return this.#found.get(name);
      this.#sought.push([source, id]);
      throw new NotRead();
    },
  };

  async #read(): Promise<void> {
    const wanted = Map.groupBy(this.#wanted.splice(0), ([namespace]) => namespace);
    for (const [namespace, places] of wanted) {
      const known = this.#rows.get(namespace) ?? new Map<string, JsonValue | undefined>();
      this.#rows.set(namespace, known);
      const keys = [...new Set(places.map(([, key]) => key))].filter((key) => !known.has(key));
      const stored = await storedRows(this.#queries, namespace, keys);
      for (const [index, key] of keys.entries()) {
        const row = stored[index];
        known.set(key, row === undefined ? undefined : (JSON.parse(row.json) as JsonValue));
      }
    }
    for (const [source, id] of this.#sought.splice(0))
      this.#found.set(JSON.stringify([source, id]), await new LogReader(this.#queries).find(source, id));
  }
}

/** An answer is not there yet. */
class NotRead extends Error {}
