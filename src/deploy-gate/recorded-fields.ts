import { compilePattern } from '../channel/filter/compile.ts';
import { matches } from '../channel/filter/matches.ts';
import type { Selection } from '../channel/selection.ts';
import { keyFor } from '../consumer/keys.ts';
import type { Reaction } from '../consumer/reaction.ts';
import { evolved, initialState } from '../decider/fold.ts';
import type { Fold } from '../decider/fold.ts';
import type { RecordedEvent, StoredEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import { categoryOf } from '../event/stream-name.ts';
import { watchedEvent } from '../event/recorded-reads.ts';
import type { Reads } from '../event/recorded-reads.ts';
import { sealJson } from '../event/sealed-json.ts';
import { NO_ROW } from '../projection/define-projection.ts';
import type { ProjectionDefinition } from '../projection/define-projection.ts';
import type { RecordedFinding, Sample } from './recorded-check.ts';
import { jsonSchemaOf } from '../schema/json-schema.ts';
import type { SchemaRegistry } from '../schema/registry.ts';
import { reactionsOf } from '../system-definitions.ts';
import type { SystemOptions } from '../system-options.ts';

/** Whether filters, keys, projections and states of deciders find what they ask for in recorded events. */
export function checkFields(
  program: SystemOptions,
  registry: SchemaRegistry,
  samples: readonly Sample[],
): readonly RecordedFinding[] {
  const ofFilters = reactionsOf(program).flatMap((reaction) =>
    reaction.selection.asked.flatMap((asked) => filterFindings(reaction, asked, registry, samples)),
  );
  const projected = new Set<string>((program.projections ?? []).map(({ name }) => name));
  const ofKeys = reactionsOf(program)
    .filter(({ name }) => !projected.has(name))
    .flatMap((reaction) => ofEach(reaction, registry, samples, (_sample, event) => void keyOf(reaction, event)));
  const ofProjections = (program.projections ?? []).flatMap((projection) =>
    ofEach(projection.reaction, registry, samples, evolving(projection)),
  );
  const ofDeciders = (program.deciders ?? []).flatMap(({ name, own }) => (own === undefined ? [] : [{ name, own }]));
  return [
    ...ofFilters,
    ...ofKeys,
    ...ofProjections,
    ...ofDeciders.flatMap(({ name, own: { fold, category } }) => {
      const isOwn = (event: RecordedEvent) => categoryOf(event.stream) === category && fold.steps.has(event.type);
      const look = (_sample: Sample, event: RecordedEvent) => void fold.steps.get(event.type)?.(fold.initial(), event);
      const looking = { kind: 'decider', name, selection: { matches: isOwn } };
      // What it does with a state that was not made of all events says nothing.
      const ofEvents = ofEach(looking, registry, samples, look).filter(({ rule }) => rule !== 'threw');
      const own = samples.filter(({ isFollowed, stored }) => isFollowed && categoryOf(stored.stream) === category);
      return [...ofEvents, ...foldFindings(`decider ${name}`, fold, own)];
    }),
    ...(program.deciders ?? []).flatMap(({ name, parts }) =>
      parts.flatMap(({ name: part, fold }) =>
        fold === undefined ? [] : ofEach(queryOf(`${name}, ${part}`, fold), registry, samples, evolvingOne(fold)),
      ),
    ),
  ];
}

function queryOf(name: string, { steps }: Fold): Looking {
  return { kind: 'decider', name, selection: { matches: ({ type }) => steps.has(type) } };
}

/** What one event adds up to by itself, as the first of a query: which it need not be. */
function evolvingOne(fold: Fold): Look {
  return (_sample, event) => {
    try {
      evolved(fold, initialState(fold), [event]);
    } catch (error) {
      throw new OfAPart(error, 'as the first event of a query');
    }
  };
}

/** The key that an event has. Errors: whatever keeps it from having one. */
function keyOf(reaction: Reaction, event: RecordedEvent): string {
  const { key, error } = keyFor(reaction, event);
  if (error !== undefined) throw error;
  return key;
}

/** The state of each stream, of all its events from the first one on: that it came to once. */
function foldFindings(who: string, fold: Fold, samples: readonly Sample[]): readonly RecordedFinding[] {
  const findings: RecordedFinding[] = [];
  for (const history of Map.groupBy(samples, ({ stored }) => stored.stream).values()) {
    let state: JsonValue | undefined;
    for (const { stored, read } of history) {
      try {
        state = evolved(fold, state ?? initialState(fold), [read]);
      } catch (error) {
        findings.push(thrown(who, stored, error));
        break;
      }
    }
  }
  return findings;
}

function thrown(who: string, stored: StoredEvent, error: unknown): RecordedFinding {
  const severity = error instanceof OfAPart || error instanceof TooLong ? 'warning' : 'error';
  const of = { type: stored.type, version: stored.schemaVersion, event: identityOf(stored) };
  return { severity, rule: 'threw', who, ...of, place: 'data', reason: messageOf(error) };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function identityOf({ source, id, position }: StoredEvent): RecordedFinding['event'] {
  return { source, id, position };
}

/**
 * Makes the rows of one event after another, with what they are found by. Of what was looked at, so they are no more than an attempt: what they
 * come to counts where the streams of their events are there from the first event on.
 */
function evolving(projection: ProjectionDefinition): Look {
  const { reaction } = projection;
  const rows = new Map<string, unknown>();
  const ofParts = new Set<string>();
  return ({ read, isFollowed }, watched) => {
    const key = keyOf(reaction, watched);
    if (key === NO_ROW) return;
    const before = rows.get(key);
    projection.evolve(before, watched);
    const row = projection.evolve(before, read);
    if (!isFollowed) ofParts.add(key);
    let indexes: Readonly<Record<string, unknown>> | undefined;
    try {
      if (row !== undefined) indexes = reaction.state?.indexes(sealJson(row as JsonValue, 'row'));
    } catch (error) {
      throw ofParts.has(key) ? new OfAPart(error) : error;
    }
    rows.set(key, row);
    assertIndexable({ 'its key': key, ...indexes });
  };
}

/** What PostgreSQL indexes at the most, in UTF-8; SQLite takes more. */
const MAX_INDEX_BYTES = 2_600;

function assertIndexable(values: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(values)) {
    const bytes = typeof value === 'string' ? Buffer.byteLength(value) : 0;
    if (bytes > MAX_INDEX_BYTES) throw new TooLong(name, bytes);
  }
}

class TooLong extends Error {
  constructor(name: string, bytes: number) {
    super(`${name} would be ${bytes} bytes long, and on PostgreSQL there is room for ${MAX_INDEX_BYTES}`);
  }
}

/** It may be because of what was not looked at. */
class OfAPart extends Error {
  constructor(cause: unknown, how = 'of a row of which not all events were looked at') {
    super(`${messageOf(cause)} (${how})`, { cause });
  }
}

/** Whoever looks at events, and at which. */
interface Looking {
  readonly kind: string;
  readonly name: string;
  readonly selection: Pick<Reaction['selection'], 'matches'>;
}

/** Lets a function look at each event that a reaction gets. */
function ofEach(
  reaction: Looking,
  registry: SchemaRegistry,
  samples: readonly Sample[],
  look: Look,
): readonly RecordedFinding[] {
  const who = `${reaction.kind} ${reaction.name}`;
  const threw: RecordedFinding[] = [];
  const readsOf = new Map<string, Reads>();
  for (const sample of samples) {
    const { stored, read } = sample;
    if (!reaction.selection.matches(read)) continue;
    const reads = readsOf.get(stored.type) ?? new Map<string, boolean>();
    readsOf.set(stored.type, reads);
    try {
      looked(look, sample, watchedEvent(read, reads));
    } catch (error) {
      threw.push(thrown(who, stored, error));
    }
  }
  const missing = [...readsOf].flatMap(([type, reads]) =>
    [...reads].flatMap(([place, isFound]) =>
      isFound ? onlyOlder(who, [type], place, { registry, samples }) : notFound(who, [type], place, registry),
    ),
  );
  return [...missing, ...threw];
}

type Look = (sample: Sample, watched: RecordedEvent) => void;

/** What cannot be done with an event that is watched, such as to clone its data, is done with the event itself. */
function looked(look: Look, sample: Sample, watched: RecordedEvent): void {
  try {
    look(sample, watched);
  } catch (error) {
    // It is done, and is too long.
    if (error instanceof TooLong) throw error;
    look(sample, sample.read);
  }
}

/** What a filter asks of data that none of its events has. */
function filterFindings(
  reaction: Reaction,
  { types, where }: Selection,
  registry: SchemaRegistry,
  samples: readonly Sample[],
): readonly RecordedFinding[] {
  if (where === undefined) return [];
  const who = `${reaction.kind} ${reaction.name}`;
  const asked = new Map<string, { readonly path: readonly string[]; readonly concerned: Set<Sample> }>();
  for (const { conditions } of compilePattern(where).alternatives) {
    // What it asks of attributes says which events it asks for data.
    const ofAttributes = { alternatives: [{ conditions: conditions.filter(({ path }) => path[0] !== 'data') }] };
    const concerned = samples.filter(
      ({ stored, read }) =>
        (types?.includes(stored.type) ?? true) && matches(ofAttributes, (name) => read.attribute(name)),
    );
    // What may be absent is asked for just because it may be.
    for (const { path } of conditions.filter((each) => each.path[0] === 'data' && !each.absent)) {
      const place = path.join('.');
      const known = asked.get(place) ?? { path: path.slice(1), concerned: new Set() };
      asked.set(place, known);
      for (const sample of concerned) known.concerned.add(sample);
    }
  }
  return [...asked].flatMap(([place, { path, concerned }]) => {
    const of = [...concerned];
    if (of.length === 0) return [];
    const ofTypes = [...new Set(of.map(({ stored }) => stored.type))];
    return of.some(({ read }) => has(read.data, path))
      ? onlyOlder(who, ofTypes, place, { registry, samples: of })
      : notFound(who, ofTypes, place, registry);
  });
}

/** As patterns have it: in lists one of the elements will do. */
function has(value: unknown, path: readonly string[]): boolean {
  const [name, ...rest] = path;
  if (name === undefined) return value !== undefined;
  if (Array.isArray(value)) return value.some((element) => has(element, path));
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return false;
  return has((value as Readonly<Record<string, unknown>>)[name], rest);
}

/** A place that events of older versions have, and those of the present one will not. */
function onlyOlder(
  who: string,
  types: readonly string[],
  place: string,
  { registry, samples }: { readonly registry: SchemaRegistry; readonly samples: readonly Sample[] },
): readonly RecordedFinding[] {
  const path = segmentsOf(place);
  const plain = path.filter((segment) => segment !== '[]');
  const isPresent = types.some((type) => {
    const definition = registry.find(type);
    const schema = definition && jsonSchemaOf(definition);
    if (schema === undefined || declares(schema, path)) return true;
    return samples.some(
      ({ stored, read }) =>
        stored.type === type && stored.schemaVersion >= (definition?.version ?? 0) && has(read.data, plain),
    );
  });
  if (isPresent) return [];
  const reason = 'it asks for this, which only events of older versions have: the current schema does not know it';
  const of = { type: types.join(', '), version: undefined, event: undefined, place };
  return [{ severity: 'warning', rule: 'field-not-found', who, ...of, reason }];
}

function segmentsOf(place: string): readonly string[] {
  return place.split(/\.|(?=\[\])/).slice(1);
}

function notFound(
  who: string,
  types: readonly string[],
  place: string,
  registry: SchemaRegistry,
): readonly RecordedFinding[] {
  const path = segmentsOf(place);
  const isDeclared = types.some((type) => {
    const definition = registry.find(type);
    return definition !== undefined && declares(jsonSchemaOf(definition), path);
  });
  return [
    {
      severity: isDeclared ? 'warning' : 'error',
      rule: 'field-not-found',
      who,
      type: types.join(', '),
      version: undefined,
      event: undefined,
      place,
      reason: isDeclared
        ? 'it asks for this, and no event that was looked at has it, though the schema allows it'
        : 'it asks for this, no event that was looked at has it, and the schema does not know it',
    },
  ];
}

/** Whether a schema names a place, in any of its alternatives. */
function declares(schema: JsonValue | undefined, path: readonly string[]): boolean {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return false;
  const { properties, items, anyOf, oneOf, allOf } = schema as Readonly<Record<string, JsonValue | undefined>>;
  const alternatives = [anyOf, oneOf, allOf].flatMap((list) => (Array.isArray(list) ? (list as JsonValue[]) : []));
  const [name, ...rest] = path;
  if (name === undefined || alternatives.some((alternative) => declares(alternative, path))) return true;
  if (name === '[]') return declares(items, rest);
  // Patterns do not say where lists are.
  if (items !== undefined && declares(items, path)) return true;
  const known = properties as Readonly<Record<string, JsonValue>> | undefined;
  return known !== undefined && Object.hasOwn(known, name) && declares(known[name], rest);
}
