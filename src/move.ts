import { factoryOf } from './store-address.ts';
import type { ImageCounts, ImageRecord } from './store-image.ts';
import type { StoreFactory } from './store.ts';
import { createEnvironment } from './system/environment.ts';

/**
 * Everything that a store holds, as of the first page, beside whoever writes to it.
 *
 * Shape     As of `ImageRecord`; pages are bounded. What cannot be read beside a writer is opened for writing.
 * Errors    StoreUnusable, StoreUnavailable, StoreHeld of the backend.
 */
export async function* readImage(
  store: StoreFactory | string,
): AsyncGenerator<readonly ImageRecord[], void, undefined> {
  const factory = typeof store === 'string' ? await factoryOf(store) : store;
  const opened = await (factory.forReading?.() ?? factory).open(createEnvironment());
  try {
    yield* opened.image.read();
  } finally {
    await opened.close();
  }
}

/**
 * Fills a store that holds nothing, or is not there yet, with what another one held: all or nothing.
 *
 * Shape     `records`: as `readImage` gives them, also after a way through JSON. Answers how many came of each kind.
 * Errors    WrongState names what the store holds, or what of the image it cannot hold; InvalidInput names the record that is not as it must be;
 *           StoreUnusable, StoreUnavailable, StoreHeld of the backend; what `records` throws.
 */
export async function fillStore(
  store: StoreFactory | string,
  records: AsyncIterable<readonly unknown[]>,
): Promise<ImageCounts> {
  const factory = typeof store === 'string' ? await factoryOf(store) : store;
  const opened = await factory.open(createEnvironment());
  try {
    return await opened.image.fill(records);
  } finally {
    await opened.close();
  }
}
