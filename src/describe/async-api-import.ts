import { InvalidInput } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import { assertJson, sameJson } from '../event/json.ts';
import type { JsonValue } from '../event/json.ts';
import { isList, isObject } from '../schema/schema-parts.ts';
import type { JsonObject } from '../schema/schema-parts.ts';
import { standalone } from './from-draft-07.ts';
import { SchemaTree } from '../schema/schema-tree.ts';

/** An event type as a message of an AsyncAPI document has it. */
export interface ImportedEvent {
  readonly type: string;
  readonly version: number;
  readonly summary: string | undefined;
  /** Of JSON Schema 2020-12, with all that it refers to in it. */
  readonly jsonSchema: JsonValue;
  /** Where the document has it. */
  readonly channels: readonly string[];
  /** What was not taken over, in words. */
  readonly remarks: readonly string[];
}

interface Message {
  readonly channel: string | undefined;
  readonly key: string;
  readonly message: JsonObject;
}

const JSON_SCHEMA_2020 = /^application\/schema(?:\+json|\+yaml)?;\s*version=(?:draft[-/]?)?2020-12$/;
const DRAFT_07 =
  /^application\/(?:vnd\.aai\.asyncapi|schema)(?:\+json|\+yaml)?;\s*version=(?:[23]\.\d+\.\d+|draft-07)$/;
/** What `defineEvent` takes. */
const EVENT_TYPE = /^(?!thereupon\.)[^\s\p{Cc}]{1,255}$/u;

/**
 * The event types of an AsyncAPI 3 document: its messages, by channel; those of its components where it has no channels.
 *
 * Shape     A type is called as `x-thereupon` or the header `ce-type` says, else as the `name` of the message, else as its key. One message in
 *           several channels is one type; different messages of one name are told apart by their channel.
 * Errors    InvalidInput names the place in the document. What can be done without is a remark of the event.
 * Source    AsyncAPI 3.0.0
 */
export function eventsOfAsyncApi(document: unknown): readonly ImportedEvent[] {
  assertJson(document, 'document', 0);
  if (!isObject(document) || typeof document['asyncapi'] !== 'string')
    throw new InvalidInput({
      path: 'document',
      expected: 'an AsyncAPI document, with a member asyncapi',
      found: document,
    });
  if (!/^3\.\d+\.\d+/.test(document['asyncapi']))
    throw new InvalidInput({
      path: 'document.asyncapi',
      expected: 'a version 3.x.y (the AsyncAPI converter makes one of an older document)',
      found: document['asyncapi'],
    });
  const found: ImportedEvent[] = [];
  for (const message of messagesOf(document)) add(found, eventOf(document, message), message.channel);
  return found;
}

/** The same type again: in another channel, or another message under a name that is taken. */
function add(events: ImportedEvent[], event: ImportedEvent, channel: string | undefined): void {
  for (let attempt = 0; ; attempt += 1) {
    const qualified = channel === undefined || attempt === 0 ? event.type : `${channel}.${event.type}`;
    const type = attempt < 2 ? qualified : `${qualified}-${attempt}`;
    const index = events.findIndex((each) => each.type === type && each.version === event.version);
    const known = events[index];
    if (known === undefined) {
      events.push({ ...event, type });
      return;
    }
    if (sameJson(known.jsonSchema, event.jsonSchema)) {
      events[index] = { ...known, channels: [...new Set([...known.channels, ...event.channels])] };
      return;
    }
  }
}

function messagesOf(document: JsonObject): readonly Message[] {
  const channels = membersOf(document, document['channels'], 'channels');
  if (channels.length > 0)
    return channels.flatMap(([channel, value]) =>
      membersOf(document, value['messages'], `channels.${channel}.messages`).map(([key, message]) => ({
        channel,
        key,
        message,
      })),
    );
  const components = isObject(document['components']) ? document['components'] : {};
  return membersOf(document, components['messages'], 'components.messages').map(([key, message]) => ({
    channel: undefined,
    key,
    message,
  }));
}

