import { LINE_FEED, afterByteOrderMark } from './raw-rows.ts';
import type { FindRowEnd } from './raw-rows.ts';

const QUOTE = 0x22;
const CARRIAGE_RETURN = 0x0d;

/**
 * Rows of comma-separated values.
 *
 * Shape     A field that begins with `"` ends with the next `"` that is not doubled, and may hold delimiters and line breaks; a quote
 *           inside a field that does not begin with one is a character like others. Lines end with LF or CR LF.
 * Source    RFC 4180. Not csv-parse: after a misplaced quote it goes on in the middle of things and loses the next rows without
 *           naming them; here every row that is left out is named.
 */
export function csvRowEnd(delimiter: string): FindRowEnd {
  const separator = delimiter.charCodeAt(0);
  return (buffer, start, final) => {
    let lines = 1;
    let fieldBegins = true;
    for (let index = afterByteOrderMark(buffer, start); index < buffer.length; index += 1) {
      const byte = buffer[index];
      if (byte === LINE_FEED) return { end: index + 1, lines };
      if (byte !== QUOTE || !fieldBegins) {
        fieldBegins = byte === separator;
        continue;
      }
      const closed = closingQuote(buffer, index + 1);
      if (closed === undefined) return final ? 'a quote is opened and never closed' : undefined;
      lines += closed.lines;
      index = closed.index;
      const next = buffer[index + 1];
      if (next === undefined && !final) return undefined;
      if (next !== undefined && next !== separator && next !== LINE_FEED && next !== CARRIAGE_RETURN) {
        return 'a quote is closed in the middle of a field; inside quotes a quote is written twice';
      }
      fieldBegins = false;
    }
    return final ? { end: buffer.length, lines } : undefined;
  };
}

/** The quote that is not doubled, and the line breaks before it. */
function closingQuote(buffer: Buffer, start: number): { index: number; lines: number } | undefined {
  let lines = 0;
  for (let index = start; index < buffer.length; index += 1) {
    if (buffer[index] === LINE_FEED) lines += 1;
    if (buffer[index] !== QUOTE) continue;
    if (index + 1 === buffer.length) return { index, lines };
    if (buffer[index + 1] !== QUOTE) return { index, lines };
    index += 1;
  }
  return undefined;
}

/** The fields of one row, without its line break. */
export function csvFields(text: string, delimiter: string): string[] {
  if (!text.includes('"')) return text.split(delimiter);
  const fields: string[] = [];
  for (let start = 0; start <= text.length;) {
    if (text[start] !== '"') {
      const end = text.indexOf(delimiter, start);
      fields.push(text.slice(start, end === -1 ? text.length : end));
      if (end === -1) break;
      start = end + 1;
      continue;
    }
    let end = text.indexOf('"', start + 1);
    while (end !== -1 && text[end + 1] === '"') end = text.indexOf('"', end + 2);
    fields.push(text.slice(start + 1, end).replaceAll('""', '"'));
    if (text[end + 1] !== delimiter) break;
    start = end + 2;
  }
  return fields;
}
