import { createHash } from 'node:crypto';
import { InvalidDefinition, InvalidInput } from '../errors.ts';
import type { RecordedEvent } from '../event/event.ts';
import { asForgotten } from '../event/upcast-event.ts';
import { position } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { MAX_KEY_LENGTH } from '../event/stream-name.ts';
import type { LaneKey } from './lanes.ts';

/** The default ordering key: `partitionkey` where the event has one, else its stream. */
export function orderingKey(event: RecordedEvent): string {
  return event.partitionkey ?? event.stream;
}

/** In a queue every event is a key of its own. */
export function queueKey(event: RecordedEvent): string {
  return `#${event.position}`;
}

/** By which key a store can find the events of lanes; undefined: only the program knows the keys. */
export function laneKeyOf(keyOf: (event: RecordedEvent) => string): LaneKey | undefined {
  if (keyOf === orderingKey) return 'ordering-key';
  return keyOf === queueKey ? 'position' : undefined;
}

/** Stores keep text as UTF-8, where two keys with lone surrogates would become one, and keys in indexes, where long ones do not fit. */
export function isKey(key: unknown): key is string {
  return typeof key === 'string' && key.length <= MAX_KEY_LENGTH && key.isWellFormed();
}

/** The key of an event; where it has none that can be kept, its stream, and why. */
export function keyFor(
  { keyOf }: { readonly keyOf: (event: RecordedEvent) => string },
  event: RecordedEvent,
): { readonly key: string; readonly error: unknown } {
  try {
    const key: unknown = keyOf(event);
    if (isKey(key)) {
      if (isKept(keyOf, event, key)) return { key, error: undefined };
      return { key: event.stream, error: new InvalidDefinition('key', PERSONAL_KEY) };
    }
    const expected = `a string of at most ${MAX_KEY_LENGTH} characters, without lone surrogates`;
    return { key: event.stream, error: new InvalidInput({ path: 'key', expected, found: key }) };
  } catch (error) {
    return { key: event.stream, error: error ?? new Error('the key function threw nothing') };
  }
}

/** Keys are stored as they are, and an event has to have the same one when its person is forgotten. */
const PERSONAL_KEY = 'its function reads a personal field, and keys stay readable; make it of something else';

/** Which function was found to make the key of an event of nothing that is personal. */
const keptBy = new WeakMap<RecordedEvent, (event: RecordedEvent) => string>();

function isKept(keyOf: (event: RecordedEvent) => string, event: RecordedEvent, key: string): boolean {
  if (keyOf === orderingKey || keyOf === queueKey || keptBy.get(event) === keyOf) return true;
  const forgotten = asForgotten(event);
  if (forgotten === undefined) return true;
  try {
    if (keyOf(forgotten) !== key) return false;
  } catch {
    return false;
  }
  keptBy.set(event, keyOf);
  return true;
}

/** A place in no log, before all events, for what is to be handled of a key of which there is no event: always the same one, and no other key's. */
export function placeOfKey(key: string): Position {
  const digest = createHash('sha256').update(key).digest();
  return position(-1 - digest.readUIntBE(0, 6));
}

/** A name for a way of making keys: of one that a program gives, the digest of its text. What that text refers to is not seen. */
export function keyedBy(keyOf: ((event: never) => string | undefined) | undefined): string {
  if (keyOf === undefined || keyOf === orderingKey) return 'ordering-key';
  if (keyOf === queueKey) return 'position';
  return createHash('sha256').update(String(keyOf).replaceAll(/\s+/g, '')).digest('hex').slice(0, 16);
}
