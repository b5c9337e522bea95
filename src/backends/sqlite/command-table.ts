import type { CommandEntry, RecordedCommand } from '../../channel/append-conditions.ts';
import type { JsonValue } from '../../event/json.ts';
import { position } from '../../event/position.ts';
import type { Database } from './database.ts';

/** The columns of a read, in the order of `CommandRow`. */
const COMMAND_COLUMNS = 'id, name, digest, outcome, recorded_ms, position, events';
/** All of them, as of an image. */
export const COMMANDS_IN_ORDER = `SELECT ${COMMAND_COLUMNS} FROM commands ORDER BY id`;

export type CommandRow = [
  id: string,
  name: string,
  digest: string,
  outcome: string | null,
  recordedMs: number,
  position: number,
  events: number,
];

export function recordedCommand(row: CommandRow): RecordedCommand {
  const [id, name, digest, outcome, recordedMs, place, events] = row;
  return {
    id,
    name,
    digest,
    outcome: outcome === null ? undefined : (JSON.parse(outcome) as JsonValue),
    recordedMs,
    position: position(place),
    events,
  };
}

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
