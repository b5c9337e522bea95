import type { StandardSchemaV1 } from '@standard-schema/spec';
import { InvalidDefinition } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import { assertKnown, assertOptions } from '../system/known-options.ts';
import type { RecordedEvent } from './event.ts';
import { personalFields } from './personal-fields.ts';
import type { PersonalFields, PersonalOptions } from './personal-fields.ts';
import { assertTags } from './tags.ts';
import { upcastingOf } from './upcasters.ts';
import type { Upcasters, Upcasting } from './upcasters.ts';

/** What happens to an event whose data does not fit its schema. */
export type InvalidDataPolicy = 'reject' | 'quarantine' | 'warn';

/** A fact that this system knows: its name, its shape, and the entity it belongs to. */
export interface EventDefinition<Type extends string = string, Input = unknown, Data = unknown> {
  readonly kind: 'event';
  readonly type: Type;
  /** Schema version, counted from 1. */
  readonly version: number;
  readonly summary: string | undefined;
  readonly schema: StandardSchemaV1<Input, Data>;
  readonly onInvalid: InvalidDataPolicy;
  readonly source: string | undefined;
  /** How data of older versions is read; undefined: as it is. */
  readonly upcasting: Upcasting | undefined;
  /** Which of its data is sealed, and for whom; undefined: none. */
  readonly personal: PersonalFields | undefined;
  // Methods, so that a definition of one shape is a definition of every wider shape.
  streamOf(data: Data): string | undefined;
  subjectOf(data: Data): string | undefined;
  partitionKeyOf(data: Data): string | undefined;
  tagsOf(data: Data): readonly string[] | undefined;
}

/** The data that handlers get. */
export type DataOf<Definition> = Definition extends EventDefinition<string, infer _Input, infer Data> ? Data : never;
/** The data that publishers give. */
export type InputOf<Definition> = Definition extends EventDefinition<string, infer Input, infer _Data> ? Input : never;
/** The recorded event of a definition; of a union of definitions, the union of events, told apart by `type`. */
export type EventOf<Definition> =
  Definition extends EventDefinition<infer Type, infer _Input, infer Data> ? RecordedEvent<Type, Data> : never;

export interface EventOptions<Type extends string, Schema extends StandardSchemaV1> {
  /** A business fact in the past tense, dotted, literal: `'shop.order.placed'`. */
  readonly type: Type;
  readonly schema: Schema;
  /** Schema version, default 1. */
  readonly version?: number;
  /**
   * Upcasters by the version that each starts from, to the next one: `{ 1: (data: V1) => …, 2: … }` for version 3. Every read of older events
   * gives data of this version. Default: older events are read as they are.
   */
  readonly upcast?: Upcasters;
  /** One sentence for the catalog. */
  readonly summary?: string;
  /** The entity that the event belongs to, `category-id`. Default: the subject, else the source. */
  readonly stream?: (data: StandardSchemaV1.InferOutput<Schema>) => string;
  /** What the fact is about. Default: the stream, when that is given. */
  readonly subject?: (data: StandardSchemaV1.InferOutput<Schema>) => string;
  /** Ordering key where it is not the stream. */
  readonly partitionKey?: (data: StandardSchemaV1.InferOutput<Schema>) => string;
  /** What else the fact concerns, `['customer:ada', 'course:7']`: it can be found by, and decided on, each of them. At most 32, without white space. */
  readonly tags?: (data: StandardSchemaV1.InferOutput<Schema>) => readonly string[];
  /**
   * What of the data is about a person: it is stored sealed with a key of theirs, and is unreadable everywhere when that is deleted
   * (`system.forget`); docs/guides/personal-data.md. Names of streams, subjects, tags and keys are not sealed, and may not be made of it.
   */
  readonly personal?: PersonalOptions<StandardSchemaV1.InferOutput<Schema>>;
  /** Default `'reject'`. */
  readonly onInvalid?: InvalidDataPolicy;
  /** The `source` of events published with this definition. Default: that of the system. */
  readonly source?: string;
}

const EVENT_OPTIONS =
  'type schema version upcast summary stream subject partitionKey tags personal onInvalid source'.split(' ');

