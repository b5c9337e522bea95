import type { ListStreamsOptions, ReadOptions, ReadStreamOptions, StreamState } from '../../channel/event-log.ts';
import { LANES } from '../../consumer/lanes.ts';
import type { LaneKey } from '../../consumer/lanes.ts';
import type { RecordedEvent } from '../../event/event.ts';
import { roughBytes } from '../../event/event-size.ts';
import type { Queries, SqlValue } from './database.ts';
import { columnsBeside, EVENT_COLUMNS, eventOf } from './event-rows.ts';
import type { Usual } from './event-rows.ts';
import { fromText, toText } from './text.ts';

/** Of a page that is bounded in bytes, rows asked for at once: an answer is in memory as a whole. Fewer after one whose rows were large. */
const ROWS_AT_ONCE = { first: 128, most: 512 };
const BYTES_AT_ONCE = 1_048_576;

/** The first event of a conversation is found by its identity, the others by an index of their own. */
const ofConversation = (parameter: string) =>
  `e.position IN (SELECT position FROM identities WHERE id = ${parameter}
UNION ALL SELECT position FROM events WHERE correlationid = ${parameter}) AND coalesce(e.correlationid, e.id) = ${parameter}`;

const ofTag = (parameter: string) =>
  `e.position IN (SELECT t.position FROM event_tags AS t WHERE t.tag = ${parameter})`;

/** As `laneOf` has it. */
const LANE_OF: Readonly<Record<LaneKey, string>> = {
  'ordering-key': 'e.lane',
  position: `(e.position % ${LANES})`,
};

/** A lane is a bit: to find it in a list takes the server as long as everything else that it does for a row. */
function bitsOf(lanes: readonly number[]): string {
  const bits = lanes.reduce((sum, lane) => sum | (1n << BigInt(lane)), 0n);
  return String(BigInt.asIntN(LANES, bits));
}

/** The condition that a stream is of a category: in code point order those of one follow one another, and "." comes after "-". */
export function ofCategory(stream: string, parameter: string): string {
  return `(strpos(${parameter}, '-') = 0 AND (${stream} = ${parameter} OR ${stream} >= ${parameter} || '-' AND ${stream} < ${parameter} || '.'))`;
}

/** Reads the log and its streams. */
export class LogReader {
  readonly #queries: Queries;
  #rowsAtOnce = ROWS_AT_ONCE.first;
  /** Those of the event that was read last. */
  #usual: Usual = { type: '', source: '' };

  constructor(queries: Queries) {
    this.#queries = queries;
  }

