import { isUtf8 } from 'node:buffer';
import type { JsonValue } from '../../index.ts';
import { CommandFailed } from '../failure.ts';
import { csvFields, csvRowEnd } from './csv.ts';
import type { Mapping } from './mapping.ts';
import { FILE_START, findLineEnd, readRawRows } from './raw-rows.ts';
import type { ByteSource, Mark, RawRow } from './raw-rows.ts';
import { RowProblem, shown } from './unit.ts';
import type { Row } from './unit.ts';

/** A file to import, as the user named it. */
export interface InputFile {
  readonly name: string;
  readonly source: ByteSource;
  readonly format: 'csv' | 'ndjson';
}

/**
 * A row, or what is wrong with it; and where the file goes on after it. Of a row with a bad column the others are known: they may tell
 * the group that it spoils.
 */
export type RowFound =
  | { readonly row: Row; readonly end: Mark }
  | { readonly problem: RowProblem; readonly values: Row['values'] | undefined; readonly end: Mark };

/** What is needed of a mapping to read rows. */
export type RowRules = Pick<Mapping, 'csv' | 'columns' | 'readers'>;

/**
 * The rows of a file, their columns read.
 *
 * Guarantee Every row comes or is named as a problem; none is lost between two others.
 * Errors    CommandFailed when the file as a whole does not fit the mapping; errors of the file system.
 */
export async function* readRows(
  file: InputFile,
  from: Mark,
  rules: RowRules,
): AsyncGenerator<RowFound, void, undefined> {
  const csv = file.format === 'csv';
  const findEnd = csv ? csvRowEnd(rules.csv.delimiter) : findLineEnd;
  const decode = csv && rules.csv.encoding === 'latin1' ? (bytes: Buffer) => bytes.toString('latin1') : decodeUtf8;
  let header: readonly string[] | undefined = rules.csv.header;
  if (csv && header !== undefined) assertColumns(file.name, header, rules.columns);
  if (csv && header === undefined && from.bytes > 0) header = await readHeader(file, rules);
  for await (const chunk of readRawRows(file.source, from, findEnd)) {
    for (const raw of chunk) {
      if (csv && header === undefined) {
        header = headerOf(file.name, raw, rules, decode);
        continue;
      }
      yield { ...rowOf(raw, { file, rules, header, decode }), end: raw.end };
    }
  }
}

/** The CloudEvents of an NDJSON file without a mapping: every line is one. */
export async function* readEventLines(file: InputFile, from: Mark): AsyncGenerator<RowFound, void, undefined> {
  for await (const chunk of readRawRows(file.source, from, findLineEnd)) {
    for (const raw of chunk) {
      const found = parseLine(file.name, raw, decodeUtf8);
      if (found === undefined) continue;
      yield found instanceof RowProblem
        ? { problem: found, values: undefined, end: raw.end }
        : { row: { file: file.name, line: raw.line, values: {}, raw: found }, end: raw.end };
    }
  }
}

interface Reading {
  readonly file: InputFile;
  readonly rules: RowRules;
  readonly header: readonly string[] | undefined;
  readonly decode: (bytes: Buffer) => string | undefined;
}

function rowOf(
  raw: RawRow,
  { file, rules, header, decode }: Reading,
): { row: Row } | { problem: RowProblem; values: Row['values'] | undefined } {
  const cells =
    header === undefined
      ? parseLine(file.name, raw, decode)
      : parseFields(file.name, raw, { header, delimiter: rules.csv.delimiter, decode });
  if (cells instanceof RowProblem) return { problem: cells, values: undefined };
  const values: Record<string, JsonValue | undefined> = {};
  const reasons: string[] = [];
  for (const [name, read] of rules.readers) {
    const cell = header === undefined ? memberOf(cells, name) : cells[name];
    const reading = read(cell);
    if ('reason' in reading) reasons.push(`column ${name}: ${reading.reason}, found ${shown(cell)}`);
    else values[name] = reading.value;
  }
  if (reasons.length > 0)
    return { problem: new RowProblem({ file: file.name, line: raw.line }, reasons.join('; ')), values };
  return { row: { file: file.name, line: raw.line, values, raw: cells } };
}

function parseFields(
  file: string,
  raw: RawRow,
  rules: { header: readonly string[]; delimiter: string; decode: Reading['decode'] },
): Record<string, string> | RowProblem {
  const place = { file, line: raw.line };
  if (!raw.ok) return new RowProblem(place, raw.reason);
  const text = rules.decode(raw.bytes);
  if (text === undefined) return new RowProblem(place, NOT_UTF8);
  const fields = csvFields(text, rules.delimiter);
  const { header } = rules;
  if (fields.length !== header.length)
    return new RowProblem(place, `has ${fields.length} fields; the header names ${header.length} columns`);
  const cells: Record<string, string> = {};
  for (let index = 0; index < header.length; index += 1) cells[header[index] ?? ''] = fields[index] ?? '';
  return cells;
}

function parseLine(file: string, raw: RawRow, decode: Reading['decode']): Record<string, JsonValue> | RowProblem {
  const place = { file, line: raw.line };
  if (!raw.ok) return new RowProblem(place, raw.reason);
  const text = decode(raw.bytes);
  if (text === undefined) return new RowProblem(place, NOT_UTF8);
  try {
    const value = JSON.parse(text) as JsonValue;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, JsonValue>;
    return new RowProblem(place, `expected a JSON object, found ${shown(value)}`);
  } catch (error) {
    return new RowProblem(place, `is not JSON: ${(error as Error).message}`);
  }
}

/** `customer.id` is a member of that name, else the member `id` of the member `customer`. */
function memberOf(value: Readonly<Record<string, JsonValue>>, name: string): JsonValue | undefined {
  if (Object.hasOwn(value, name)) return value[name];
  let found: JsonValue | undefined = value;
  for (const part of name.split('.')) {
    if (typeof found !== 'object' || found === null || Array.isArray(found) || !Object.hasOwn(found, part))
      return undefined;
    found = (found as Record<string, JsonValue>)[part];
  }
  return found;
}

const NOT_UTF8 = 'is not UTF-8; if the file is in Latin-1, say so in the mapping: "csv": {"encoding": "latin1"}';

function decodeUtf8(bytes: Buffer): string | undefined {
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}

async function readHeader(file: InputFile, rules: RowRules): Promise<readonly string[]> {
  for await (const [first] of readRawRows(file.source, FILE_START, csvRowEnd(rules.csv.delimiter))) {
    if (first !== undefined) return headerOf(file.name, first, rules, decodeUtf8);
  }
  throw new CommandFailed(`${file.name}: is empty`);
}

function headerOf(file: string, raw: RawRow, rules: RowRules, decode: Reading['decode']): readonly string[] {
  const text = raw.ok ? decode(raw.bytes) : undefined;
  if (text === undefined) throw new CommandFailed(`${file}:${raw.line}: ${raw.ok ? NOT_UTF8 : raw.reason}`);
  const header = csvFields(text, rules.csv.delimiter);
  const twice = header.find((name, index) => header.indexOf(name) !== index);
  if (twice !== undefined)
    throw new CommandFailed(`${file}:${raw.line}: the header names the column ${shown(twice)} twice`);
  assertColumns(file, header, rules.columns);
  return header;
}

function assertColumns(file: string, header: readonly string[], columns: readonly string[]): void {
  const missing = columns.filter((name) => !header.includes(name));
  if (missing.length === 0) return;
  throw new CommandFailed(
    `${file}: has no column ${missing.map(shown).join(', ')}, which the mapping speaks of; it has ${header.map(shown).join(', ')}`,
  );
}
