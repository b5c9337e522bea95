import { InvalidInput, SealedDataInvalid, UpcastFailed } from '../errors.ts';
import type { EventDefinition } from './define-event.ts';
import { lateOf, retractionOf } from './derived-definitions.ts';
import type { DataEncoding, RareAttributes, RecordedEvent, StoredEvent } from './event.ts';
import { encodeJson } from './json.ts';
import { OPENING } from './opening.ts';
import type { Opening } from './opening.ts';
import type { Position } from './position.ts';
import { recordedEvent } from './recorded-event.ts';
import { mayHoldSealed } from './sealed-value.ts';
import { EventHead } from './event-head.ts';
import { upcastingUpTo } from './upcasters.ts';
import type { Upcasting } from './upcasters.ts';

/** Which types are read in another version than they may be stored in. */
export type UpcastingTypes = ReadonlyMap<string, Upcasting>;

/**
 * A stored event in the version in which the program reads it. Its data is made when it is first touched, and is made once.
 *
 * Shape     Own properties only, so that a copy by `...` is a stored event of the new version.
 */
class UpcastStored extends EventHead implements StoredEvent {
  readonly schemaVersion: number;
  readonly encoding: DataEncoding = 'json';
  readonly attributes: RareAttributes | undefined;
  readonly position: Position;
  readonly version: number;
  readonly recordedMs: number;
  declare readonly data: string | null;
  readonly #original: StoredEvent;
  readonly #upcasting: Upcasting;
  #made: { readonly data: string } | { readonly failure: UpcastFailed } | undefined;

