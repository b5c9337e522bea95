import { EventDataInvalid, UpcastFailed } from '../errors.ts';
import type { SchemaIssue, SealedDataInvalid } from '../errors.ts';
import type { EventDefinition } from '../event/define-event.ts';
import { EventOpening } from '../event/event-opening.ts';
import { OPENING } from '../event/opening.ts';
import type { RecordedEvent, StoredEvent } from '../event/event.ts';
import { recordedEvent } from '../event/recorded-event.ts';
import { upcastEvent, upcastingTypes, whyUnreadable } from '../event/upcast-event.ts';
import { personalTypes } from '../personal-program.ts';
import { checkFields, identityOf } from './recorded-fields.ts';
import { directionsOf } from '../schema/compatibility/compare.ts';
import { jsonSchema } from '../schema/from-json-schema.ts';
import { outputSchemaOf } from '../schema/json-schema.ts';
import { SchemaRegistry, validate } from '../schema/registry.ts';
import { definitionsOf } from '../system-definitions.ts';
import type { SystemOptions } from '../system-options.ts';

/** Something that a program would do wrong with what is recorded. */
export interface RecordedFinding {
  /** A warning need not break anything: no event that was looked at has what is asked for, and the schema allows it. */
  readonly severity: 'error' | 'warning';
  /**
   * - `cannot-be-brought-up`: an upcaster throws, or gives what does not fit;
   * - `does-not-fit`: data of an older version, without upcasters, is not valid under the current schema; a warning where `compatibility` does
   *   not demand `backward`. Or data of the current version is not, whose schema was changed since: always an error, for its version says that it
   *   fits, and no upcaster leads up from it;
   * - `field-not-found`: a filter, a key or a projection asks for something that no event has;
   * - `threw`: a key, a projection or a decider's `evolve` throws, or gives what cannot be kept. Deciders are looked at where a stream is
   *   there from its first event on.
   */
  readonly rule: 'cannot-be-brought-up' | 'does-not-fit' | 'field-not-found' | 'threw';
  /** Who does it, `projection totals`; undefined: whoever reads the event. */
  readonly who: string | undefined;
  readonly type: string;
  /** The schema version in which the event is stored, and the event; undefined: it is about all that were looked at. */
  readonly version: number | undefined;
  readonly event: { readonly source: string; readonly id: string; readonly position: number } | undefined;
  /** In the data: `data.items`. */
  readonly place: string;
  readonly reason: string;
}

export interface RecordedCheck {
  /** No finding is an error. */
  readonly ok: boolean;
  /** How many were looked at, by type and version. */
  readonly looked: readonly { readonly type: string; readonly version: number; readonly events: number }[];
  readonly findings: readonly RecordedFinding[];
}

/** Events as they are stored, and as the program reads them. */
export interface Sample {
  readonly stored: StoredEvent;
  readonly read: RecordedEvent;
  /** All events of its stream before it were looked at, too. */
  readonly isFollowed: boolean;
}

/**
 * Looks at what a program would do with recorded events, and changes nothing: brings them up and puts them through the current schemas, and
 * lets filters, keys and projections look at them. Handlers do not run.
 *
 * Shape     events: some of those that are stored, as they are stored. What is sealed in them is looked at as it reads when it is erased.
 * Errors    InvalidDefinition, of the program.
 */
