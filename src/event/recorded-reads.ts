import type { RecordedEvent } from './event.ts';

/** What was asked of the data of an event: places by their names, and whether there was something. */
export type Reads = Map<string, boolean>;

/** What objects are asked for by the language itself. */
const OF_THE_LANGUAGE = new Set(['then', 'toJSON']);

/** An event that writes down what it is asked for below `data`. */
export function watchedEvent(event: RecordedEvent, reads: Reads): RecordedEvent {
  // A copy: of what is frozen a proxy may hand out nothing but itself.
  const data = watched(structuredClone(event.data), 'data', reads);
  return Object.create(event, { data: { get: () => data } }) as RecordedEvent;
}

function watched(value: unknown, place: string, reads: Reads): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  return new Proxy(value, {
    get(target, name) {
      const found: unknown = Reflect.get(target, name);
      if (typeof name === 'symbol' || OF_THE_LANGUAGE.has(name)) return found;
      if (Array.isArray(target)) return /^\d+$/.test(name) ? watched(found, `${place}[]`, reads) : found;
      const isOwn = Object.hasOwn(target, name);
      if (!isOwn && name in target) return found;
      const below = `${place}.${name}`;
      reads.set(below, isOwn || reads.get(below) === true);
      return watched(found, below, reads);
    },
  });
}
