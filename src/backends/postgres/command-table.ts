import type { RecordedCommand } from '../../channel/append-conditions.ts';
import { COMMAND_COLUMNS, recordedCommand as commandOf } from '../../channel/command-row.ts';
import type { CommandRow } from '../../channel/command-row.ts';
import type { Queries, SqlValue } from './database.ts';
import { fromText, toText } from './text.ts';

const INSERT = `INSERT INTO commands (${COMMAND_COLUMNS})
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::integer[])`;

export function recordedCommand(row: CommandRow): RecordedCommand {
  return commandOf(row, fromText);
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
