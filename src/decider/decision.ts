import { InvalidDefinition, InvalidInput } from '../errors.ts';
import { describeValue, isPromised } from '../system/values.ts';
import type { Actor } from '../event/actor.ts';
import type { EventDefinition, InputOf } from '../event/define-event.ts';
import { assertJson } from '../event/json.ts';
import type { JsonValue } from '../event/json.ts';
import type { Publication } from '../producer/publisher.ts';
import type { PublishOptions } from '../schema/encode.ts';

/** A command as `decide` sees it. */
export interface Command<Data = unknown> {
  readonly id: string;
  readonly name: string;
  readonly data: Data;
  /** When it is decided, RFC 3339 in UTC: `decide` reads no clock. */
  readonly time: string;
  /** Who gives it, as far as that is said. */
  readonly actor: Actor | undefined;
}

/** Why a command is not done: an outcome like any other, which nobody has to catch. */
export interface Refusal {
  readonly kind: 'refusal';
  /** For programs: short and stable, such as `out-of-stock`. */
  readonly reason: string;
  /** For people. */
  readonly message: string;
  readonly details: JsonValue | undefined;
  /** Facts of the refusal itself, which are recorded. */
  readonly record: readonly Publication[];
}

/** What comes of a command: facts, in their order; none; or a refusal. */
export type Decision = Publication | readonly Publication[] | Refusal | undefined;

/** A fact that a decision records: its data is checked against the definition by the compiler. */
export function fact<Definition extends EventDefinition>(
  event: Definition,
  data: InputOf<Definition>,
  options?: PublishOptions,
): Publication<Definition> {
  return options === undefined ? { event, data } : { event, data, options };
}

/**
 * Refuses a command.
 *
 * Shape     reason: short and stable, for programs. message: for people, default the reason. `record`: facts to be recorded although, or
 *           because, it is refused.
 * Errors    InvalidInput
 */
export function refuse(
  reason: string,
  message: string = reason,
  options: { readonly details?: JsonValue; readonly record?: Publication | readonly Publication[] } = {},
): Refusal {
  if (typeof reason !== 'string' || reason === '')
    throw new InvalidInput({ path: 'reason', expected: 'why it is refused, such as out-of-stock', found: reason });
  if (typeof message !== 'string') throw new InvalidInput({ path: 'message', expected: 'text', found: message });
  const { details, record = [] } = options;
  if (details !== undefined) assertJson(details, 'details', 0);
  return { kind: 'refusal', reason, message, details, record: asList(record) };
}

/** The facts of a decision, and the refusal, if it is one. Errors: InvalidDefinition for anything else. */
export function decided(
  decider: string,
  decision: unknown,
): { readonly facts: readonly Publication[]; readonly refusal: Refusal | undefined } {
  if (decision === undefined || decision === null) return { facts: [], refusal: undefined };
  assertAtOnce(`decider ${decider}`, 'decide', decision);
  if ((decision as Partial<Refusal>).kind === 'refusal') {
    const refusal = decision as Refusal;
    return { facts: refusal.record, refusal };
  }
  const facts = asList(decision as Publication | readonly Publication[]);
  for (const [index, each] of facts.entries())
    if ((each as Partial<Publication> | undefined)?.event?.kind !== 'event')
      throw new InvalidDefinition(
        `decider ${decider}`,
        `decide must give facts (fact(OrderPlaced, {...})), a refusal (refuse('reason')) or nothing; found ${describeValue(each)} at ${index}`,
      );
  return { facts, refusal: undefined };
}

/** Errors: InvalidDefinition for a promise, whose failure is nobody's then. */
export function assertAtOnce(title: string, what: string, answer: unknown): void {
  if (!isPromised(answer)) return;
  throw new InvalidDefinition(
    title,
    `${what} must answer at once, found a promise; what takes time comes before the command`,
  );
}

function asList(facts: Publication | readonly Publication[]): readonly Publication[] {
  return Array.isArray(facts) ? (facts as readonly Publication[]) : [facts as Publication];
}
