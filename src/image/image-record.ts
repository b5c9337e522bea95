import { LINK_KINDS } from '../channel/log-chain.ts';
import type { LinkKind } from '../channel/log-chain.ts';
import type {
  Begun,
  BuildFailure,
  BuildForm,
  Checkpoint,
  ConsumerForm,
  KeptStates,
  MissedEvents,
  Pause,
} from '../consumer/checkpoint-store.ts';
import type { DeliveryState, Edited, FailedPart, StoredError, TakenAt } from '../consumer/delivery-store.ts';
import { LANES } from '../consumer/lanes.ts';
import { InvalidInput } from '../errors.ts';
import type { InvalidDataPolicy } from '../event/define-event.ts';
import type { AttributeValue, DataEncoding, EncodedEvent, RareAttributes } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import type { OPENING } from '../event/opening.ts';
import { position } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { CONTENT_KINDS } from './store-image.ts';
import type { ContentKind, ImageCounts, ImageKind, RecordOf } from './store-image.ts';

const BASE64 = /^(?:[A-Za-z\d+\/]{4})*(?:[A-Za-z\d+\/]{2}==|[A-Za-z\d+\/]{3}=)?$/v;

/** Answers the value, whole and of its type. Errors: InvalidInput names the place. */
type Read<Value> = (value: unknown, path: string) => Value;

function is<Value>(expected: string, holds: (value: unknown) => boolean): Read<Value> {
  return (value, path) => {
    if (holds(value)) return value as Value;
    throw new InvalidInput({ path, expected, found: value });
  };
}

const text = is<string>('text', (value) => typeof value === 'string');
const bytes = is<string>('bytes as base64', (value) => typeof value === 'string' && BASE64.test(value));
const flag = is<boolean>('true or false', (value) => typeof value === 'boolean');
const yes = is<true>('true', (value) => value === true);
const integer = is<number>('a whole number', Number.isSafeInteger);
const count = is<number>('a whole number from 0', (value) => Number.isSafeInteger(value) && (value as number) >= 0);
const finite = is<number>('a number', Number.isFinite);
const place: Read<Position> = (value, path) => position(count(value, path));
/** Also of what is no event. */
const anyPlace: Read<Position> = (value, path) => position(integer(value, path));
const lane = is<number>(
  `a lane, 0 to ${LANES - 1}`,
  (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) < LANES,
);
const json: Read<JsonValue> = is('a JSON value', (value) => value !== undefined);
const scalar = is<AttributeValue>('text, a number or a boolean', (value) =>
  ['string', 'number', 'boolean'].includes(typeof value),
);
const indexValue = is<AttributeValue | null>(
  'text, a number, a boolean or null',
  (value) => value === null || ['string', 'number', 'boolean'].includes(typeof value),
);

function oneOf<Value extends string>(...values: readonly Value[]): Read<Value> {
  return is(`one of ${values.join(', ')}`, (value) => (values as readonly unknown[]).includes(value));
}

function optional<Value>(read: Read<Value>): Read<Value | undefined> {
  return (value, path) => (value === undefined ? undefined : read(value, path));
}

function orNone(read: Read<number>): Read<number> {
  return (value, path) => (value === undefined ? 0 : read(value, path));
}

function orNull<Value>(read: Read<Value>): Read<Value | null> {
  return (value, path) => (value === null ? null : read(value, path));
}

function listOf<Item>(read: Read<Item>): Read<readonly Item[]> {
  return (value, path) => {
    if (!Array.isArray(value)) throw new InvalidInput({ path, expected: 'a list', found: value });
    return value.map((item, index) => read(item, `${path}[${index}]`));
  };
}

/** An object with whatever members, each of one kind. */
function mapOf<Value>(read: Read<Value>): Read<Readonly<Record<string, Value>>> {
  return (value, path) => {
    assertObject(value, path);
    for (const [name, member] of Object.entries(value)) if (member !== undefined) read(member, `${path}.${name}`);
    return value as Readonly<Record<string, Value>>;
  };
}

/** An object with these members and no others. */
/** What of it is stored. */
type NamesOf<Value> = Exclude<keyof Value, symbol>;

