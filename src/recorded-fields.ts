import { compilePattern } from './channel/filter/compile.ts';
import type { Selection } from './channel/selection.ts';
import type { Reaction } from './consumer/reaction.ts';
import type { RecordedEvent, StoredEvent } from './event/event.ts';
import type { JsonValue } from './event/json.ts';
import { categoryOf } from './event/stream-name.ts';
import { watchedEvent } from './event/recorded-reads.ts';
import type { Reads } from './event/recorded-reads.ts';
import type { ProjectionDefinition } from './projection/define-projection.ts';
import type { RecordedFinding, Sample } from './recorded-check.ts';
import { jsonSchemaOf } from './schema/json-schema.ts';
import type { SchemaRegistry } from './schema/registry.ts';
import { reactionsOf } from './system-definitions.ts';
import type { SystemOptions } from './system-options.ts';

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
    .flatMap((reaction) => ofEach(reaction, registry, samples, ({ read }) => void reaction.keyOf(read)));
  const ofProjections = (program.projections ?? []).flatMap((projection) =>
    ofEach(projection.reaction, registry, samples, evolving(projection)),
  );
  const ofDeciders = (program.deciders ?? []).flatMap(({ name, own }) => (own === undefined ? [] : [{ name, own }]));
  return [
    ...ofFilters,
    ...ofKeys,
    ...ofProjections,
    // What it does with a state that was not made of all events says nothing.
    ...ofDeciders.flatMap(({ name, own: { fold, category } }) => {
      const isOwn = (event: RecordedEvent) => categoryOf(event.stream) === category && fold.steps.has(event.type);
      const look = ({ read }: Sample) => void fold.steps.get(read.type)?.(fold.initial(), read);
      const looking = { kind: 'decider', name, selection: { matches: isOwn } };
      return ofEach(looking, registry, samples, look).filter(({ rule }) => rule !== 'threw');
    }),
  ];
}

export function identityOf({ source, id, position }: StoredEvent): RecordedFinding['event'] {
  return { source, id, position };
}

/** Makes the rows of one event after another: of what was looked at, so they are no more than an attempt. */
function evolving(projection: ProjectionDefinition): (sample: Sample) => void {
  const rows = new Map<string, unknown>();
  return ({ read }) => {
    const key = projection.keyOf(read);
    if (key !== undefined) rows.set(key, projection.evolve(rows.get(key), read));
  };
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
  look: (sample: Sample) => void,
): readonly RecordedFinding[] {
  const who = `${reaction.kind} ${reaction.name}`;
  const threw: RecordedFinding[] = [];
  const readsOf = new Map<string, Reads>();
  for (const { stored, read } of samples) {
    if (!reaction.selection.matches(read)) continue;
    const reads = readsOf.get(stored.type) ?? new Map<string, boolean>();
    readsOf.set(stored.type, reads);
    try {
      look({ stored, read: watchedEvent(read, reads) });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const of = { type: stored.type, version: stored.schemaVersion, event: identityOf(stored) };
      threw.push({ severity: 'error', rule: 'threw', who, ...of, place: 'data', reason });
    }
  }
  const missing = [...readsOf].flatMap(([type, reads]) =>
    [...reads].flatMap(([place, isFound]) => (isFound ? [] : notFound(who, [type], place, registry))),
  );
  return [...missing, ...threw];
}

/** What a filter asks of data that none of its events has. */
function filterFindings(
  reaction: Reaction,
  { types, where }: Selection,
  registry: SchemaRegistry,
  samples: readonly Sample[],
): readonly RecordedFinding[] {
  if (where === undefined) return [];
  const concerned = samples.filter(({ stored }) => types?.includes(stored.type) ?? true);
  if (concerned.length === 0) return [];
  const asked = new Map(
    compilePattern(where).alternatives.flatMap(({ conditions }) =>
      conditions
        // What may be absent is asked for just because it may be.
        .filter(({ path, absent }) => path[0] === 'data' && !absent)
        .map(({ path }) => [path.join('.'), path.slice(1)] as const),
    ),
  );
  const ofTypes = [...new Set(concerned.map(({ stored }) => stored.type))];
  return [...asked].flatMap(([place, path]) =>
    concerned.some(({ read }) => has(read.data, path))
      ? []
      : notFound(`${reaction.kind} ${reaction.name}`, ofTypes, place, registry),
  );
}

/** As patterns have it: in lists one of the elements will do. */
function has(value: unknown, path: readonly string[]): boolean {
  const [name, ...rest] = path;
  if (name === undefined) return value !== undefined;
  if (Array.isArray(value)) return value.some((element) => has(element, path));
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return false;
  return has((value as Readonly<Record<string, unknown>>)[name], rest);
}

function notFound(
  who: string,
  types: readonly string[],
  place: string,
  registry: SchemaRegistry,
): readonly RecordedFinding[] {
  const path = place.split(/\.|(?=\[\])/).slice(1);
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
