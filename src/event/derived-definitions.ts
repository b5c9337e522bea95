import type { StandardSchemaV1 } from '@standard-schema/spec';
import { InvalidInput } from '../errors.ts';
import { deterministicId } from '../system/ids.ts';
import type { EventDefinition } from './define-event.ts';
import type { RecordedEvent } from './event.ts';
import { OPENING } from './opening.ts';
import { recordedEvent } from './recorded-event.ts';

/** Data that was checked when it was first recorded, as what its schema gave out. */
const CHECKED: StandardSchemaV1 = {
  '~standard': { version: 1, vendor: 'thereupon', validate: (value) => ({ value }) },
};

const RETRACTED = '.retracted';
const LATE = '.late';
const retractions = new WeakMap<EventDefinition, EventDefinition>();
const lates = new WeakMap<EventDefinition, EventDefinition>();

/**
 * The fact that an event of this definition holds no longer: it was a result, and what it was made of is otherwise than was known. Its data
 * is that of the event, whose id is its attribute `retracts`; where another one takes its place, that one's attribute `replaces` has the id too.
 */
export function retractionOf<Type extends string, Input, Data>(
  definition: EventDefinition<Type, Input, Data>,
): EventDefinition<`${Type}.retracted`, Input, Data> {
  return derived(retractions, definition, RETRACTED, 'was taken back') as EventDefinition<
    `${Type}.retracted`,
    Input,
    Data
  >;
}

/** The id of the fact that an event holds no longer. */
export function retractionId(id: string): string {
  return deterministicId(['retraction', id]);
}

/** The type of what is taken back by events of a type; undefined: they take nothing back. */
export function retractedType(type: string): string | undefined {
  return type.endsWith(RETRACTED) ? type.slice(0, -RETRACTED.length) : undefined;
}

/** What a fact of `retractionOf` takes back, as it was, but for its place. */
export function retractedEvent(event: RecordedEvent): RecordedEvent {
  const { stored } = event;
  const opening = stored[OPENING];
  const { retracts, replacedby: _by, unsaid: _why, ...attributes } = stored.attributes ?? {};
  return recordedEvent({
    ...stored,
    type: stored.type.slice(0, -RETRACTED.length),
    id: typeof retracts === 'string' ? retracts : stored.id,
    attributes,
    ...(opening === undefined ? {} : { [OPENING]: opening.as(stored.type) }),
  });
}

/** The fact that an event of this definition came too late for a reaction that goes by event time. Its data is that of the event. */
export function lateOf<Type extends string, Input, Data>(
  definition: EventDefinition<Type, Input, Data>,
): EventDefinition<`${Type}.late`, Data, Data> {
  return derived(lates, definition, LATE, 'came too late') as EventDefinition<`${Type}.late`, Data, Data>;
}

/** Attributes of a fact about another one, with its `timing`: who does not let that one in does not let this one in. */
export function timedAs(
  { stored }: RecordedEvent,
  extensions: Readonly<Record<string, string | number | boolean>> = {},
): Readonly<Record<string, string | number | boolean>> {
  const { timing: _present, ...others } = extensions;
  const { timing } = (stored.attributes ?? {}) as { readonly timing?: string };
  return timing === undefined ? others : { ...others, timing };
}

/** The same definition for data that its schema gave out before. */
export function asChecked(definition: EventDefinition): EventDefinition {
  return { ...definition, schema: CHECKED };
}

function derived(
  known: WeakMap<EventDefinition, EventDefinition>,
  definition: EventDefinition,
  suffix: string,
  summary: string,
): EventDefinition {
  if ((definition as EventDefinition | null | undefined)?.kind !== 'event')
    throw new InvalidInput({ path: 'definition', expected: 'what defineEvent gives', found: definition });
  const before = known.get(definition);
  if (before !== undefined) return before;
  const made: EventDefinition = {
    ...definition,
    type: `${definition.type}${suffix}`,
    summary: `An event of ${definition.type} ${summary}`,
    ...(suffix === LATE ? { schema: CHECKED } : {}),
  };
  known.set(definition, made);
  return made;
}
