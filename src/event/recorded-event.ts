import { inspect } from 'node:util';
import { isoTime } from '../system/clock.ts';
import type { AttributeValue, DataEncoding, RecordedEvent, StoredEvent } from './event.ts';
import type { JsonValue } from './json.ts';
import { deepFreeze } from './json.ts';
import { OPENING } from './opening.ts';
import type { Position } from './position.ts';
import { categoryOf } from './stream-name.ts';

const NONE: Readonly<Record<string, AttributeValue>> = Object.freeze({});
/** Marks data that was not parsed yet; `undefined` is a value that data can have. */
const UNPARSED: unique symbol = Symbol('unparsed');
const NAMED = new Set([
  'datacontenttype',
  'dataschema',
  'sequence',
  'partitionkey',
  'traceparent',
  'tracestate',
  'expirytime',
  'causationdepth',
]);

/** The readers' view of a stored event. Reading 200,000 of them a second is possible because nothing is converted before it is asked for. */
class LazyRecordedEvent implements RecordedEvent {
  readonly stored: StoredEvent;
  #data: unknown = UNPARSED;

  constructor(stored: StoredEvent) {
    this.stored = stored;
  }

  get id(): string {
    return this.stored.id;
  }
  get source(): string {
    return this.stored.source;
  }
  get type(): string {
    return this.stored.type;
  }
  get schemaVersion(): number {
    return this.stored.schemaVersion;
  }
  get subject(): string | undefined {
    return this.stored.subject;
  }
  get time(): string {
    return this.stored.time;
  }
  get recordedtime(): string {
    return isoTime(this.stored.recordedMs);
  }
  get recordedMs(): number {
    return this.stored.recordedMs;
  }
  get correlationid(): string {
    return this.stored.correlationid;
  }
  get causationid(): string | undefined {
    return this.stored.causationid;
  }
  get datacontenttype(): string | undefined {
    const given = this.stored.attributes?.datacontenttype;
    return given ?? defaultContentType(this.stored.encoding);
  }
  get dataschema(): string | undefined {
    return (
      this.stored.attributes?.dataschema ??
      (this.stored.schemaVersion > 0 ? schemaUri(this.stored.type, this.stored.schemaVersion) : undefined)
    );
  }
  get sequence(): string | undefined {
    return this.stored.attributes?.sequence;
  }
  get partitionkey(): string | undefined {
    return this.stored.attributes?.partitionkey;
  }
  get traceparent(): string | undefined {
    return this.stored.attributes?.traceparent;
  }
  get tracestate(): string | undefined {
    return this.stored.attributes?.tracestate;
  }
  get expirytime(): string | undefined {
    return this.stored.attributes?.expirytime;
  }
  get causationdepth(): number {
    return this.stored.attributes?.causationdepth ?? 0;
  }
  get extensions(): Readonly<Record<string, AttributeValue>> {
    const attributes = this.stored.attributes;
    if (attributes === undefined) return NONE;
    const found = Object.entries(attributes).filter(
      (entry): entry is [string, AttributeValue] => entry[1] !== undefined && !NAMED.has(entry[0]),
    );
    return found.length === 0 ? NONE : Object.freeze(Object.fromEntries(found));
  }
  get stream(): string {
    return this.stored.stream;
  }
  get version(): number {
    return this.stored.version;
  }
  get position(): Position {
    return this.stored.position;
  }
  get data(): unknown {
    if (this.#data === UNPARSED) {
      const data = parseData(this.stored);
      // Bytes cannot be frozen: every reader gets its own.
      if (data instanceof Uint8Array) return data;
      this.#data = data;
    }
    return this.#data;
  }

  attribute(name: string): unknown {
    switch (name) {
      case 'data':
        return this.data;
      case 'specversion':
        return '1.0';
      case 'id':
      case 'source':
      case 'type':
      case 'subject':
      case 'time':
      case 'correlationid':
      case 'causationid':
      case 'stream':
      case 'version':
      case 'position':
        return this.stored[name];
      case 'recordedtime':
        return this.recordedtime;
      case 'datacontenttype':
        return this.datacontenttype;
      case 'dataschema':
        return this.dataschema;
      case 'category':
        return categoryOf(this.stored.stream);
      default: {
        const attributes = this.stored.attributes;
        return attributes !== undefined && Object.hasOwn(attributes, name) ? attributes[name] : undefined;
      }
    }
  }

  toJSON(): Record<string, JsonValue> {
    const { stored } = this;
    const json: Record<string, JsonValue> = {
      specversion: '1.0',
      id: stored.id,
      source: stored.source,
      type: stored.type,
    };
    if (stored.subject !== undefined) json['subject'] = stored.subject;
    json['time'] = stored.time;
    json['recordedtime'] = this.recordedtime;
    json['correlationid'] = stored.correlationid;
    if (stored.causationid !== undefined) json['causationid'] = stored.causationid;
    for (const [name, value] of Object.entries(stored.attributes ?? {})) if (value !== undefined) json[name] = value;
    if (this.datacontenttype !== undefined) json['datacontenttype'] = this.datacontenttype;
    if (this.dataschema !== undefined) json['dataschema'] = this.dataschema;
    json['stream'] = stored.stream;
    json['version'] = stored.version;
    json['position'] = stored.position;
    if (stored.encoding === 'base64') json['data_base64'] = stored.data ?? '';
    else if (stored.encoding !== 'none') json['data'] = this.data as JsonValue;
    return json;
  }

  [inspect.custom](): unknown {
    return this.toJSON();
  }
}

/** A stored event as readers see it. */
export function recordedEvent(stored: StoredEvent): RecordedEvent {
  return new LazyRecordedEvent(stored);
}

/** What the data of an event is that says nothing else. */
export function defaultContentType(encoding: DataEncoding): string | undefined {
  if (encoding === 'json') return 'application/json';
  return encoding === 'text' ? 'text/plain' : undefined;
}

/** The `dataschema` of events whose schema this system knows. */
export function schemaUri(type: string, version: number): string {
  return `urn:thereupon:schema:${encodeURIComponent(type)}:${version}`;
}

function parseData(stored: StoredEvent): unknown {
  if (stored.data === null) return undefined;
  switch (stored.encoding) {
    case 'json': {
      const opening = stored[OPENING];
      return deepFreeze(opening === undefined ? JSON.parse(stored.data) : opening.dataOf(stored));
    }
    case 'text':
      return stored.data;
    case 'base64':
      return new Uint8Array(Buffer.from(stored.data, 'base64'));
    case 'none':
      return undefined;
  }
}