  /** `of`: only events whose key is in these lanes. */
  async read(
    options: ReadOptions,
    of?: { readonly by: LaneKey; readonly lanes: readonly number[] },
  ): Promise<readonly RecordedEvent[]> {
    const { direction = 'forward', types, correlationid } = options;
    const backward = direction === 'backward';
    const conditions: string[] = [];
    const values: SqlValue[] = [];
    const demand = (condition: (parameter: string) => string, value: SqlValue) => {
      values.push(value);
      conditions.push(condition(`$${values.length}`));
    };
    if (types !== undefined) demand((parameter) => `e.type = ANY(${parameter}::text[])`, types.map(toText));
    if (correlationid !== undefined) demand(ofConversation, toText(correlationid));
    for (const tag of options.tags ?? []) demand(ofTag, toText(tag));
    if (of !== undefined)
      demand((parameter) => `(${parameter}::bigint >> ${LANE_OF[of.by]}::integer) & 1 <> 0`, bitsOf(of.lanes));
    return this.#pages({
      conditions,
      isLookup: types !== undefined || correlationid !== undefined || options.tags !== undefined,
      values,
      by: 'e.position',
      backward,
      from: options.after,
      inclusive: false,
      limit: options.limit,
      maxBytes: options.maxBytes,
      placeOf: (event) => event.position,
    });
  }

  async readStream(stream: string, options: ReadStreamOptions): Promise<readonly RecordedEvent[]> {
    return this.#pages({
      conditions: ['e.stream = $1'],
      isLookup: false,
      values: [toText(stream)],
      by: 'e.version',
      backward: options.direction === 'backward',
      from: options.fromVersion,
      inclusive: true,
      limit: options.limit,
      maxBytes: options.maxBytes,
      placeOf: (event) => event.version,
    });
  }

  async find(source: string, id: string): Promise<RecordedEvent | undefined> {
    const [event] = await this.#queries.items(
      `SELECT ${EVENT_COLUMNS} FROM identities AS i JOIN events AS e ON e.position = i.position WHERE i.id = $1 AND i.source = $2`,
      [toText(id), toText(source)],
      (row) => eventOf(row),
    );
    return event;
  }

  async findById(id: string): Promise<readonly RecordedEvent[]> {
    return this.#queries.items(
      `SELECT ${EVENT_COLUMNS} FROM identities AS i JOIN events AS e ON e.position = i.position WHERE i.id = $1 ORDER BY e.position`,
      [toText(id)],
      (row) => eventOf(row),
    );
  }

  async head(): Promise<readonly [position: number, recordedMs: number]> {
    const [row] = await this.#queries.query<[number, number]>('SELECT position, recorded_ms FROM log_head');
    return row ?? [0, 0];
  }

  async streamState(stream: string): Promise<StreamState> {
    const [row] = await this.#queries.prepared<[version: number, deleted: boolean, first: number | null]>(
      'SELECT s.version, s.deleted, (SELECT min(e.version) FROM events AS e WHERE e.stream = s.stream) FROM streams AS s WHERE s.stream = $1',
      [toText(stream)],
    );
    const [version, deleted, first] = row ?? [0, false, null];
    return { stream, version, firstVersion: first ?? version + 1, deleted };
  }

  async listStreams({ category, after, limit }: ListStreamsOptions): Promise<readonly StreamState[]> {
    const rows = await this.#queries.query<[stream: string, version: number, deleted: boolean, first: number | null]>(
      `SELECT s.stream, s.version, s.deleted, (SELECT min(e.version) FROM events AS e WHERE e.stream = s.stream) FROM streams AS s
WHERE s.version > 0 AND s.stream > $1 ${category === undefined ? '' : `AND ${ofCategory('s.stream', '$3')}`} ORDER BY s.stream LIMIT $2`,
      [after === undefined ? '' : toText(after), limit, ...(category === undefined ? [] : [toText(category)])],
    );
    return rows.map(([stream, version, deleted, first]) => ({
      stream: fromText(stream),
      version,
      firstVersion: first ?? version + 1,
      deleted,
    }));
  }

  /** By halving: recorded times never fall from one position to the next. */
  async positionBefore(recordedMs: number): Promise<number> {
    const [headPosition, headMs] = await this.head();
    if (headMs < recordedMs) return headPosition;
    let low = 0;
    let high = headPosition;
    // Every event at or below `low` is older, every one above `high` is not.
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const [next] = await this.#queries.query<[position: number, recordedMs: number]>(
        'SELECT position, recorded_ms FROM events WHERE position > $1 ORDER BY position LIMIT 1',
        [middle],
      );
      if (next === undefined || next[1] >= recordedMs) high = middle;
      else low = next[0];
    }
    return low;
  }

  async count(after: number, upTo: number, limit: number): Promise<number> {
    const [row] = await this.#queries.query<[number]>(
      'SELECT count(*) FROM (SELECT 1 FROM events WHERE position > $1 AND position <= $2 LIMIT $3) AS counted',
      [after, upTo, limit],
    );
    return row?.[0] ?? 0;
  }

  async #pages(question: Question): Promise<readonly RecordedEvent[]> {
    const { conditions, values, by, backward, limit, maxBytes = Number.POSITIVE_INFINITY } = question;
    const [compare, order] = backward ? ['<', 'DESC'] : ['>', 'ASC'];
    const found: RecordedEvent[] = [];
    let { from, inclusive } = question;
    for (let bytes = 0; bytes < maxBytes && found.length < limit;) {
      const wanted = Math.min(limit - found.length, maxBytes === Number.POSITIVE_INFINITY ? limit : this.#rowsAtOnce);
      const bounds = from === undefined ? [] : [`${by} ${compare}${inclusive ? '=' : ''} $${values.length + 1}`];
      const where = [...conditions, ...bounds];
      const parameters: SqlValue[] = from === undefined ? [...values] : [...values, from];
      const usual = this.#usual;
      const columns = columnsBeside(
        `$${parameters.push(toText(usual.type))}`,
        `$${parameters.push(toText(usual.source))}`,
      );
      // Of a number that it does not know the server makes a plan anew each time. What is looked up by type needs one.
      const most = wanted === ROWS_AT_ONCE.most && !question.isLookup ? String(wanted) : `$${parameters.push(wanted)}`;
      const sql = `SELECT ${columns} FROM events AS e ${where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`} ORDER BY ${by} ${order} LIMIT ${most}`;
      const [foundBefore, bytesBefore] = [found.length, bytes];
      const events = await this.#queries.items(sql, parameters, (row) => eventOf(row, usual));
      for (const event of events) {
        found.push(event);
        from = question.placeOf(event);
        bytes += roughBytes(event);
        if (bytes >= maxBytes) break;
      }
      const last = events.at(-1);
      if (last !== undefined) this.#usual = { type: last.type, source: last.source };
      this.#adjust(found.length - foundBefore, bytes - bytesBefore);
      inclusive = false;
      if (events.length < wanted) break;
    }
    return found;
  }

  #adjust(rows: number, bytes: number): void {
    if (rows === 0) return;
    const fitting = Math.floor(BYTES_AT_ONCE / Math.max(1, bytes / rows));
    this.#rowsAtOnce = Math.max(1, Math.min(ROWS_AT_ONCE.most, fitting, 2 * this.#rowsAtOnce));
  }
}

interface Question {
  readonly conditions: readonly string[];
  /** How events are best found depends on what the conditions ask for. */
  readonly isLookup: boolean;
  readonly values: readonly SqlValue[];
  /** The column that gives the order. */
  readonly by: string;
  readonly backward: boolean;
  readonly from: number | undefined;
  /** Whether `from` itself is wanted. */
  readonly inclusive: boolean;
  readonly limit: number;
  readonly maxBytes: number | undefined;
  placeOf(event: RecordedEvent): number;
}
