import { compilePattern } from '../channel/filter/compile.ts';
import { matches } from '../channel/filter/matches.ts';
import type { PatternFor } from '../channel/filter/pattern.ts';
import { InvalidDefinition } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import type { EventDefinition, EventOf } from '../event/define-event.ts';
import type { RecordedEvent } from '../event/event.ts';
import { assertKnown } from '../system/known-options.ts';
import { durationMs } from '../system/duration.ts';
import type { Duration } from '../system/duration.ts';

/** The events that a match has so far, by the names of its parts. */
export type MatchedSoFar = Readonly<Record<string, readonly RecordedEvent[]>>;

/** What else must hold of an event: a pattern over it, or a function, which also sees what was matched before. Pure. */
export type PartCondition<Definition extends EventDefinition> =
  | PatternFor<EventOf<Definition>>
  | ((event: EventOf<Definition>, soFar: MatchedSoFar) => boolean);

interface Condition {
  readonly holds: (event: RecordedEvent, soFar: MatchedSoFar) => boolean;
  /** What the shared index may look for, where it is data. */
  readonly pattern: unknown;
}

/** An event of a kind, or several of it, under a name. */
export class Part<Name extends string = string, Definition extends EventDefinition = EventDefinition> {
  readonly kind = 'part';
  readonly name: Name;
  readonly definition: Definition;
  readonly condition: Condition | undefined;
  readonly min: number;
  readonly max: number;

  constructor(name: Name, definition: Definition, more: Partial<Pick<Part, 'condition' | 'max' | 'min'>> = {}) {
    this.name = name;
    this.definition = definition;
    this.condition = more.condition;
    this.min = more.min ?? 1;
    this.max = more.max ?? 1;
  }

  /** Only events of which this holds. Errors: InvalidPattern names the place. */
  where(condition: PartCondition<Definition>): Part<Name, Definition> {
    if (this.condition !== undefined)
      throw new InvalidDefinition(`part ${describeValue(this.name)}`, 'it has a condition already; say both in one');
    return new Part(this.name, this.definition, {
      min: this.min,
      max: this.max,
      condition: conditionOf(condition),
    });
  }

  /** So many of them: as many as come before the next part does. Errors: InvalidDefinition. */
  count(options: { readonly atLeast?: number; readonly atMost?: number }): Part<Name, Definition> {
    const name = `part ${describeValue(this.name)}`;
    if (typeof options !== 'object' || (options as unknown) === null)
      throw new InvalidDefinition(
        name,
        `count must be an object with atLeast or atMost, found ${describeValue(options)}`,
      );
    assertKnown(name, options, ['atLeast', 'atMost'], 'count.');
    const { atLeast = 1, atMost = Number.POSITIVE_INFINITY } = options;
    const isCount = Number.isSafeInteger(atLeast) && atLeast >= 0 && atMost >= Math.max(1, atLeast);
    if (!isCount || !(Number.isSafeInteger(atMost) || atMost === Number.POSITIVE_INFINITY))
      throw new InvalidDefinition(
        name,
        `count must go from a whole number to one that is no less, found ${atLeast} to ${atMost}`,
      );
    return new Part(this.name, this.definition, {
      condition: this.condition,
      min: atLeast,
      max: atMost,
    });
  }
}

/** No event of a kind. */
export class Absence<Definition extends EventDefinition = EventDefinition> {
  readonly kind = 'absence';
  readonly definition: Definition;
  readonly condition: Condition | undefined;
  readonly forMs: number | undefined;

  constructor(definition: Definition, condition: Condition | undefined, forMs: number | undefined) {
    this.definition = definition;
    this.condition = condition;
    this.forMs = forMs;
  }

  /** For so long after what came before it. */
  within(duration: Duration): Absence<Definition> {
    return new Absence(this.definition, this.condition, durationMs(duration, `not(${this.definition.type}).within`));
  }
}

/** All of several parts, or any of them, in whatever order. */
export class Sides<Parts extends readonly Side[] = readonly Side[]> {
  readonly kind: 'all' | 'any';
  readonly sides: Parts;

  constructor(kind: 'all' | 'any', sides: Parts) {
    this.kind = kind;
    this.sides = sides;
  }
}

/** Steps that begin anew each time that they were gone through. */
export class Every<Steps extends readonly PatternStep[] = readonly PatternStep[]> {
  readonly kind = 'every';
  readonly steps: Steps;

  constructor(steps: Steps) {
    this.steps = steps;
  }
}

export type Side = Part | Absence;
export type PatternStep = Part | Absence | Sides;

/** The events of a match by the names of its parts, as types. */
export type MatchedBy<Step> =
  Step extends Part<infer Name, infer Definition>
    ? { readonly [Key in Name]: readonly EventOf<Definition>[] }
    : Step extends Sides<infer Parts>
      ? MatchedBy<Parts[number]>
      : Step extends Every<infer Steps>
        ? MatchedBy<Steps[number]>
        : never;

/** Of a union of parts, all of them; of none nothing. */
export type Joined<Union> = [Union] extends [never] ? object : AllOf<Union>;

type AllOf<Union> = (Union extends unknown ? (given: Union) => void : never) extends (given: infer All) => void
  ? All
  : never;

/** An event of a kind, by the name under which a match has it. */
export function one<const Name extends string, Definition extends EventDefinition>(
  name: Name,
  definition: Definition,
): Part<Name, Definition> {
  // It is a member of the match: what every object has would be there already.
  if (typeof name !== 'string' || !/^[\p{L}_][\p{L}\p{N}_-]*$/u.test(name) || name in {})
    throw new InvalidDefinition(
      'pattern',
      `a part must have a name of letters and digits, found ${describeValue(name)}`,
    );
  assertEvent(`part ${name}`, definition);
  return new Part(name, definition);
}

function assertEvent(name: string, given: unknown): void {
  if ((given as EventDefinition | null | undefined)?.kind !== 'event')
    throw new InvalidDefinition(name, `expected what defineEvent gives, found ${describeValue(given)}`);
}

/** No event of a kind: `not(Paid).within('15m')` after what comes before it; inside `and`, without a time, until the others are there. */
export function not<Definition extends EventDefinition>(
  definition: Definition,
  condition?: PartCondition<Definition>,
): Absence<Definition> {
  assertEvent('not', definition);
  return new Absence(definition, condition === undefined ? undefined : conditionOf(condition), undefined);
}

/** All of them, in whatever order. */
export function and<const Parts extends readonly [Side, Side, ...Side[]]>(...sides: Parts): Sides<Parts> {
  return new Sides('all', sides);
}

/** The first of them that comes. */
export function or<const Parts extends readonly [Side, Side, ...Side[]]>(...sides: Parts): Sides<Parts> {
  return new Sides('any', sides);
}

/** Steps that begin anew each time that they were gone through, while what came before them stays. */
export function every<const Steps extends readonly [PatternStep, ...PatternStep[]]>(...steps: Steps): Every<Steps> {
  return new Every(steps);
}

function conditionOf(given: unknown): Condition {
  if (typeof given === 'function') return { holds: given as Condition['holds'], pattern: undefined };
  const compiled = compilePattern(given);
  return { holds: (event) => matches(compiled, (name) => event.attribute(name)), pattern: given };
}
