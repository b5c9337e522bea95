import { createReadStream } from 'node:fs';

/** Where in a file a row ends: reading on from here gives the next one. */
export interface Mark {
  /** Bytes before the next row. */
  readonly bytes: number;
  /** Lines before the next row. */
  readonly lines: number;
}

export const FILE_START: Mark = { bytes: 0, lines: 0 };

/** A row as it stands in a file, before anything is read into it. `line` is where it begins, counted from 1. */
export type RawRow =
  | { readonly ok: true; readonly line: number; readonly bytes: Buffer; readonly end: Mark }
  | { readonly ok: false; readonly line: number; readonly reason: string; readonly end: Mark };

/** Where bytes come from: a path, or standard input, which cannot be read twice. */
export type ByteSource = { readonly path: string } | { readonly stream: AsyncIterable<Uint8Array> };

/**
 * Looks for the end of the row that begins at `start`.
 *
 * Shape     `end` is the index after its line break, or of the end of the file; a text: why this is no row; undefined: more is
 *           needed to tell. `final` says that there is no more.
 */
export type FindRowEnd = (
  buffer: Buffer,
  start: number,
  final: boolean,
) => { readonly end: number; readonly lines: number } | string | undefined;

/** A row that is longer than this is no row: some quote was never closed. */
const MAX_ROW_BYTES = 4 * 1_048_576;
const CHUNK_BYTES = 262_144;
export const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BYTE_ORDER_MARK = Buffer.from('\ufeff');

/**
 * Cuts a file into rows, chunk by chunk.
 *
 * Guarantee Memory is bounded by the longest row allowed. What is no row is given up at its first line break, and the rows after
 *           that are found again, so that one missing quote does not swallow its neighbours unseen.
 */
export async function* readRawRows(
  source: ByteSource,
  from: Mark,
  findEnd: FindRowEnd,
): AsyncGenerator<readonly RawRow[], void, undefined> {
  const chunks =
    'stream' in source
      ? source.stream
      : createReadStream(source.path, { start: from.bytes, highWaterMark: CHUNK_BYTES });
  let rest: Buffer = Buffer.alloc(0);
  let mark = from;
  for await (const chunk of chunks) {
    const cut = cutRows(Buffer.concat([rest, chunk as Uint8Array]), mark, findEnd, false);
    ({ rest, mark } = cut);
    if (cut.rows.length > 0) yield cut.rows;
  }
  const last = cutRows(rest, mark, findEnd, true);
  if (last.rows.length > 0) yield last.rows;
}

function cutRows(
  buffer: Buffer,
  from: Mark,
  findEnd: FindRowEnd,
  final: boolean,
): { rows: RawRow[]; mark: Mark; rest: Buffer } {
  const rows: RawRow[] = [];
  let mark = from;
  let start = 0;
  while (start < buffer.length) {
    const found = findEnd(buffer, start, final);
    const tooLong = buffer.length - start > MAX_ROW_BYTES;
    if (found === undefined && !tooLong) break;
    const line = mark.lines + 1;
    if (typeof found === 'object') {
      const bytes = buffer.subarray(
        mark.bytes === 0 ? afterByteOrderMark(buffer, start) : start,
        withoutLineBreak(buffer, start, found.end),
      );
      mark = { bytes: mark.bytes + found.end - start, lines: mark.lines + found.lines };
      start = found.end;
      if (bytes.length > 0) rows.push({ ok: true, line, bytes, end: mark });
      continue;
    }
    const lineBreak = buffer.indexOf(LINE_FEED, start);
    if (lineBreak === -1 && !final && !tooLong) break;
    const next = lineBreak === -1 ? buffer.length : lineBreak + 1;
    mark = { bytes: mark.bytes + next - start, lines: mark.lines + (lineBreak === -1 ? 0 : 1) };
    start = next;
    rows.push({
      ok: false,
      line,
      reason: found ?? `longer than ${MAX_ROW_BYTES / 1_048_576} MiB; is a quote missing?`,
      end: mark,
    });
  }
  return { rows, mark, rest: buffer.subarray(start) };
}

/** Rows that are lines: NDJSON. */
export function findLineEnd(buffer: Buffer, start: number, final: boolean): { end: number; lines: number } | undefined {
  const lineBreak = buffer.indexOf(LINE_FEED, start);
  if (lineBreak !== -1) return { end: lineBreak + 1, lines: 1 };
  return final ? { end: buffer.length, lines: 1 } : undefined;
}

function withoutLineBreak(buffer: Buffer, start: number, end: number): number {
  if (end <= start || buffer[end - 1] !== LINE_FEED) return end;
  return end - 1 > start && buffer[end - 2] === CARRIAGE_RETURN ? end - 2 : end - 1;
}

/** Some programs begin their files with this mark; it belongs to no field. */
export function afterByteOrderMark(buffer: Buffer, start: number): number {
  const marked = buffer.subarray(start, start + BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
  return marked ? start + BYTE_ORDER_MARK.length : start;
}
