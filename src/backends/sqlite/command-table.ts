import type { CommandEntry, RecordedCommand } from '../../channel/append-conditions.ts';
import { COMMAND_COLUMNS, recordedCommand } from '../../channel/command-row.ts';
import type { CommandRow } from '../../channel/command-row.ts';
import type { Database } from './database.ts';

/** The commands that had an outcome. */
export class CommandTable {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  find(id: string): RecordedCommand | undefined {
    const row = this.#database.query<CommandRow>(`SELECT ${COMMAND_COLUMNS} FROM commands WHERE id = ?`).get(id);
    return row === undefined ? undefined : recordedCommand(row);
  }

  /** Answers false when its id is known; then nothing was written. */
  add(
    { id, name, digest, outcome }: CommandEntry,
    place: { readonly recordedMs: number; readonly position: number; readonly events: number },
  ): boolean {
    const { changes } = this.#database
      .change(`INSERT INTO commands (${COMMAND_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`)
      .run(
        id,
        name,
        digest,
        outcome === undefined ? null : JSON.stringify(outcome),
        place.recordedMs,
        place.position,
        place.events,
      );
    return changes !== 0;
  }

  remove(id: string): void {
    this.#database.change('DELETE FROM commands WHERE id = ?').run(id);
  }
}
