import { DatabaseSync } from 'node:sqlite';
import { RowGroup, keyOfFound } from './groups.ts';
import type { Group, UnitFound } from './groups.ts';
import { FILE_START } from './raw-rows.ts';
import type { RowFound } from './rows.ts';
import { RowProblem } from './unit.ts';
import type { Row } from './unit.ts';

const CACHE_KIB = 16_384;

interface Stored {
  readonly key: string;
  readonly found: string;
}

/**
 * Rows with the same key, wherever they stand: gathered on disk first, so that memory stays bounded with files of any size.
 *
 * Guarantee Groups come in the order of their first rows: the same input gives the same sequence.
 */
export class GatheredRows {
  // An empty name: SQLite keeps it in a temporary file which is gone with the process, however that ends.
  readonly #database = new DatabaseSync('');
  readonly #insert;
  readonly #rules: Group;

  constructor(rules: Group) {
    this.#rules = rules;
    this.#database.exec(
      `PRAGMA cache_size = -${CACHE_KIB}; CREATE TABLE gathered (place INTEGER PRIMARY KEY, key TEXT, found TEXT); BEGIN`,
    );
    this.#insert = this.#database.prepare('INSERT INTO gathered (key, found) VALUES (?, ?)');
  }

  /** False: the row's key cannot be read, and so it was not taken. */
  add(found: RowFound): boolean {
    const key = keyOfFound(found, this.#rules);
    if (key === undefined) return false;
    const kept =
      'row' in found
        ? { row: found.row }
        : { file: found.problem.file, line: found.problem.line, reason: found.problem.reason };
    this.#insert.run(key, JSON.stringify(kept));
    return true;
  }

  /** Once, after everything was added. The first `skip` groups are left out. */
  *units(skip: number): Generator<UnitFound, void, undefined> {
    this.#database.exec('COMMIT; CREATE INDEX by_key ON gathered (key, place)');
    const sql =
      'SELECT key, found FROM (SELECT key, MIN(place) AS first FROM gathered GROUP BY key) JOIN gathered USING (key) ORDER BY first, place';
    let groups = 0;
    let group: RowGroup | undefined;
    const finished = (): UnitFound[] => {
      if (group === undefined) return [];
      groups += 1;
      return groups > skip ? [{ ...group.finish(), after: { file: 0, mark: FILE_START, groups } }] : [];
    };
    for (const { key, found } of this.#database.prepare(sql).iterate() as unknown as Iterable<Stored>) {
      if (key !== group?.key) {
        yield* finished();
        group = new RowGroup(key, this.#rules);
      }
      group.add(restored(found));
    }
    yield* finished();
  }

  close(): void {
    this.#database.close();
  }
}

function restored(text: string): { row: Row } | { problem: RowProblem } {
  const kept = JSON.parse(text) as { row: Row } | { file: string; line: number; reason: string };
  return 'row' in kept ? kept : { problem: new RowProblem(kept, kept.reason) };
}
