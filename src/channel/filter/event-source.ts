/**
 * How a filter reads an event: the event itself, or a function that reads one field of it by its first name.
 *
 * Shape Either any JSON-like object, or `(name) => value`, which lets `data` be parsed only when a pattern asks for it.
 *       Fields of the root are asked for one name at a time, so a function never sees a name joined with dots.
 */
export type EventSource = object | ((name: string) => unknown);

/** Reads one field of the root. */
export function readRoot(source: EventSource, name: string): unknown {
  return typeof source === 'function' ? (source as (name: string) => unknown)(name) : readField(source, name);
}

/** Reads an own field; an inherited one, such as `constructor`, is absent. */
export function readField(object: object, name: string): unknown {
  const value = (object as Readonly<Record<string, unknown>>)[name];
  return value === undefined || Object.hasOwn(object, name) ? value : undefined;
}
