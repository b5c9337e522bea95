import { InvalidInput } from '../../errors.ts';
import type { Database } from './database.ts';

/** Where a stream stands while its events come in. */
interface StreamEnd {
  readonly stream: string;
  /** The last version that it ever had. */
  readonly version: number;
  /** The last event that came; 0: none did. */
  last: number;
  position: number;
  /** From here on it is whole. */
  floor: number;
}

/** So many are held in memory (10 MiB); then all are written, in order of name, as the table is. */
const MAX_HELD = 65_536;

const CREATE = `CREATE TEMP TABLE stream_ends (
  stream TEXT PRIMARY KEY, version INTEGER NOT NULL, deleted INTEGER NOT NULL, last INTEGER NOT NULL, position INTEGER NOT NULL, floor INTEGER NOT NULL
) STRICT, WITHOUT ROWID`;

/**
 * Links the events of streams while they come in position order, and knows in the end which of their versions are missing. In a table of its own
 * beside the file, of which a part is in memory.
 *
 * Invariants 1. What is in memory is newer than its row.
 */
export class StreamEnds {
  readonly #database: Database;
  #held = new Map<string, StreamEnd>();

  constructor(database: Database) {
    this.#database = database;
    database.execute(CREATE);
  }

  add(stream: string, version: number, deleted: boolean): void {
    const sql = 'INSERT INTO stream_ends VALUES (?, ?, ?, 0, 0, 1)';
    this.#database.change(sql).run(stream, version, deleted ? 1 : 0);
  }

  /** Answers the position of the event before this one in its stream; 0: it is the first, or that one was removed. */
  advance(stream: string, version: number, position: number): number {
    const end = this.#held.get(stream) ?? this.#fetch(stream);
    if (version <= end.last || version > end.version)
      throw new InvalidInput({
        path: `the image, version of the event at position ${position} in stream ${stream}`,
        expected: `above ${end.last}, at most ${end.version}`,
        found: version,
      });
    const follows = version === end.last + 1;
    const previous = follows ? end.position : 0;
    if (!follows) end.floor = version;
    end.last = version;
    end.position = position;
    return previous;
  }

  /** Writes what the tables of the store say of streams. All events and identities of removed ones are there. */
  finish(): void {
    this.#spill();
    for (const sql of FINISH) this.#database.change(sql).run();
    this.#database.execute('DROP TABLE stream_ends');
  }

  #fetch(stream: string): StreamEnd {
    if (this.#held.size >= MAX_HELD) this.#spill();
    const row = this.#database
      .query<[number, number, number, number]>(
        'SELECT version, last, position, floor FROM stream_ends WHERE stream = ?',
      )
      .get(stream);
    if (row === undefined)
      throw new InvalidInput({ path: `the image, stream ${stream}`, expected: 'a record of it', found: undefined });
    const [version, last, position, floor] = row;
    const end = { stream, version, last, position, floor };
    this.#held.set(stream, end);
    return end;
  }

  #spill(): void {
    const update = this.#database.change('UPDATE stream_ends SET last = ?, position = ?, floor = ? WHERE stream = ?');
    const inOrder = [...this.#held.values()].sort((left, right) => (left.stream < right.stream ? -1 : 1));
    for (const { stream, last, position, floor } of inOrder) update.run(last, position, floor, stream);
    this.#held = new Map();
  }
}

/** Names the streams that lost events, or were deleted; of them the places of events that are left below the floor, and no marks there. */
const FINISH = [
  // The last event of a stream may be gone.
  'UPDATE stream_ends SET floor = version + 1 WHERE last < version',
  `UPDATE stream_ends SET position = r.position FROM retired AS r
    WHERE r.stream = stream_ends.stream AND r.version = stream_ends.version AND stream_ends.last < stream_ends.version`,
  'INSERT INTO stream_heads SELECT stream, version, position FROM stream_ends WHERE version > 0 ORDER BY stream',
  'INSERT INTO stream_floors SELECT stream, floor, deleted FROM stream_ends WHERE floor > 1 OR deleted <> 0 ORDER BY stream',
  `INSERT INTO held_back SELECT e.stream, e.version, e.position FROM events AS e CROSS JOIN stream_floors AS f ON f.stream = e.stream
    WHERE e.version < f.floor ORDER BY e.stream, e.version`,
  'DELETE FROM stream_marks WHERE version < (SELECT floor FROM stream_floors AS f WHERE f.stream = stream_marks.stream)',
];