function objectOf<Value extends object>(members: {
  readonly [Name in NamesOf<Value>]-?: Read<Value[Name]>;
}): Read<Value> {
  const known = Object.entries(members) as [string, Read<unknown>][];
  return (value, path) => {
    assertObject(value, path);
    const whole: Record<string, unknown> = {};
    for (const [name, read] of known) whole[name] = read(value[name], `${path}.${name}`);
    for (const name in value)
      if (!Object.hasOwn(members, name))
        throw new InvalidInput({ path, expected: 'no other members than it has', found: name });
    return whole as Value;
  };
}

/** What is not there is no member, but for those that are always there: records are compared with those of stores. */
function sparse<Value extends object>(
  members: { readonly [Name in keyof Value]-?: Read<Value[Name] | undefined> },
  always: readonly (keyof Value & string)[] = [],
): Read<Value> {
  const whole = objectOf<Record<string, unknown>>(members);
  return (value, path) =>
    Object.fromEntries(
      Object.entries(whole(value, path)).filter(
        ([name, member]) => member !== undefined || (always as readonly string[]).includes(name),
      ),
    ) as Value;
}

function assertObject(value: unknown, path: string): asserts value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InvalidInput({ path, expected: 'an object', found: value });
}

const range: Read<readonly [Position, Position]> = (value, path) => {
  const [from, to, ...others] = listOf(place)(value, path);
  if (from === undefined || to === undefined || others.length > 0 || to < from)
    throw new InvalidInput({ path, expected: 'a range, [from, to]', found: value });
  return [from, to];
};
const placeOfConsumer = objectOf<Checkpoint>({ low: place, done: listOf(range), mark: optional(json) });
/** A mark that is not there is no member: checkpoints are compared with those of stores. */
const checkpoint: Read<Checkpoint> = (value, path) => {
  const { mark, ...given } = placeOfConsumer(value, path);
  return mark === undefined ? given : { ...given, mark };
};
const failedPart = sparse<FailedPart>({ id: text, what: text, position: optional(place) });
const storedError: Read<StoredError> = sparse<StoredError>(
  {
    name: text,
    message: text,
    code: optional(text),
    stack: optional(text),
    cause: (value, path) => (value === undefined ? undefined : storedError(value, path)),
    part: optional(failedPart),
  },
  ['code', 'stack', 'cause'],
);
const taken = sparse<TakenAt>({ watermarkMs: orNull(integer), afterMs: orNull(integer), due: optional(yes) });
const edited = sparse<Omit<Edited, typeof OPENING>>({
  data: optional(json),
  dataVersion: optional(count),
  without: optional(listOf(text)),
  instead: optional((value, path) => {
    assertObject(value, path);
    return value as Readonly<Record<string, JsonValue>>;
  }),
  insteadVersions: optional(mapOf(count)),
});
const encoded: { readonly [Name in NamesOf<EncodedEvent>]-?: Read<EncodedEvent[Name]> } = {
  id: text,
  source: text,
  type: text,
  schemaVersion: count,
  stream: text,
  subject: optional(text),
  time: text,
  correlationid: text,
  causationid: optional(text),
  encoding: oneOf<DataEncoding>('json', 'text', 'base64', 'none'),
  data: orNull(text),
  attributes: optional(mapOf(scalar) as Read<RareAttributes>),
};
/** Images from before there were some kinds say nothing of them: there was none. */
const SINCE_LATER: ReadonlySet<string> = new Set<ContentKind>(['command', 'link']);
const counts = Object.fromEntries(
  Object.keys(CONTENT_KINDS).map((kind) => [kind, SINCE_LATER.has(kind) ? orNone(count) : count]),
) as Record<ContentKind, Read<number>>;

