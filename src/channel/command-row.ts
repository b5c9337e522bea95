import type { JsonValue } from '../event/json.ts';
import { position } from '../event/position.ts';
import type { RecordedCommand } from './append-conditions.ts';

/** The columns in which tables of SQL keep a command, in the order of `CommandRow`. */
export const COMMAND_COLUMNS = 'id, name, digest, outcome, recorded_ms, position, events';
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

/** `textOf`: how a text reads that was stored in another form. */
export function recordedCommand(row: CommandRow, textOf: (stored: string) => string = asStored): RecordedCommand {
  const [id, name, digest, outcome, recordedMs, place, events] = row;
  return {
    id: textOf(id),
    name: textOf(name),
    digest,
    outcome: outcome === null ? undefined : (JSON.parse(textOf(outcome)) as JsonValue),
    recordedMs,
    position: position(place),
    events,
  };
}

function asStored(stored: string): string {
  return stored;
}
