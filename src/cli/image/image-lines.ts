import { createHash } from 'node:crypto';
import type { ImageRecord } from '../../index.ts';
import { CommandFailed } from '../failure.ts';

/** A line that is longer than this is none of an image: the file is of another kind. */
const MAX_LINE_BYTES = 64 * 1_048_576;
const LINE_FEED = Buffer.from('\n');

/**
 * The lines of an image, page by page: a record each, the last one with the SHA-256 of all lines before it.
 *
 * Guarantee Stores with the same content have the same lines, whatever their backends.
 */
export async function* imageLines(
  pages: AsyncIterable<readonly ImageRecord[]>,
): AsyncGenerator<{ readonly text: string; readonly records: readonly ImageRecord[] }, void, undefined> {
  const hash = createHash('sha256');
  for await (const records of pages) {
    let text = '';
    for (const record of records) {
      if (record.kind === 'end') {
        hash.update(text);
        yield { text: `${text}${JSON.stringify({ ...record, sha256: hash.digest('hex') })}\n`, records };
        return;
      }
      text += `${JSON.stringify(inOrder(record))}\n`;
    }
    hash.update(text);
    yield { text, records };
  }
}

/** Backends name the members of a record in orders of their own. */
function inOrder({ kind, ...members }: ImageRecord): Readonly<Record<string, unknown>> {
  const sorted = Object.entries(members).sort(([left], [right]) => (left < right ? -1 : 1));
  return { kind, ...Object.fromEntries(sorted) };
}

/**
 * The records of a file of such lines.
 *
 * Guarantee The last record comes only when the lines before it are those that were written: a file that is cut off or was altered ends with an error.
 * Errors    CommandFailed names the file and the line.
 */
export async function* recordsIn(
  name: string,
  chunks: AsyncIterable<Uint8Array>,
  read: (bytes: number) => void,
): AsyncGenerator<readonly unknown[], void, undefined> {
  const hash = createHash('sha256');
  let bytes = 0;
  let number = 0;
  let ended = false;
  for await (const lines of linesIn(name, chunks)) {
    const page: unknown[] = [];
    for (const line of lines) {
      number += 1;
      bytes += line.length + LINE_FEED.length;
      if (ended) throw new CommandFailed(`${name}:${number}: there is more after the last line; the file was altered`);
      const record = parsed(line, `${name}:${number}`);
      ended = record['kind'] === 'end';
      if (!ended) hash.update(line).update(LINE_FEED);
      page.push(ended ? whole(record, hash.digest('hex'), `${name}:${number}`) : record);
    }
    read(bytes);
    yield page;
  }
  if (!ended)
    throw new CommandFailed(`${name}: is cut off after ${number} lines; the last one, with their sum, is missing`);
}

function parsed(line: Buffer, place: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(line.toString('utf8'));
  } catch (error) {
    throw new CommandFailed(
      `${place}: is not JSON (${(error as Error).message}); the file is cut off, or no exact export`,
      {
        cause: error,
      },
    );
  }
  if (typeof value === 'object' && value !== null && 'kind' in value) return { ...value };
  throw new CommandFailed(`${place}: is no record of an exact export; was the file written by export --exact?`);
}

/** The last record, without the sum that proves the others. */
function whole(record: Readonly<Record<string, unknown>>, sum: string, place: string): unknown {
  const { sha256, ...end } = record;
  if (sha256 === sum) return end;
  throw new CommandFailed(`${place}: the lines before have another SHA-256 than it says; the file was altered`);
}

/** Whole lines without their ends, as they are found. */
async function* linesIn(
  name: string,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<readonly Buffer[], void, undefined> {
  let parts: Buffer[] = [];
  let held = 0;
  for await (const given of chunks) {
    const chunk = Buffer.from(given.buffer, given.byteOffset, given.byteLength);
    const lines: Buffer[] = [];
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      const rest = chunk.subarray(start, end);
      lines.push(parts.length === 0 ? rest : Buffer.concat([...parts, rest]));
      parts = [];
      held = 0;
      start = end + 1;
    }
    if (start < chunk.length) parts.push(chunk.subarray(start));
    held += chunk.length - start;
    if (held > MAX_LINE_BYTES)
      throw new CommandFailed(
        `${name}: has a line of more than ${MAX_LINE_BYTES / 1_048_576} MiB; it is no exact export`,
      );
    if (lines.length > 0) yield lines;
  }
  if (held > 0) yield [Buffer.concat(parts)];
}
