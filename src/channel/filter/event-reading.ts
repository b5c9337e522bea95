/**
 * What one event holds at the fields that an index asks about; each field is read once.
 *
 * 1. A field is `absent`, a `leaf`, a `list` of leaves, an `object`, or `tangled`.
 * 2. Tangled is everything where fields are not independent of each other: below or at a list with objects or lists in
 *    it, or reached by a name with dots. There the single matcher decides, on the whole alternative.
 */
import { isScalar, type Scalar } from './condition.ts';
import { readField, readRoot, type EventSource } from './event-source.ts';
import { MAX_LIST_NESTING } from './pattern-limits.ts';
import type { PathNode } from './path-tree.ts';

export type FieldState = 'absent' | 'leaf' | 'list' | 'object' | 'tangled';

export class EventReading {
  /** Rises with each event; what was noted under another number is out of date. */
  generation = 0;
  source: EventSource = {};
  readonly #readIn: number[] = [];
  readonly #states: FieldState[] = [];
  readonly #values: unknown[] = [];

  begin(source: EventSource): void {
    this.generation += 1;
    this.source = source;
  }

  /** Lets go of the event itself; what was read of it stays until the next one. */
  end(): void {
    this.source = {};
  }

  state(field: PathNode): FieldState {
    const { id } = field;
    if (this.#readIn[id] === this.generation) return this.#states[id] ?? 'absent';
    while (this.#readIn.length <= id) {
      this.#readIn.push(0);
      this.#states.push('absent');
      this.#values.push(undefined);
    }
    const state = this.#read(field);
    this.#readIn[id] = this.generation;
    this.#states[id] = state;
    return state;
  }

  /** The leaf of a field whose state is `leaf`. */
  leaf(field: PathNode): Scalar {
    return this.#values[field.id] as Scalar;
  }

  /** The leaves of a field whose state is `list`, or all those which any choice of elements shows if `tangled`. */
  leaves(field: PathNode): readonly Scalar[] {
    if (this.#states[field.id] !== 'tangled') return this.#values[field.id] as Scalar[];
    const found = new Set<Scalar>();
    const names = field.path;
    if (typeof this.source !== 'function') collectLeaves(this.source, { names, at: 0, found }, 0);
    else collectLeaves(readRoot(this.source, names[0] ?? ''), { names, at: 1, found }, 0);
    return [...found];
  }

  /** The object at a field whose state is `object`. */
  object(field: PathNode): object {
    return this.#values[field.id] as object;
  }

  /**
   * The names below a field, or below the root, where no name with dots is on the way: what is not among them is absent
   * there. Undefined where that cannot be said.
   */
  plainNames(parent: PathNode | undefined): readonly string[] | undefined {
    let names: readonly string[] = [];
    for (let at = parent; at !== undefined; at = at.parent) {
      const state = this.state(at);
      if (state === 'tangled') return undefined;
      const own = state === 'object' ? Object.keys(this.object(at)) : [];
      // A name with dots leads past the field below it, to a field further down.
      if (at === parent) names = own;
      else if (own.some(isJoinedName)) return undefined;
    }
    if (typeof this.source === 'function') return parent === undefined ? undefined : names;
    const roots = Object.keys(this.source);
    if (parent === undefined) return roots;
    return roots.some(isJoinedName) ? undefined : names;
  }

  #read(field: PathNode): FieldState {
    const { parent } = field;
    if (parent !== undefined) {
      const around = this.state(parent);
      if (around === 'tangled') return 'tangled';
      if (this.#isJoined(field)) return 'tangled';
      if (around !== 'object') return 'absent';
    }
    const value = parent === undefined ? readRoot(this.source, field.name) : readField(this.object(parent), field.name);
    const state = stateOf(value);
    this.#values[field.id] = value;
    return state;
  }

  #isJoined(field: PathNode): boolean {
    for (const { from, name } of field.joined) {
      if (from === undefined) {
        if (typeof this.source !== 'function' && Object.hasOwn(this.source, name)) return true;
      } else if (this.state(from) === 'object' && Object.hasOwn(this.object(from), name)) {
        return true;
      }
    }
    return false;
  }
}

function isJoinedName(name: string): boolean {
  return name.includes('.');
}

function stateOf(value: unknown): FieldState {
  if (isScalar(value)) return 'leaf';
  if (typeof value !== 'object' || value === null) return 'absent';
  if (!Array.isArray(value)) return 'object';
  if (value.length === 0) return 'absent';
  return value.every(isScalar) ? 'list' : 'tangled';
}

type Search = { readonly names: readonly string[]; readonly at: number; readonly found: Set<Scalar> };

function collectLeaves(value: unknown, search: Search, nesting: number): void {
  const { names, at, found } = search;
  if (isScalar(value)) {
    if (at === names.length) found.add(value);
  } else if (Array.isArray(value)) {
    if (nesting >= MAX_LIST_NESTING) return;
    for (const element of value) collectLeaves(element, search, nesting + 1);
  } else if (typeof value === 'object' && value !== null) {
    for (let end = at + 1; end <= names.length; end += 1) {
      const inner = readField(value, names.slice(at, end).join('.'));
      if (inner !== undefined) collectLeaves(inner, { names, at: end, found }, 0);
    }
  }
}
