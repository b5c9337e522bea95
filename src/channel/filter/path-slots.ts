/**
 * For one field, where each kind of comparison keeps what hangs on it, so that a value finds all that accept it
 * without trying them one by one.
 *
 * Equal values are one look-up; prefixes, suffixes and networks one walk down a trie; ranges a binary search; wildcards
 * are tried if the text before their first `*` fits; anything-but is tried once for each way it is written.
 */
import { addressBits } from './address-bits.ts';
import { acceptsBy, operatorKey, type Condition, type Operator, type Scalar } from './condition.ts';
import { foldCase } from './folded-text.ts';
import { RadixTrie } from './radix-trie.ts';
import { RangeTable } from './range-table.ts';

/** A place for one value: that of one comparison. */
export type Slot<T> = { get(): T | undefined; set(value: T): void; delete(): void };

type Store<K, T> = { get(key: K): T | undefined; set(key: K, value: T): unknown; delete(key: K): unknown };

export class PathSlots<T> {
  readonly #values = new Map<Scalar, T>();
  readonly #foldedEqual = new Map<string, T>();
  readonly #prefixes = new LazyTrie<T>();
  readonly #suffixes = new LazyTrie<T>();
  readonly #foldedPrefixes = new LazyTrie<T>();
  readonly #foldedSuffixes = new LazyTrie<T>();
  readonly #networks = new LazyTrie<T>();
  readonly #wildcards = new LazyTrie<TriedOperators<T>>();
  readonly #ranges = new RangeTable<T>();
  readonly #others = new TriedOperators<T>();
  /** Whether anything but plain values was ever asked for. */
  #hasOperators = false;
  #present: T | undefined;
  /** What hangs on the field being absent. */
  absent: T | undefined;

  /** One slot for each comparison of the condition. */
  slotsOf(condition: Condition): Slot<T>[] {
    const slots = [...condition.values].map((value) => slotIn(this.#values, value));
    for (const operator of condition.operators) slots.push(this.#slotOf(operator));
    if (condition.operators.length > 0) this.#hasOperators = true;
    if (condition.absent) slots.push(this.#absentSlot());
    return slots;
  }

  /** Calls back with what hangs on each comparison that accepts the leaf. */
  visit(leaf: Scalar, visit: (value: T) => void): void {
    const equal = this.#values.get(leaf);
    if (equal !== undefined) visit(equal);
    if (!this.#hasOperators) return;
    if (this.#present !== undefined) visit(this.#present);
    if (typeof leaf === 'number') this.#ranges.visitAround(leaf, visit);
    else if (typeof leaf === 'string') this.#visitText(leaf, visit);
    this.#others.visit(leaf, visit);
  }

  #visitText(text: string, visit: (value: T) => void): void {
    this.#prefixes.visitPrefixesOf(text, visit);
    if (this.#wildcards.used) this.#wildcards.visitPrefixesOf(text, (tried) => tried.visit(text, visit));
    if (this.#suffixes.used) this.#suffixes.visitPrefixesOf(reversed(text), visit);
    if (this.#networks.used) {
      const bits = addressBits(text);
      if (bits !== undefined) this.#networks.visitPrefixesOf(bits, visit);
    }
    if (this.#foldedEqual.size === 0 && !this.#foldedPrefixes.used && !this.#foldedSuffixes.used) return;
    const folded = foldCase(text);
    const equal = this.#foldedEqual.get(folded);
    if (equal !== undefined) visit(equal);
    this.#foldedPrefixes.visitPrefixesOf(folded, visit);
    if (this.#foldedSuffixes.used) this.#foldedSuffixes.visitPrefixesOf(reversed(folded), visit);
  }

  #slotOf(operator: Operator): Slot<T> {
    switch (operator.kind) {
      case 'present':
        return this.#presentSlot();
      case 'prefix':
        return slotIn(this.#prefixes, operator.text);
      case 'suffix':
        return slotIn(this.#suffixes, reversed(operator.text));
      case 'folded-prefix':
        return slotIn(this.#foldedPrefixes, operator.text);
      case 'folded-suffix':
        return slotIn(this.#foldedSuffixes, reversed(operator.text));
      case 'folded-equal':
        return slotIn(this.#foldedEqual, operator.text);
      case 'network':
        return slotIn(this.#networks, operator.bits);
      case 'range':
        return slotIn(this.#ranges, operator);
      case 'wildcard':
        return this.#wildcardSlot(operator, operator.pieces[0] ?? '');
      case 'other-than':
      case 'none-of':
        return slotIn(this.#others, operator);
      default:
        return operator satisfies never;
    }
  }

  #wildcardSlot(operator: Operator, head: string): Slot<T> {
    // Looked up each time: another wildcard with the same head, of the same condition too, may have come or gone meanwhile.
    return {
      get: () => this.#wildcards.get(head)?.get(operator),
      set: (value) => {
        const tried = this.#wildcards.get(head) ?? new TriedOperators<T>();
        tried.set(operator, value);
        this.#wildcards.set(head, tried);
      },
      delete: () => {
        const tried = this.#wildcards.get(head);
        tried?.delete(operator);
        if (tried?.size === 0) this.#wildcards.delete(head);
      },
    };
  }

  #presentSlot(): Slot<T> {
    const set = (value: T | undefined): void => {
      this.#present = value;
    };
    return { get: () => this.#present, set, delete: () => set(undefined) };
  }

  #absentSlot(): Slot<T> {
    const set = (value: T | undefined): void => {
      this.absent = value;
    };
    return { get: () => this.absent, set, delete: () => set(undefined) };
  }
}

/** Operators that can only be tried; each way of writing one is tried once, whoever shares it. */
class TriedOperators<T> {
  readonly #entries = new Map<string, { readonly operator: Operator; value: T }>();

  get size(): number {
    return this.#entries.size;
  }

  get(operator: Operator): T | undefined {
    return this.#entries.get(operatorKey(operator))?.value;
  }

  set(operator: Operator, value: T): void {
    this.#entries.set(operatorKey(operator), { operator, value });
  }

  delete(operator: Operator): void {
    this.#entries.delete(operatorKey(operator));
  }

  visit(leaf: Scalar, visit: (value: T) => void): void {
    if (this.#entries.size === 0) return;
    for (const { operator, value } of this.#entries.values()) if (acceptsBy(operator, leaf)) visit(value);
  }
}

/** A trie that is made with its first entry: most fields of most indexes need none. */
class LazyTrie<T> {
  #trie: RadixTrie<T> | undefined;

  get used(): boolean {
    return this.#trie !== undefined;
  }

  get(key: string): T | undefined {
    return this.#trie?.get(key);
  }

  set(key: string, value: T): void {
    this.#trie ??= new RadixTrie();
    this.#trie.set(key, value);
  }

  delete(key: string): void {
    this.#trie?.delete(key);
  }

  visitPrefixesOf(text: string, visit: (value: T) => void): void {
    this.#trie?.visitPrefixesOf(text, visit);
  }
}

function slotIn<K, T>(store: Store<K, T>, key: K): Slot<T> {
  return {
    get: () => store.get(key),
    set: (value) => void store.set(key, value),
    delete: () => void store.delete(key),
  };
}

/** By code units, as the tries compare; a text that is cut within a character is never shown to anyone. */
function reversed(text: string): string {
  let result = '';
  for (let at = text.length - 1; at >= 0; at -= 1) result += text.charAt(at);
  return result;
}
