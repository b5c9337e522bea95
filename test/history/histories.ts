import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'thereupon';
import type { EventDefinition, StoreFactory, System, SystemOptions } from 'thereupon';
import { memory } from 'thereupon/memory';
import { sqlite } from 'thereupon/sqlite';
import { describe } from 'vitest';
import { mulberry32 } from '../crash/mulberry.ts';

/** A line of a table, by the names of its columns. */
export type Line = Readonly<Record<string, string>>;

export function linesOf(csv: string): readonly Line[] {
  const [head = '', ...rows] = csv.trim().split('\n');
  const columns = head.split(',');
  return rows.map((row) => Object.fromEntries(row.split(',').map((value, index) => [columns[index] ?? '', value])));
}

/** Registers tests once for each store: what is told of the past is the same, whatever holds it. */
export function onEveryStore(register: (store: () => StoreFactory & Disposable) => void): void {
  describe('in memory', () => register(() => ({ ...memory(), [Symbol.dispose]: () => undefined })));
  describe('in a file', () =>
    register(() => {
      const folder = mkdtempSync(join(tmpdir(), 'thereupon-history-'));
      return { ...sqlite(join(folder, 'store.db')), [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
    }));
}

/** A program that was started anew on a store: what it knows it has read there. */
export function anew<Events extends EventDefinition>(
  store: StoreFactory,
  program: Omit<SystemOptions<Events>, 'store'>,
): Promise<System<Events>> {
  return open<Events>({ ...program, store });
}

/**
 * Entities of a history, each with an instant: at one of its events, a moment before or after one, or anywhere between the first and the last.
 * The same seed gives the same ones.
 */
export function questions(
  timesOf: ReadonlyMap<string, readonly number[]>,
  count: number,
  seed: number,
): readonly { readonly entity: string; readonly atMs: number }[] {
  const random = mulberry32(seed);
  const entities = [...timesOf];
  const oneOf = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  return Array.from({ length: count }, () => {
    const [entity, times] = oneOf(entities);
    const first = times[0] ?? 0;
    const span = (times.at(-1) ?? 0) - first;
    const anywhere = Math.round(first - 0.1 * span + 1.2 * span * random());
    const close = oneOf(times) + oneOf([-1, 0, 0, 1]);
    return { entity, atMs: random() < 0.5 ? close : anywhere };
  });
}
