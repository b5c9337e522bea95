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
  readonly #rows = new Map<string, KnownRow & { readonly bytes: number }>();
  #bytes = 0;

  get(namespace: string, key: string): KnownRow | undefined {
    const name = nameOf(namespace, key);
    const row = this.#rows.get(name);
    if (row === undefined) return undefined;
    this.#rows.delete(name);
    this.#rows.set(name, row);
    return row;
  }

  set(namespace: string, key: string, { stored, value }: KnownRow): void {
    this.delete(namespace, key);
    const bytes =
      ROW_BYTES + key.length + (stored?.json.length ?? 0) + (stored?.indexes?.length ?? 0) + roughJsonBytes(value);
    this.#rows.set(nameOf(namespace, key), { stored, value, bytes });
    this.#bytes += bytes;
    for (const [name, row] of this.#rows) {
      if (this.#rows.size <= MAX_ROWS && this.#bytes <= MAX_BYTES) break;
      this.#rows.delete(name);
      this.#bytes -= row.bytes;
    }
  }

  delete(namespace: string, key: string): void {
    const name = nameOf(namespace, key);
    const row = this.#rows.get(name);
    if (row === undefined) return;
    this.#rows.delete(name);
    this.#bytes -= row.bytes;
  }

  clear(): void {
    this.#rows.clear();
    this.#bytes = 0;
  }
}

function nameOf(namespace: string, key: string): string {
  return `${namespace}\u0000${key}`;
}
