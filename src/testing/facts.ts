import { AssertionError } from 'node:assert';
import { isDeepStrictEqual } from 'node:util';
import type { EventDefinition, InputOf } from '../event/define-event.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { PublishOptions } from '../schema/encode.ts';
import { validate } from '../schema/registry.ts';

/** A fact as a test writes it down: `[OrderPlaced, { orderId: '17' }]`. */
export type Fact<Definition extends EventDefinition = EventDefinition> = readonly [
  definition: Definition,
  data: InputOf<Definition>,
  options?: PublishOptions,
];

/** Several facts, each typed by its own definition. */
export type Facts<Definitions extends readonly EventDefinition[]> = {
  readonly [Index in keyof Definitions]: Fact<Definitions[Index]>;
};

/** What a fact comes down to when it is compared. */
export interface PlainFact {
  readonly type: string;
  readonly data: unknown;
}

/**
 * Compares what was recorded with what was expected: exactly these facts, neither more nor fewer. Facts of one type are compared in
 * order; types among each other are not, because reactions to one event are independent of each other.
 *
 * Errors    AssertionError with both lists.
 */
export async function assertFacts(recorded: readonly RecordedEvent[], expected: readonly Fact[]): Promise<void> {
  const found = inOrderOfType(recorded.map(({ type, data }) => ({ type, data })));
  const wanted = inOrderOfType(await Promise.all(expected.map(plainFact)));
  if (isDeepStrictEqual(found, wanted)) return;
  throw new AssertionError({
    message: `expected ${listed(wanted)} to have been recorded thereupon, found ${listed(found)}`,
    actual: found,
    expected: wanted,
    operator: 'deepStrictEqual',
  });
}

/** The fact with its data as the schema gives it back: defaults filled in, values converted. */
export async function plainFact([definition, data]: readonly [
  EventDefinition,
  unknown,
  ...unknown[],
]): Promise<PlainFact> {
  const validation = await validate(definition, data);
  const output = validation.ok ? validation.data : data;
  // As JSON, like what was recorded: a member that is undefined is absent.
  return {
    type: definition.type,
    data: output === undefined ? undefined : (JSON.parse(JSON.stringify(output)) as unknown),
  };
}

function inOrderOfType(facts: readonly PlainFact[]): readonly PlainFact[] {
  return facts.toSorted((left, right) => (left.type < right.type ? -1 : left.type > right.type ? 1 : 0));
}

function listed(facts: readonly PlainFact[]): string {
  return facts.length === 0 ? 'nothing' : facts.map(({ type }) => type).join(', ');
}
