import type { JsonValue } from '../event/json.ts';
import { roughJsonBytes } from '../event/json.ts';
import { sealJson } from '../event/sealed-json.ts';
import type { KeyedState } from './reaction.ts';
import type { RowStore } from './row-store.ts';

/** States kept in memory per consumer, and what they take (G10); the least recently used go first. */
const MAX_STATES = 20_000;
/** Of a key in the cache, without its state. */
const KEY_BYTES = 100;
const MAX_STATES_BYTES = 32 * 1_024 * 1_024;

/**
 * The states of a consumer's keys: what is committed, overlaid with what handled events have changed since.
 *
 * Invariants
 * 1. While a consumer runs, it alone writes its namespace: a cached state is the state.
 * 2. A changed state is not dropped before its commit, nor a state while it is read: what is read could be older than what was dropped.
 */
export class StateCache {
  readonly #rows: RowStore;
  readonly #namespace: string;
  readonly #restored: ((row: JsonValue) => JsonValue | undefined) | undefined;
  readonly #states = new Map<string, { readonly value: JsonValue | undefined; readonly bytes: number }>();
  #bytes = 0;
  readonly #loading = new Map<string, number>();

  constructor(rows: RowStore, { namespace, form }: Pick<KeyedState, 'form' | 'namespace'>) {
    this.#rows = rows;
    this.#namespace = namespace;
    this.#restored = form?.restored;
  }

  has(key: string): boolean {
    return this.#states.has(key);
  }

  get(key: string): JsonValue | undefined {
    return this.#states.get(key)?.value;
  }

  /** `bytes`: what the value takes, as of `roughJsonBytes`. */
  set(key: string, value: JsonValue | undefined, valueBytes: number): void {
    const bytes = KEY_BYTES + valueBytes;
    this.#bytes += bytes - (this.#states.get(key)?.bytes ?? 0);
    this.#states.set(key, { value, bytes });
  }

  /** Reads the states of keys that are not in memory. */
  async load(keys: Iterable<string>): Promise<void> {
    const missing = [...new Set(keys)].filter((key) => !this.#states.has(key));
    if (missing.length === 0) return;
    for (const key of missing) this.#loading.set(key, (this.#loading.get(key) ?? 0) + 1);
    try {
      await this.#read(missing);
    } finally {
      for (const key of missing) {
        const readers = (this.#loading.get(key) ?? 1) - 1;
        if (readers > 0) this.#loading.set(key, readers);
        else this.#loading.delete(key);
      }
    }
  }

  async #read(missing: readonly string[]): Promise<void> {
    const values = await this.#rows.getMany(this.#namespace, missing);
    for (const [index, key] of missing.entries()) {
      // A handler of the same key may have set it while this was read.
      const value = values[index];
      if (!this.#states.has(key))
        this.set(key, value === undefined ? undefined : this.#stateOf(value), roughJsonBytes(value));
    }
  }

  #stateOf(row: JsonValue): JsonValue | undefined {
    return this.#restored === undefined ? sealJson(row, 'state') : this.#restored(row);
  }

  /** Drops states above the limit, but for those that are not committed yet. */
  trim(isUncommitted: (key: string) => boolean): void {
    if (this.#states.size <= MAX_STATES && this.#bytes <= MAX_STATES_BYTES) return;
    for (const [key, { bytes }] of this.#states) {
      if (this.#states.size <= MAX_STATES / 2 && this.#bytes <= MAX_STATES_BYTES / 2) break;
      if (isUncommitted(key) || this.#loading.has(key)) continue;
      this.#states.delete(key);
      this.#bytes -= bytes;
    }
  }
}