  constructor(original: StoredEvent, upcasting: Upcasting) {
    super(original);
    this.schemaVersion = upcasting.version;
    this.attributes = attributesOf(original);
    this.position = original.position;
    this.version = original.version;
    this.recordedMs = original.recordedMs;
    this.#original = original;
    this.#upcasting = upcasting;
    Object.defineProperty(this, 'data', { enumerable: true, get: () => this.#data() });
  }

  static is(stored: StoredEvent): stored is UpcastStored {
    return #original in stored;
  }

  static originalOf(stored: UpcastStored): StoredEvent {
    return stored.#original;
  }

  static upcastingOf(stored: UpcastStored): Upcasting {
    return stored.#upcasting;
  }

  /** Undefined: it has data. */
  static failureOf(stored: UpcastStored): UpcastFailed | undefined {
    const made = stored.#make();
    return 'failure' in made ? made.failure : undefined;
  }

  #data(): string {
    const made = this.#make();
    if ('failure' in made) throw made.failure;
    return made.data;
  }

  #make(): { readonly data: string } | { readonly failure: UpcastFailed } {
    if (this.#made !== undefined) return this.#made;
    const { type, schemaVersion: from, position } = this.#original;
    try {
      const data = this.#upcasting.upcast(recordedEvent(this.#original).data, from);
      this.#made = { data: encodeJson(data, 'data') };
    } catch (cause) {
      this.#made = { failure: new UpcastFailed({ type, from, to: this.schemaVersion, position }, { cause }) };
    }
    return this.#made;
  }
}

/** A schema that the event names itself is that of its old data, and so is a content type that is not JSON. */
function attributesOf({ attributes, encoding }: StoredEvent): RareAttributes | undefined {
  if (attributes === undefined) return undefined;
  const { dataschema: _schema, datacontenttype, ...others } = attributes;
  return encoding === 'json' && datacontenttype !== undefined ? { ...others, datacontenttype } : others;
}

/** What reads events of these definitions, and what is told of them, in their versions. */
export function upcastingTypes(definitions: readonly EventDefinition[]): UpcastingTypes {
  const current = new Map<string, EventDefinition>();
  for (const definition of definitions)
    if ((current.get(definition.type)?.version ?? 0) < definition.version) current.set(definition.type, definition);
  const types = new Map<string, Upcasting>();
  for (const definition of current.values()) {
    if (definition.upcasting === undefined) continue;
    // Retractions and late events carry the data of their event.
    for (const { type } of [definition, retractionOf(definition), lateOf(definition)])
      types.set(type, definition.upcasting);
  }
  return types;
}

/** A stored event in the version in which the program reads it: the same one where that is its own. */
export function upcastStored(stored: StoredEvent, types: UpcastingTypes): StoredEvent {
  const upcasting = types.get(stored.type);
  // Version 0: no schema was known when it was recorded.
  if (upcasting === undefined || stored.schemaVersion >= upcasting.version || stored.schemaVersion < 1) return stored;
  return new UpcastStored(stored, upcasting);
}

/** Makes an event that was kept in a state what it was: `opening` reads what is sealed in it. */
export type Revive = (stored: StoredEvent, opening?: Opening) => StoredEvent;

/** Brings events that were kept in states to the versions of these definitions: a program with newer ones may go on with the states of an older one. */
export function revivedBy(definitions: readonly EventDefinition[]): Revive {
  const types = upcastingTypes(definitions);
  return (stored, opening) => {
    const isSealed = opening !== undefined && stored.data !== null && mayHoldSealed(stored.data);
    const opened = isSealed ? { ...stored, [OPENING]: opening } : stored;
    return types.size === 0 ? opened : upcastStored(opened, types);
  };
}

/** A stored event as a state keeps it: what is sealed in it stays so, in the version of then. */
export function keptInState(stored: StoredEvent): StoredEvent {
  if (UpcastStored.is(stored)) {
    const original = UpcastStored.originalOf(stored);
    return original[OPENING] === undefined ? stored : keptInState(original);
  }
  if (stored[OPENING] === undefined) return stored;
  const { [OPENING]: _opening, ...sealed } = stored;
  return sealed;
}

/** As `upcastStored`, for an event as it is read. */
export function upcastEvent(event: RecordedEvent, types: UpcastingTypes): RecordedEvent {
  const stored = upcastStored(event.stored, types);
  return stored === event.stored ? event : recordedEvent(stored);
}

/** The event in the version in which it is stored. */
export function asStored(event: RecordedEvent): RecordedEvent {
  const { stored } = event;
  return UpcastStored.is(stored) ? recordedEvent(UpcastStored.originalOf(stored)) : event;
}

/**
 * The event in a version of its type from that in which it is stored to that which the program reads.
 *
 * Errors    InvalidInput (`schema-version`) for another one: there are ways up, and none down.
 */
export function asVersion(event: RecordedEvent, version: number): RecordedEvent {
  const original = asStored(event);
  const { stored } = original;
  const upcasting = UpcastStored.is(event.stored) ? UpcastStored.upcastingOf(event.stored) : undefined;
  const current = upcasting?.version ?? stored.schemaVersion;
  if (version === stored.schemaVersion) return original;
  if (version === current) return event;
  if (upcasting !== undefined && version > stored.schemaVersion && version < current)
    return recordedEvent(new UpcastStored(stored, upcastingUpTo(`event ${event.type}`, upcasting, version)));
  const known =
    current === stored.schemaVersion ? `version ${current}` : `a version from ${stored.schemaVersion} to ${current}`;
  throw new InvalidInput({
    path: 'schema-version',
    expected: `${known} of ${event.type}, in which event ${event.id} at position ${event.position} is stored and read: upcasters lead up, and never down`,
    found: version,
  });
}

/** The event as it is stored: what is sealed in its data stays so, in the schema version of then. One without such values is what it was. */
export function asSealed(event: RecordedEvent): RecordedEvent {
  const { stored } = asStored(event);
  return stored[OPENING] === undefined ? event : recordedEvent({ ...stored, [OPENING]: undefined });
}

/** The event as it reads when the people that it is about are forgotten; undefined: nothing is sealed in it. */
export function asForgotten(event: RecordedEvent): RecordedEvent | undefined {
  const { stored } = event;
  const original = asStored(event).stored;
  const opening = original[OPENING];
  if (opening === undefined) return undefined;
  const erased: StoredEvent = { ...original, [OPENING]: opening.erased };
  return recordedEvent(UpcastStored.is(stored) ? new UpcastStored(erased, UpcastStored.upcastingOf(stored)) : erased);
}

/** Why the data of an event cannot be read in the version of the program; undefined: it can. Throws nothing. */
export function whyUnreadable(event: RecordedEvent): UpcastFailed | SealedDataInvalid | undefined {
  const { stored } = event;
  if (UpcastStored.is(stored)) return UpcastStored.failureOf(stored);
  return stored[OPENING] === undefined ? undefined : whyNotOpened(event);
}

/** Why an event cannot be brought to the version of the program; undefined: it can. Opens nothing that is sealed in it if it needs not. */
export function whyNotUpcast({ stored }: RecordedEvent): UpcastFailed | undefined {
  return UpcastStored.is(stored) ? UpcastStored.failureOf(stored) : undefined;
}

function whyNotOpened(event: RecordedEvent): SealedDataInvalid | undefined {
  try {
    void event.data;
    return undefined;
  } catch (error) {
    if (error instanceof SealedDataInvalid) return error;
    throw error;
  }
}

/** An event whose data cannot be read, as it can be shown: as it is stored, and sealed where that is what is wrong. */
export function shownUnread(event: RecordedEvent): RecordedEvent {
  const stored = asStored(event);
  return whyUnreadable(stored) === undefined ? stored : asSealed(stored);
}

/** The text of an event's data as it is stored, in whatever version: for its size. */
export function storedText({ stored }: RecordedEvent): string | null {
  return UpcastStored.is(stored) ? UpcastStored.originalOf(stored).data : stored.data;
}

/** The event, with other data of a version; default: of the one that it is stored in. `opening`: reads what is sealed in that. */
export function withDataOf(
  event: RecordedEvent,
  data: string,
  { version, opening }: { readonly version: number | undefined; readonly opening: Opening | undefined },
): RecordedEvent {
  const { stored } = event;
  const other = { encoding: 'json', data, [OPENING]: opening } as const;
  if (!UpcastStored.is(stored)) return recordedEvent({ ...stored, ...other });
  const original = UpcastStored.originalOf(stored);
  const schemaVersion = version ?? original.schemaVersion;
  const upcasting = UpcastStored.upcastingOf(stored);
  const changed: StoredEvent = { ...original, ...other, schemaVersion };
  return recordedEvent(schemaVersion < upcasting.version ? new UpcastStored(changed, upcasting) : changed);
}
