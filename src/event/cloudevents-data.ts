import { InvalidEvent } from '../errors.ts';
import type { Payload } from './cloudevents-incoming.ts';
import type { MediaType } from './cloudevents-media-type.ts';
import { isJsonType, isTextType, isUtf8 } from './cloudevents-media-type.ts';
import type { JsonValue } from './json.ts';
import { MAX_JSON_DEPTH } from './json.ts';

/** A byte order mark before JSON is skipped (RFC 8259, 8.1); in text it is part of the text. */
const jsonDecoder = new TextDecoder('utf-8', { fatal: true });
const textDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export type ParsedJson =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly reason: string };

/** JSON from UTF-8. Of members with one name the last counts. Nesting is not limited here, and does not overflow the stack. */
export function parseJsonBytes(bytes: Uint8Array): ParsedJson {
  if (bytes.length === 0) return { ok: false, reason: 'nothing' };
  try {
    return { ok: true, value: JSON.parse(jsonDecoder.decode(bytes)) as unknown };
  } catch (error) {
    if (error instanceof SyntaxError) return { ok: false, reason: error.message };
    return { ok: false, reason: 'bytes that are not UTF-8' };
  }
}

/**
 * The payload that bytes stand for under a content type: a JSON value, text, or else the bytes.
 *
 * Shape     `declared`: undefined when the event names no content type, then the bytes stay bytes.
 * Guarantee One event has one payload, whether its data came as an HTTP body or as `data_base64`. Nothing is lost: text that is
 *           not UTF-8 stays bytes.
 * Errors    InvalidEvent when bytes declared as JSON are no JSON in UTF-8.
 * Source    CloudEvents JSON format 3.1.2; HTTP binding 2.2
 */
export function interpretBytes(bytes: Uint8Array, declared: MediaType | undefined, attribute: string): Payload {
  if (declared !== undefined && bytes.length > 0) {
    if (isJsonType(declared)) return interpretJson(bytes, declared, attribute);
    if (isTextType(declared)) {
      try {
        return { encoding: 'text', data: textDecoder.decode(bytes) };
      } catch {
        // Not UTF-8, whatever it says: kept as bytes.
      }
    }
  }
  return { encoding: 'base64', data: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64') };
}

function interpretJson(bytes: Uint8Array, declared: MediaType, attribute: string): Payload {
  if (declared.charset !== undefined && !isUtf8(declared.charset)) {
    throw new InvalidEvent({ attribute, expected: 'JSON in UTF-8', found: `charset=${declared.charset}` });
  }
  const parsed = parseJsonBytes(bytes);
  if (!parsed.ok)
    throw new InvalidEvent({
      attribute,
      expected: `JSON, as the content type ${declared.essence} says`,
      found: parsed.reason,
    });
  return { encoding: 'json', data: checkedJson(parsed.value, attribute) };
}

/** Base64 with the standard alphabet and padding, in canonical form, so that equal bytes are equal text. Source: RFC 4648, 4. */
export function decodeBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

/**
 * A parsed JSON value that can be kept: numbers finite, nesting bounded.
 *
 * Errors    InvalidEvent names the place, `data.items[3].price`.
 */
export function checkedJson(value: unknown, path: string): JsonValue {
  assertKeepable(value, path, 0);
  return value as JsonValue;
}

function assertKeepable(value: unknown, path: string, depth: number): void {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new InvalidEvent({
      attribute: shorten(path),
      expected: 'a number within the range of a 64-bit float',
      found: value,
    });
  }
  if (typeof value !== 'object' || value === null) return;
  if (depth >= MAX_JSON_DEPTH) {
    throw new InvalidEvent({
      attribute: shorten(path),
      expected: `at most ${MAX_JSON_DEPTH} levels of nesting`,
      found: value,
    });
  }
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      const item: unknown = value[index];
      if (needsCheck(item)) assertKeepable(item, `${path}[${index}]`, depth + 1);
    }
    return;
  }
  for (const [member, child] of Object.entries(value)) {
    if (needsCheck(child)) assertKeepable(child, `${path}.${member}`, depth + 1);
  }
}

/** A path is as long as the data is deep and its names are long. */
function shorten(path: string): string {
  return path.length > 120 ? `${path.slice(0, 117)}...` : path;
}

/** Spares the path of every harmless leaf. */
function needsCheck(value: unknown): boolean {
  return typeof value === 'object' || (typeof value === 'number' && !Number.isFinite(value));
}