export async function checkRecorded(program: SystemOptions, events: readonly StoredEvent[]): Promise<RecordedCheck> {
  const registry = new SchemaRegistry(definitionsOf(program), program.unknownTypes ?? 'reject');
  const types = upcastingTypes(registry.definitions());
  const { compatibility = 'backward' } = program;
  const unfitIs = directionsOf(compatibility).includes('backward') ? 'error' : 'warning';
  const findings: RecordedFinding[] = [];
  const samples: Sample[] = [];
  const personal = personalTypes(registry.definitions());
  // Without keys: as it reads when everybody is forgotten, and it has to be read then, too.
  const opening = new EventOpening(new Map(), personal);
  // How far streams are there from their first events on.
  const reached = new Map<string, number>();
  for (const event of events.toSorted((left, right) => left.position - right.position)) {
    const { stream, version } = event;
    const isFollowed = version === (reached.get(stream) ?? 0) + 1;
    if (isFollowed) reached.set(stream, version);
    const definition = registry.find(event.type);
    if (definition === undefined) continue;
    const stored = personal.has(event.type) ? { ...event, [OPENING]: opening } : event;
    const read = upcastEvent(recordedEvent(stored), types);
    const wrong = await whatIsWrong(read, stored, definition, unfitIs);
    findings.push(...wrong);
    if (wrong.every(({ rule }) => rule !== 'cannot-be-brought-up')) samples.push({ stored, read, isFollowed });
    else reached.delete(stream);
  }
  findings.push(...checkFields(program, registry, samples));
  const looked = Map.groupBy(events, ({ type, schemaVersion }) => JSON.stringify([type, schemaVersion]));
  return {
    ok: findings.every(({ severity }) => severity !== 'error'),
    looked: [...looked.values()].flatMap((alike) =>
      alike.slice(0, 1).map(({ type, schemaVersion }) => ({ type, version: schemaVersion, events: alike.length })),
    ),
    findings,
  };
}

/** What is wrong with the data of an event, at each place. */
async function whatIsWrong(
  read: RecordedEvent,
  stored: StoredEvent,
  definition: EventDefinition,
  severity: RecordedFinding['severity'],
): Promise<readonly RecordedFinding[]> {
  const failure = whyUnreadable(read);
  if (failure !== undefined) return unfit(stored, 'cannot-be-brought-up', failure, 'error');
  const { type, version } = definition;
  const isOf = stored.schemaVersion > 0 && stored.schemaVersion <= version;
  // What was brought up went through the schema.
  if (read.stored !== stored || !isOf || definition.onInvalid === 'warn') return [];
  const validation = await validate(definition, read.data);
  if (validation.ok) return [];
  const isOlder = stored.schemaVersion < version;
  const issues = isOlder ? validation.issues : await issuesOfOwnVersion(definition, read, validation.issues);
  if (issues.length === 0) return [];
  return unfit(
    stored,
    'does-not-fit',
    new EventDataInvalid(type, version, issues),
    isOlder ? severity : 'error',
    isOlder ? '' : ` (the schema of version ${version} was changed since; give the new shape a version of its own)`,
  );
}

/**
 * What is stored is what the schema gives out, which need not be what it takes: a schema that changes data is asked for that, and where it cannot
 * say it nothing is known. What a personal field reads as when it is erased need not fit.
 */
async function issuesOfOwnVersion(
  definition: EventDefinition,
  read: RecordedEvent,
  issues: readonly SchemaIssue[],
): Promise<readonly SchemaIssue[]> {
  const given = outputSchemaOf(definition);
  if (given === undefined || (await jsonSchema(given)['~standard'].validate(read.data)).issues === undefined) return [];
  const personal = definition.personal?.paths ?? [];
  return issues.filter(({ path }) => !personal.some((field) => isWithin(path, field)));
}

/** Whether a place in data, `data.contacts.0.phone`, belongs to a field, `contacts.*.phone`. */
function isWithin(place: string, field: readonly string[]): boolean {
  const [, ...segments] = place.split('.');
  return field.every(
    (segment, at) => segment === segments[at] || (segment === '*' && /^\d+$/.test(segments[at] ?? '')),
  );
}

function unfit(
  stored: StoredEvent,
  rule: 'cannot-be-brought-up' | 'does-not-fit',
  error: UpcastFailed | EventDataInvalid | SealedDataInvalid,
  severity: RecordedFinding['severity'],
  hint = '',
): readonly RecordedFinding[] {
  const cause: unknown = error instanceof UpcastFailed ? error.cause : error;
  const issues =
    cause instanceof EventDataInvalid
      ? cause.issues
      : [{ path: 'data', message: cause instanceof Error ? cause.message : error.message }];
  return issues.map(({ path, message }) => ({
    severity,
    rule,
    who: undefined,
    type: stored.type,
    version: stored.schemaVersion,
    event: identityOf(stored),
    place: path,
    reason: `${message}${hint}`,
  }));
}
