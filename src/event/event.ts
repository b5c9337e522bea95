import type { JsonValue } from './json.ts';
import type { OPENING, Opening } from './opening.ts';
import type { Position } from './position.ts';

/** CloudEvents attributes hold strings, integers and booleans; binary, URI and timestamp travel as strings. */
export type AttributeValue = string | number | boolean;

/** How the data of an event is kept: as JSON text, as plain text, as base64 of bytes, or not at all. */
export type DataEncoding = 'json' | 'text' | 'base64' | 'none';

/** Attributes of the design's table that few events carry, and every extension attribute that a producer invented. */
export interface RareAttributes {
  readonly datacontenttype?: string;
  readonly dataschema?: string;
  readonly sequence?: string;
  readonly partitionkey?: string;
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly expirytime?: string;
  /** How many reactions lie between this event and the first of its chain (G12). Absent means 0. */
  readonly causationdepth?: number;
  readonly [extension: string]: AttributeValue | undefined;
}

/**
 * An event ready to be appended: complete, checked, its data encoded. What a backend stores.
 *
 * Shape     `data` is the text for `encoding`; null when there is none. `time` is RFC 3339 as its producer wrote it.
 */
export interface EncodedEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly schemaVersion: number;
  readonly stream: string;
  readonly subject: string | undefined;
  readonly time: string;
  readonly correlationid: string;
  readonly causationid: string | undefined;
  readonly encoding: DataEncoding;
  readonly data: string | null;
  readonly attributes: RareAttributes | undefined;
  /** How its sealed values are read, where it has some and that is known. Not stored. */
  readonly [OPENING]?: Opening | undefined;
}

/** An encoded event with its place in the log: what a backend reads back. */
export interface StoredEvent extends EncodedEvent {
  readonly position: Position;
  readonly version: number;
  /** Milliseconds since 1970; never less than that of an earlier position. */
  readonly recordedMs: number;
}

/**
 * A fact as every reader gets it. Frozen through and through.
 *
 * Shape     `data` is parsed when first touched: JSON as its value, text as a string, binary as bytes (anew each time, for they cannot be
 *           frozen), `undefined` when there is none.
 */
export interface RecordedEvent<Type extends string = string, Data = unknown> {
  readonly id: string;
  readonly source: string;
  readonly type: Type;
  readonly schemaVersion: number;
  readonly subject: string | undefined;
  /** Event time, RFC 3339, as the producer says. */
  readonly time: string;
  /** When the log made it durable, RFC 3339 in UTC with milliseconds. */
  readonly recordedtime: string;
  readonly recordedMs: number;
  readonly correlationid: string;
  readonly causationid: string | undefined;
  readonly datacontenttype: string | undefined;
  readonly dataschema: string | undefined;
  readonly sequence: string | undefined;
  readonly partitionkey: string | undefined;
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;
  readonly expirytime: string | undefined;
  readonly causationdepth: number;
  /** Extension attributes that are not in this list. */
  readonly extensions: Readonly<Record<string, AttributeValue>>;
  readonly stream: string;
  readonly version: number;
  readonly position: Position;
  readonly data: Data;
  /** The event as it is stored: for codecs and exports. */
  readonly stored: StoredEvent;
  /** A context attribute or the data by its CloudEvents name; what content filters look at. */
  attribute(name: string): unknown;
  /** The CloudEvents JSON format, with `stream`, `version`, `position` beside the attributes. */
  toJSON(): Record<string, JsonValue>;
}
