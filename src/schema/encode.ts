import { dataInvalid, validate } from './registry.ts';
import type { Validation } from './registry.ts';
import { sealDraft } from './sealing.ts';
import type { Sealing } from './sealing.ts';
import { actorAttributes, assertActor } from '../event/actor.ts';
import type { Actor } from '../event/actor.ts';
import { assertCircumstances, circumstanceAttributes } from '../event/circumstances.ts';
import type { Caller } from '../event/circumstances.ts';
import type { EventDefinition } from '../event/define-event.ts';
import type { Cause, EventDraft } from '../event/create-event.ts';
import { checkAttributes } from '../event/cloudevents-attributes.ts';
import type { RareAttributes } from '../event/event.ts';
import { encodeJson } from '../event/json.ts';
import { tagsAttribute } from '../event/tags.ts';
import { InvalidInput } from '../errors.ts';
import type { SchemaIssue } from '../errors.ts';

/** What a publisher may say beyond the data. */
export interface PublishOptions {
  /** Identity with `source`. Default: a new UUID v7. Give your own to make a retry of the caller harmless (G2). */
  readonly id?: string;
  readonly source?: string;
  readonly subject?: string;
  readonly stream?: string;
  /** Event time, RFC 3339 or a Date. Default: now. */
  readonly time?: string | Date;
  /** The conversation it belongs to. Default: that of the cause, else the event's own id. */
  readonly correlationid?: string;
  readonly causationid?: string;
  readonly partitionkey?: string;
  /** In place of those that the definition derives. */
  readonly tags?: readonly string[];
  /** The producer's own sequence number. */
  readonly sequence?: string | number;
  readonly expirytime?: string | Date;
  readonly traceparent?: string;
  readonly tracestate?: string;
  /** On whose behalf: kept as `authtype` and `authid`. A repetition of the fact may name another one; the first stands. */
  readonly actor?: Actor;
  /** Why: kept as `authreason`. As with the actor, the first one stands. */
  readonly reason?: string;
  /** Through what it came, where you publish for others: kept as `authkey` and `authaddress`. */
  readonly caller?: Caller;
  /** Extension attributes: lower-case letters and digits. */
  readonly extensions?: Readonly<Record<string, string | number | boolean>>;
}

/** Data that went through the gate, ready to become an event; `issues` when its schema objected and its policy is not `reject`. */
export interface Encoded {
  readonly draft: EventDraft;
  readonly issues: readonly SchemaIssue[] | undefined;
}

/** What publications of one publisher have in common. */
export interface EncodeDefaults {
  readonly source: string;
  readonly cause: Cause | undefined;
  /** What seals personal fields. */
  readonly sealing: Sealing | undefined;
}

/**
 * Takes data of a known type through its schema and derives stream, subject and ordering key from it.
 *
 * Shape     Synchronous where the schema library is, and the key of personal fields is known.
 * Guarantee Personal fields are sealed.
 * Errors    EventDataInvalid (policy `reject`), InvalidInput (data is not JSON), those of `sealDraft`
 */
export function encode(
  definition: EventDefinition,
  data: unknown,
  options: PublishOptions,
  defaults: EncodeDefaults,
): Encoded | Promise<Encoded> {
  const validation = validate(definition, data);
  return validation instanceof Promise
    ? validation.then((result) => encodeValidated(definition, data, result, options, defaults))
    : encodeValidated(definition, data, validation, options, defaults);
}

