import type { RecordedCommand } from '../../channel/append-conditions.ts';
import type { JsonValue } from '../../event/json.ts';
import { position } from '../../event/position.ts';
import type { Queries, SqlValue } from './database.ts';
import { fromText, toText } from './text.ts';

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

const INSERT = `INSERT INTO commands (${COMMAND_COLUMNS})
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::integer[])`;

export function recordedCommand(row: CommandRow): RecordedCommand {
  const [id, name, digest, outcome, recordedMs, place, events] = row;
  return {
    id: fromText(id),
    name: fromText(name),
    digest,
    outcome: outcome === null ? undefined : (JSON.parse(fromText(outcome)) as JsonValue),
    recordedMs,
    position: position(place),
    events,
  };
}

/** Of these ids those that are known. */
export async function findCommands(queries: Queries, ids: readonly string[]): Promise<readonly RecordedCommand[]> {
  if (ids.length === 0) return [];
  const sql = `SELECT ${COMMAND_COLUMNS} FROM commands WHERE id = ANY($1::text[])`;
  return (await queries.query<CommandRow>(sql, [ids.map(toText)])).map(recordedCommand);
}

export async function insertCommands(queries: Queries, commands: readonly RecordedCommand[]): Promise<void> {
  if (commands.length > 0) await queries.change(INSERT, commandColumns(commands));
}

export function commandColumns(commands: readonly RecordedCommand[]): readonly SqlValue[] {
  return [
    commands.map(({ id }) => toText(id)),
    commands.map(({ name }) => toText(name)),
    commands.map(({ digest }) => digest),
    commands.map(({ outcome }) => (outcome === undefined ? null : toText(JSON.stringify(outcome)))),
    commands.map(({ recordedMs }) => recordedMs),
    commands.map(({ position: place }) => place),
    commands.map(({ events }) => events),
  ];
}
