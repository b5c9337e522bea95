import { InvalidEvent } from '../errors.ts';

/** Printable ASCII without space, double quote and percent sign: what stands for itself in a header. */
const PLAIN = /^[!#$&-~]*$/;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const QUOTE = 0x22;
const PERCENT = 0x25;
const BACKSLASH = 0x5c;

/**
 * An attribute's text as an HTTP header value: percent-encoded UTF-8.
 *
 * Source    CloudEvents HTTP binding 1.0.2, 3.1.3.2
 */
export function encodeHeaderValue(text: string, attribute: string): string {
  if (PLAIN.test(text)) return text;
  if (!text.isWellFormed())
    throw new InvalidEvent({ attribute, expected: 'text without lone surrogates', found: text });
  let encoded = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    const plain = byte > 0x20 && byte < 0x7f && byte !== QUOTE && byte !== PERCENT;
    encoded += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

/**
 * The attribute's text behind an HTTP header value: double quotes and their escapes removed, then one round of percent-decoding.
 *
 * Shape     `value` as HTTP libraries give it, each character one byte. Bytes above ASCII, which no sender should send, are
 *           read as UTF-8, like the percent-encoded ones.
 * Errors    InvalidEvent for an unclosed quote, a broken percent sequence, bytes that are not UTF-8.
 * Source    CloudEvents HTTP binding 1.0.2, 3.1.3.2; RFC 9110, section 5.6.4
 */
export function decodeHeaderValue(value: string, attribute: string): string {
  if (PLAIN.test(value)) return value;
  const refuse = (expected: string) => new InvalidEvent({ attribute, expected, found: value });
  const unquoted = unquote(value);
  if (unquoted === undefined) throw refuse('a closing double quote');
  const bytes = new Uint8Array(unquoted.length);
  let length = 0;
  for (let index = 0; index < unquoted.length; index += 1) {
    let code = unquoted.charCodeAt(index);
    if (code > 0xff) throw refuse('percent-encoded UTF-8');
    if (code === PERCENT) {
      const digits = unquoted.slice(index + 1, index + 3);
      if (!/^[0-9a-f]{2}$/i.test(digits))
        throw refuse('two hexadecimal digits after each % (a percent sign itself is %25)');
      code = Number.parseInt(digits, 16);
      index += 2;
    }
    bytes[length] = code;
    length += 1;
  }
  try {
    return utf8.decode(bytes.subarray(0, length));
  } catch {
    throw refuse('percent-encoded UTF-8');
  }
}

/** Without the optional white space (spaces and tabs) around it. In time linear to the length, unlike a regular expression. */
export function trimSpace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text[start])) start += 1;
  while (end > start && isSpace(text[end - 1])) end -= 1;
  return text.slice(start, end);
}

function isSpace(character: string | undefined): boolean {
  return character === ' ' || character === '\t';
}

/** Undefined when a quote is left open. */
function unquote(value: string): string | undefined {
  if (!value.includes('"')) return value;
  let text = '';
  let quoted = false;
  for (let index = 0; index < value.length; index += 1) {
    const code = value.charCodeAt(index);
    if (code === QUOTE) {
      quoted = !quoted;
      continue;
    }
    if (quoted && code === BACKSLASH && index + 1 < value.length) index += 1;
    text += value.charAt(index);
  }
  return quoted ? undefined : text;
}
