import type { JsonValue } from '../../event/json.ts';

/** A place in the data; undefined: the data itself. */
export interface Place {
  readonly outer: Place | undefined;
  readonly key: string | number;
}

export interface Issue {
  readonly message: string;
  readonly place: Place | undefined;
}

/** The resources that evaluation went through to where it is, the last first: what `$dynamicRef` goes by. */
export interface Scope {
  readonly resource: string;
  readonly outer: Scope | undefined;
}

/**
 * One evaluation of some data.
 *
 * Shape     Without `issues` it ends at the first thing that is wrong: most data fits, and what is wrong with the rest is asked again.
 */
export interface Run {
  readonly issues: Issue[] | undefined;
  scope: Scope | undefined;
}

/** Of data in which everything is wrong. */
const MAX_ISSUES = 100;

/** Always false, so that a check can end with it. */
export function fail(run: Run, place: Place | undefined, message: string): false {
  if (run.issues !== undefined && run.issues.length < MAX_ISSUES) run.issues.push({ message, place });
  return false;
}

export function inside(run: Run, outer: Place | undefined, key: string | number): Place | undefined {
  return run.issues === undefined ? undefined : { outer, key };
}

/** Which members or items of one value a schema has spoken of: what `unevaluatedProperties` and `unevaluatedItems` go by. */
export class Evaluated {
  readonly #keys = new Set<string | number>();
  #all = false;

  add(key: string | number): void {
    this.#keys.add(key);
  }

  addAll(): void {
    this.#all = true;
  }

  has(key: string | number): boolean {
    return this.#all || this.#keys.has(key);
  }

  addFrom(other: Evaluated): void {
    if (other.#all) this.#all = true;
    for (const key of other.#keys) this.#keys.add(key);
  }
}

/** Whether data fits; what it has spoken of goes to `seen`, where somebody asks. */
export type Check = (data: unknown, place: Place | undefined, run: Run, seen: Evaluated | undefined) => boolean;

/** What keywords are made with. */
export interface Compiler {
  readonly assertFormats: boolean;
  /** The check of a schema inside of this one, or of one that it refers to. */
  check(schema: JsonValue): Check;
  /** Of a whole keyword with schemas by name. */
  checks(schemas: JsonValue | undefined): readonly (readonly [name: string, check: Check])[];
}

/** A value inside of the data: what is seen there is its own affair. */
export function within(check: Check, data: unknown, key: string | number, place: Place | undefined, run: Run): boolean {
  return check(data, inside(run, place, key), run, undefined);
}
