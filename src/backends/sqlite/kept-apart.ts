import type { Database } from './database.ts';

/** What stands for a value in `rows.value`, before its place; no JSON begins with it. */
const MARK = '@';

/**
 * Values that are to leave nothing in the file once they are removed: keys.
 *
 * SQLite overwrites what is deleted, but not what it left where a row was before it was moved from page to page: of 13,000 keys that were
 * deleted from 30,000 in the order of their ids, with `secure_delete`, 5,899 were still in the file. So they are where nothing is moved.
 *
 * Invariants 1. A value is added behind all others, which SQLite does without touching them.
 *            2. None is removed: it is overwritten with as many zeros, which SQLite does where it is. Its row stays.
 */
export class KeptApart {
  readonly #database: Database;
  #isOverwriting = false;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Answers what stands for it in `rows.value`. */
  keep(json: string): string {
    // When the table outgrows its first page SQLite moves that as a whole.
    if (!this.#isOverwriting) this.#database.number('secure_delete = 1');
    this.#isOverwriting = true;
    const { lastInsertRowid } = this.#database
      .change('INSERT INTO kept_apart (value) VALUES (?)')
      .run(Buffer.from(json));
    return `${MARK}${lastInsertRowid}`;
  }

  /** Of a row: its JSON, wherever it is. */
  jsonOf(value: string): string {
    if (!value.startsWith(MARK)) return value;
    const row = this.#database.query<[Uint8Array]>('SELECT value FROM kept_apart WHERE place = ?').get(placeOf(value));
    if (row === undefined) throw new Error(`expected a value kept apart at ${value}, found none; the file is damaged`);
    return Buffer.from(row[0]).toString();
  }

  /** Its row is removed or replaced. */
  erase(value: string): void {
    if (!value.startsWith(MARK)) return;
    this.#database.change('UPDATE kept_apart SET value = zeroblob(length(value)) WHERE place = ?').run(placeOf(value));
  }

  /** Of every row. */
  eraseAll(): void {
    this.#database.change('UPDATE kept_apart SET value = zeroblob(length(value))').run();
  }
}

function placeOf(value: string): number {
  return Number(value.slice(MARK.length));
}