function encodeValidated(
  definition: EventDefinition,
  given: unknown,
  validation: Validation,
  options: PublishOptions,
  defaults: EncodeDefaults,
): Encoded | Promise<Encoded> {
  if (!validation.ok && definition.onInvalid === 'reject') throw dataInvalid(definition, validation.issues);
  if (hasAttributes(options)) assertAttributes(definition, options, defaults.source);
  const data = validation.ok ? validation.data : given;
  const { personal } = definition;
  const text = personal === undefined ? encodeJson(data, 'data') : null;
  // Names are derived from data that fits the schema; of data that does not, they would be guesses.
  const stream = options.stream ?? (validation.ok ? definition.streamOf(data) : undefined);
  const subject = options.subject ?? (validation.ok ? definition.subjectOf(data) : undefined) ?? stream;
  const partitionkey = options.partitionkey ?? (validation.ok ? definition.partitionKeyOf(data) : undefined);
  const tags = options.tags ?? (validation.ok ? definition.tagsOf(data) : undefined);
  const encoded: Encoded = {
    draft: {
      id: options.id,
      source: options.source ?? definition.source ?? defaults.source,
      type: definition.type,
      schemaVersion: definition.version,
      stream,
      subject,
      time: asTimestamp(options.time),
      correlationid: options.correlationid,
      causationid: options.causationid,
      attributes: rareAttributes(options, partitionkey, tags && tagsAttribute(tags)),
      encoding: 'json',
      data: text,
      cause: defaults.cause,
    },
    issues: validation.ok ? undefined : validation.issues,
  };
  return personal === undefined ? encoded : sealDraft(definition, personal, { ...encoded, data }, defaults.sealing);
}

/** Most events are published with nothing but data, or with an id of the caller's: these need no look. */
function hasAttributes(options: PublishOptions): boolean {
  for (const name in options) if (name !== 'id' && name !== 'stream') return true;
  return false;
}

/** The same rules as for an event that comes over HTTP. */
function assertAttributes(definition: EventDefinition, options: PublishOptions, source: string): void {
  const { id, time, expirytime, extensions, tags: _tags, actor, reason, caller, ...named } = options;
  assertCircumstances({ reason, caller });
  const circumstances = circumstanceAttributes({ reason, caller });
  for (const name of Object.keys(circumstances))
    if (extensions?.[name] !== undefined)
      throw new InvalidInput({
        path: `extensions.${name}`,
        expected: 'nothing where options.reason or options.caller says it',
        found: extensions[name],
      });
  if (actor !== undefined) {
    assertActor(actor);
    for (const name of ['authtype', 'authid'])
      if (extensions?.[name] !== undefined)
        throw new InvalidInput({
          path: `extensions.${name}`,
          expected: 'nothing where options.actor says it',
          found: extensions[name],
        });
  }
  checkAttributes(
    [
      ['specversion', '1.0'],
      ['id', id ?? 'new'],
      ['type', definition.type],
      ['source', source],
      ...Object.entries(named),
      ['time', asTimestamp(time)],
      ['expirytime', asTimestamp(expirytime)],
      ...Object.entries(extensions ?? {}),
      ...(actor === undefined ? [] : Object.entries(actorAttributes(actor))),
      ...Object.entries(circumstances),
    ],
    '',
  );
}

function rareAttributes(
  options: PublishOptions,
  partitionkey: string | undefined,
  tags: string | undefined,
): RareAttributes | undefined {
  const { sequence, expirytime, traceparent, tracestate, extensions, actor, reason, caller } = options;
  if (
    partitionkey === undefined &&
    tags === undefined &&
    sequence === undefined &&
    expirytime === undefined &&
    traceparent === undefined &&
    tracestate === undefined &&
    extensions === undefined &&
    actor === undefined &&
    reason === undefined &&
    caller === undefined
  ) {
    return undefined;
  }
  return {
    ...extensions,
    ...(actor === undefined ? {} : actorAttributes(actor)),
    ...circumstanceAttributes({ reason, caller }),
    ...(partitionkey === undefined ? {} : { partitionkey }),
    ...(tags === undefined ? {} : { tags }),
    ...(sequence === undefined ? {} : { sequence: String(sequence) }),
    ...(expirytime === undefined ? {} : { expirytime: asTimestamp(expirytime) ?? '' }),
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(tracestate === undefined ? {} : { tracestate }),
  };
}

function asTimestamp(time: string | Date | undefined): string | undefined {
  if (!(time instanceof Date)) return time;
  if (Number.isNaN(time.getTime()))
    throw new InvalidInput({ path: 'time', expected: 'a date that is one', found: time });
  return time.toISOString();
}
