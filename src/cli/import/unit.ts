import { createHash } from 'node:crypto';
import type { JsonValue } from '../../index.ts';

/** A row whose columns have been read: what templates are filled from. */
export interface Row {
  /** The file as it was named, for messages. */
  readonly file: string;
  readonly line: number;
  /** The columns that the mapping speaks of. An absent value is undefined. */
  readonly values: Readonly<Record<string, JsonValue | undefined>>;
  /** The row as it stood in the file: what `{*}` and `{$digest}` look at. */
  readonly raw: Readonly<Record<string, JsonValue>>;
}

/** The rows that one event is made of: one, or those of a group. Never empty. */
export type Unit = readonly [Row, ...Row[]];

/** Something is wrong with a row, or with a group at this row. */
export class RowProblem extends Error {
  override readonly name = 'RowProblem';
  readonly file: string;
  readonly line: number;
  readonly reason: string;

  constructor(place: { readonly file: string; readonly line: number }, reason: string) {
    super(`${place.file}:${place.line}: ${reason}`);
    this.file = place.file;
    this.line = place.line;
    this.reason = reason;
  }
}

/** What identifies a row by its content: the same for every row that says the same. */
export function digestOf(row: Row): string {
  return createHash('sha256').update(JSON.stringify(row.raw)).digest('hex').slice(0, 32);
}

/** A value in a message: short. */
export function shown(value: JsonValue | undefined): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
