import { LRUCache } from 'lru-cache';
import { roughJsonBytes } from '../../event/json.ts';
import type { JsonValue } from '../../event/json.ts';
import type { StoredRow } from './row-store.ts';

/** A row as it is stored, or that there is none. */
export interface KnownRow {
  readonly stored: StoredRow | undefined;
  readonly value: JsonValue | undefined;
}

/** Rows kept in memory, and what they take (G10); the least recently used go first. */
const MAX_ROWS = 20_000;
const MAX_BYTES = 32 * 1_024 * 1_024;
/** Of a row, beside its text and its value. */
const ROW_BYTES = 150;

/** Rows as this process has read or written them. Others may have changed them since: whoever writes what follows from them has that checked. */
export class RowMemory {
  readonly #rows = new LRUCache<string, KnownRow>({ max: MAX_ROWS, maxSize: MAX_BYTES });

  get(namespace: string, key: string): KnownRow | undefined {
    return this.#rows.get(nameOf(namespace, key));
  }

  set(namespace: string, key: string, row: KnownRow): void {
    const { stored, value } = row;
    const texts = (stored?.json.length ?? 0) + (stored?.indexes?.length ?? 0);
    this.#rows.set(nameOf(namespace, key), row, { size: ROW_BYTES + key.length + texts + roughJsonBytes(value) });
  }

  delete(namespace: string, key: string): void {
    this.#rows.delete(nameOf(namespace, key));
  }

  clear(): void {
    this.#rows.clear();
  }
}

function nameOf(namespace: string, key: string): string {
  return `${namespace}\u0000${key}`;
}