/** The objects of a map, with references followed. Errors: InvalidInput names the one that is none. */
function membersOf(
  document: JsonObject,
  map: JsonValue | undefined,
  path: string,
): readonly (readonly [string, JsonObject])[] {
  const expect = (value: JsonValue, at: string) => {
    if (isObject(value)) return value;
    throw new InvalidInput({ path: `document.${at}`, expected: 'an object', found: value });
  };
  if (map === undefined) return [];
  return Object.entries(expect(map, path)).map(
    ([key, value]) => [key, expect(dereferenced(document, value, `${path}.${key}`), `${path}.${key}`)] as const,
  );
}

function dereferenced(document: JsonObject, value: JsonValue, path: string): JsonValue {
  const tree = new SchemaTree(document);
  const seen = new Set<JsonValue>();
  let at = value;
  while (isObject(at) && typeof at['$ref'] === 'string') {
    const target = seen.has(at) ? undefined : tree.find({ schema: at, base: tree.root.base });
    if (target === undefined)
      throw new InvalidInput({
        path: `document.${path}.$ref`,
        expected: 'a reference to something in this document (the AsyncAPI bundler puts several files into one)',
        found: at['$ref'],
      });
    seen.add(at);
    at = target.schema;
  }
  return at;
}

function eventOf(document: JsonObject, { channel, key, message }: Message): ImportedEvent {
  const path = channel === undefined ? `components.messages.${key}` : `channels.${channel}.messages.${key}`;
  const traits = isList(message['traits']) ? message['traits'] : [];
  const sources = [message, ...traits.map((trait, index) => dereferenced(document, trait, `${path}.traits[${index}]`))];
  const said = (name: string) => sources.map((source) => (isObject(source) ? source[name] : undefined)).find(isText);
  const own = isObject(message['x-thereupon']) ? message['x-thereupon'] : {};
  const remarks: string[] = [];
  const type = [own['type'], cloudEventType(document, sources, path), said('name'), key]
    .filter(isText)
    .find((each) => EVENT_TYPE.test(each));
  // The titles of documents of ours are the types.
  const summary = said('summary') ?? (isText(own['type']) ? undefined : said('title'));
  return {
    type: type ?? typeFrom(key),
    version: Number.isInteger(own['version']) && Number(own['version']) > 0 ? Number(own['version']) : 1,
    summary,
    jsonSchema: payloadSchema(document, message['payload'], path, remarks),
    channels: channel === undefined ? [] : [channel],
    remarks,
  };
}

/** What the header of CloudEvents in binary mode has to be, where the document says it. */
function cloudEventType(document: JsonObject, sources: readonly JsonValue[], path: string): JsonValue | undefined {
  for (const source of sources) {
    const given = isObject(source) ? source['headers'] : undefined;
    const headers = given === undefined ? undefined : dereferenced(document, given, `${path}.headers`);
    const properties = isObject(headers) ? headers['properties'] : undefined;
    const type = isObject(properties) ? (properties['ce-type'] ?? properties['ce_type']) : undefined;
    if (isObject(type) && isText(type['const'])) return type['const'];
  }
  return undefined;
}

function payloadSchema(
  document: JsonObject,
  payload: JsonValue | undefined,
  path: string,
  remarks: string[],
): JsonValue {
  if (payload === undefined) {
    remarks.push('the message has no payload in the document: any data is taken');
    return true;
  }
  if (isObject(payload) && isText(payload['$ref']) && !payload['$ref'].startsWith('#')) {
    remarks.push(`its payload is in ${payload['$ref']}, which is not read: any data is taken`);
    return true;
  }
  const target = dereferenced(document, payload, `${path}.payload`);
  const named = isObject(target) && target['schema'] !== undefined ? target['schemaFormat'] : undefined;
  const format = isText(named) ? named : undefined;
  const is2020 = format !== undefined && JSON_SCHEMA_2020.test(format);
  if (format !== undefined && !is2020 && !DRAFT_07.test(format)) {
    remarks.push(`its payload is described in ${format}, which is not read: any data is taken`);
    return true;
  }
  return standalone(document, format === undefined || !isObject(target) ? payload : (target['schema'] ?? true), {
    isDraft07: !is2020,
    lost: (reference) =>
      remarks.push(`${describeValue(reference)} is not in the document: what it describes may be anything`),
  });
}

function isText(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && value !== '';
}

function typeFrom(key: string): string {
  const type = key.replaceAll(/[\s\p{Cc}]+/gu, '-').slice(0, 255);
  return EVENT_TYPE.test(type) ? type : `imported.${type}`.slice(0, 255);
}
