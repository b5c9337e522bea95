import type { JsonValue } from '../event/json.ts';
import { sealJson } from '../event/sealed-json.ts';
import type { RowStore } from './row-store.ts';

/** States kept in memory per consumer; the least recently used go first. */
const MAX_STATES = 20_000;

/**
 * The states of a consumer's keys: what is committed, overlaid with what handled events have changed since.
 *
 * Invariants
 * 1. While a consumer runs, it alone writes its namespace: a cached state is the state.
 * 2. A changed state is not dropped before its commit: dropping happens only in `trim`, which the loop calls when nothing is uncommitted.
 */
export class StateCache {
  readonly #rows: RowStore;
  readonly #namespace: string;
  readonly #states = new Map<string, JsonValue | undefined>();

  constructor(rows: RowStore, namespace: string) {
    this.#rows = rows;
    this.#namespace = namespace;
  }

  has(key: string): boolean {
    return this.#states.has(key);
  }

  get(key: string): JsonValue | undefined {
    return this.#states.get(key);
  }

  set(key: string, value: JsonValue | undefined): void {
    this.#states.set(key, value);
  }

  /** Reads the states of keys that are not in memory. */
  async load(keys: Iterable<string>): Promise<void> {
    const missing = [...new Set(keys)].filter((key) => !this.#states.has(key));
    if (missing.length === 0) return;
    const values = await this.#rows.getMany(this.#namespace, missing);
    for (const [index, key] of missing.entries()) {
      // A handler of the same key may have set it while this was read.
      const value = values[index];
      if (!this.#states.has(key)) this.#states.set(key, value === undefined ? undefined : sealJson(value, 'state'));
    }
  }

  trim(): void {
    if (this.#states.size <= MAX_STATES) return;
    let excess = this.#states.size - MAX_STATES / 2;
    for (const key of this.#states.keys()) {
      if (excess <= 0) break;
      this.#states.delete(key);
      excess -= 1;
    }
  }
}