/** A record of each kind, whole: members that are undefined are there. Errors: InvalidInput names the place. */
export const RECORDS: { readonly [Kind in ImageKind]: Read<RecordOf<Kind>> } = {
  head: objectOf<RecordOf<'head'>>({ kind: oneOf('head'), format: count, position: place, recordedMs: integer }),
  schema: objectOf<RecordOf<'schema'>>({
    kind: oneOf('schema'),
    type: text,
    version: count,
    summary: optional(text),
    vendor: text,
    jsonSchema: optional(json),
    onInvalid: oneOf<InvalidDataPolicy>('reject', 'quarantine', 'warn'),
    registeredMs: integer,
  }),
  stream: objectOf<RecordOf<'stream'>>({ kind: oneOf('stream'), stream: text, version: count, deleted: flag }),
  event: objectOf<RecordOf<'event'>>({
    kind: oneOf('event'),
    position: place,
    version: count,
    recordedMs: integer,
    ...encoded,
  }),
  removed: objectOf<RecordOf<'removed'>>({
    kind: oneOf('removed'),
    position: place,
    stream: text,
    version: count,
    source: text,
    id: text,
    recordedMs: integer,
    digest: text,
  }),
  command: objectOf<RecordOf<'command'>>({
    kind: oneOf('command'),
    id: text,
    name: text,
    digest: text,
    outcome: optional(json),
    recordedMs: integer,
    position: place,
    events: count,
  }),
  link: objectOf<RecordOf<'link'>>({
    kind: oneOf('link'),
    number: count,
    attests: oneOf<LinkKind>(...LINK_KINDS),
    place,
    recordedMs: integer,
    entries: bytes,
    hash: bytes,
  }),
  consumer: objectOf<RecordOf<'consumer'>>({
    kind: oneOf('consumer'),
    consumer: text,
    form: objectOf<ConsumerForm>({
      kind: oneOf('consumer', 'projection', 'window', 'monitor', 'automation', 'system'),
      mode: oneOf('ordered', 'queue'),
      types: optional(listOf(text)),
      indexes: listOf(text),
      version: optional(count),
      tables: optional(text),
      keyedBy: optional(text),
      keeps: optional(
        objectOf<KeptStates>({
          rows: text,
          waitsFor: oneOf('nothing', 'numbers', 'time', 'match'),
          own: flag,
          left: flag,
        }),
      ),
      looksFor: optional(mapOf(orNull(objectOf<Begun>({ after: place, atMs: integer })))),
      began: optional(place),
      missed: optional(listOf(objectOf<MissedEvents>({ type: text, after: place, upTo: place }))),
      replayed: optional(yes),
      build: optional(
        objectOf<BuildForm>({
          id: text,
          of: text,
          trial: optional(objectOf<NonNullable<BuildForm['trial']>>({ upTo: optional(place) })),
          onFailure: oneOf('park', 'fail'),
          failure: optional(
            objectOf<BuildFailure>({ position: place, source: text, id: text, type: text, key: text, error: text }),
          ),
        }),
      ),
      built: optional(text),
      indexing: flag,
    }),
    checkpoint,
    paused: optional(objectOf<Pause>({ sinceMs: integer, reason: text })),
    createdMs: integer,
    updatedMs: integer,
    lanes: optional(listOf(objectOf({ lanes: listOf(lane), checkpoint }))),
  }),
  delivery: objectOf<RecordOf<'delivery'>>({
    kind: oneOf('delivery'),
    consumer: text,
    position: anyPlace,
    key: text,
    state: oneOf<DeliveryState>('retrying', 'parked', 'waiting'),
    attempts: count,
    firstFailedMs: optional(integer),
    lastFailedMs: optional(integer),
    dueMs: optional(integer),
    priority: finite,
    error: optional(storedError),
    edited: optional(edited),
    taken: optional(taken),
  }),
  namespace: objectOf<RecordOf<'namespace'>>({ kind: oneOf('namespace'), namespace: text, indexes: listOf(text) }),
  row: objectOf<RecordOf<'row'>>({
    kind: oneOf('row'),
    namespace: text,
    key: text,
    value: json,
    indexes: mapOf(indexValue),
  }),
  pending: objectOf<RecordOf<'pending'>>({ kind: oneOf('pending'), events: listOf(objectOf<EncodedEvent>(encoded)) }),
  end: objectOf<RecordOf<'end'>>({ kind: oneOf('end'), counts: objectOf<ImageCounts>(counts) }),
};