/** Event types are reverse-domain or dotted names; white space and control characters are mistakes. */
const EVENT_TYPE = /^[^\s\p{Cc}]{1,255}$/u;

/**
 * Declares a fact.
 *
 * Guarantee The type is a literal that is never derived from a class or variable name; a rename in code renames nothing in the log.
 * Errors    InvalidDefinition
 */
export function defineEvent<const Type extends string, Schema extends StandardSchemaV1>(
  options: EventOptions<Type, Schema>,
): EventDefinition<Type, StandardSchemaV1.InferInput<Schema>, StandardSchemaV1.InferOutput<Schema>> {
  assertOptions('event', options);
  const name = `event ${describeValue(options.type)}`;
  assertKnown(name, options, EVENT_OPTIONS);
  if (typeof options.type !== 'string' || !EVENT_TYPE.test(options.type)) {
    throw new InvalidDefinition(
      name,
      'type must be 1 to 255 characters without white space, such as shop.order.placed',
    );
  }
  if (options.type.startsWith('thereupon.'))
    throw new InvalidDefinition(name, 'types that begin with thereupon. are reserved for the system');
  const standard = (options.schema as { '~standard'?: { version?: unknown; validate?: unknown } } | undefined)?.[
    '~standard'
  ];
  if (standard?.version !== 1 || typeof standard.validate !== 'function') {
    throw new InvalidDefinition(
      name,
      `schema must be a Standard Schema (zod, valibot, arktype ...), found ${describeValue(options.schema)}`,
    );
  }
  const version = options.version ?? 1;
  if (!Number.isInteger(version) || version < 1) {
    throw new InvalidDefinition(name, `version must be a whole number from 1, found ${describeValue(options.version)}`);
  }
  const policy = options.onInvalid ?? 'reject';
  if (!['reject', 'quarantine', 'warn'].includes(policy)) {
    throw new InvalidDefinition(name, `onInvalid must be reject, quarantine or warn, found ${describeValue(policy)}`);
  }
  if (options.personal !== undefined && policy === 'warn')
    throw new InvalidDefinition(
      name,
      "onInvalid 'warn' records data of whatever shape, and what of that is personal nobody can tell; use 'reject' or 'quarantine'",
    );
  return {
    kind: 'event',
    type: options.type,
    version,
    summary: options.summary,
    schema: options.schema,
    onInvalid: policy,
    source: options.source,
    upcasting: upcastingOf(name, options.upcast, {
      type: options.type,
      version,
      schema: options.schema,
      isLenient: policy === 'warn',
    }),
    personal: personalFields(name, options.personal),
    streamOf: derivation(name, 'stream', options.stream),
    subjectOf: derivation(name, 'subject', options.subject),
    partitionKeyOf: derivation(name, 'partitionKey', options.partitionKey),
    tagsOf: tagsDerivation(name, options.tags),
  };
}

/** Errors: InvalidDefinition when the function throws, or gives something else than tags. */
function tagsDerivation<Data>(
  name: string,
  derive: ((data: Data) => readonly string[]) | undefined,
): (data: Data) => readonly string[] | undefined {
  if (derive === undefined) return () => undefined;
  return (data) => {
    try {
      const tags = derive(data);
      assertTags(tags, 'tags');
      return tags;
    } catch (error) {
      throw new InvalidDefinition(name, `its tags function failed: ${messageOf(error)}`, { cause: error });
    }
  };
}

/** What an event says of itself by its data. Errors: InvalidDefinition when the function throws, or gives something else than a string. */
function derivation<Data>(
  name: string,
  option: string,
  derive: ((data: Data) => string | undefined) | undefined,
): (data: Data) => string | undefined {
  if (derive === undefined) return () => undefined;
  return (data) => {
    let derived: unknown;
    try {
      derived = derive(data);
    } catch (error) {
      throw new InvalidDefinition(name, `its ${option} function threw: ${messageOf(error)}`, { cause: error });
    }
    if (derived !== undefined && typeof derived !== 'string')
      throw new InvalidDefinition(name, `its ${option} function must give a string, found ${describeValue(derived)}`);
    return derived;
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : describeValue(error);
}
