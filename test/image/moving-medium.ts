import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memory } from '../../src/backends/memory/memory.ts';
import { sqlite } from '../../src/backends/sqlite/sqlite.ts';
import type { BenchMedium } from '../../src/contract/bench.ts';
import { assertSameImage, given, imageOf } from '../../src/contract/image-samples.ts';
import type { StoreFactory } from '../../src/store.ts';
import type { Environment } from '../../src/system/environment.ts';

export type NewMedium = () => BenchMedium;

export function newFile(): BenchMedium {
  const folder = mkdtempSync(join(tmpdir(), 'thereupon-'));
  return { factory: sqlite(join(folder, 'store.db')), dispose: () => rmSync(folder, { recursive: true }) };
}

export const newMemory: NewMedium = () => ({ factory: memory() });

/** Moves a store; rejects where the image of the other one is not, record by record, that of the first. */
export async function move(from: StoreFactory, to: StoreFactory, environment: Environment): Promise<void> {
  const source = await from.open(environment);
  const target = await to.open(environment);
  try {
    const image = await imageOf(source);
    await target.image.fill(given(image));
    assertSameImage(await imageOf(target), image);
  } finally {
    await source.close();
    await target.close();
  }
}

/** A store that is in another backend whenever it is opened again: everything of it has to come along. */
export function movingMedium(media: readonly NewMedium[]): BenchMedium {
  let moves = 0;
  let present: BenchMedium | undefined;
  return {
    factory: {
      backend: 'moving',
      location: 'now here, now there',
      async open(environment) {
        const next = media[moves % media.length]?.() ?? newMemory();
        moves += 1;
        const before = present;
        present = next;
        if (before !== undefined) {
          await move(before.factory, next.factory, environment);
          await before.dispose?.();
        }
        return next.factory.open(environment);
      },
    },
    dispose: () => present?.dispose?.(),
  };
}
