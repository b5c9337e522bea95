import { KEYS_NAMESPACE } from '../personal/subject-keys.ts';
import { factoryOf } from '../store-address.ts';
import type { ImageCounts, ImageRecord } from './store-image.ts';
import type { StoreFactory } from '../store.ts';
import { createEnvironment } from '../system/environment.ts';

/**
 * Everything that a store holds, as of the first page, beside whoever writes to it.
 *
 * Shape     As of `ImageRecord`; pages are bounded. What cannot be read beside a writer is opened for writing.
 *           withKeys: also the keys of what is sealed. Without them, the default, nothing personal can be read of what it fills, and an image made
 *           before somebody is forgotten brings nothing of them back.
 * Errors    StoreUnusable, StoreUnavailable, StoreHeld of the backend.
 */
export async function* readImage(
  store: StoreFactory | string,
  { withKeys = false }: { readonly withKeys?: boolean } = {},
): AsyncGenerator<readonly ImageRecord[], void, undefined> {
  const factory = typeof store === 'string' ? await factoryOf(store) : store;
  const opened = await (factory.forReading?.() ?? factory).open(createEnvironment());
  try {
    yield* withKeys ? opened.image.read() : withoutKeys(opened.image.read());
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

/** An image of a store that never had a key. */
async function* withoutKeys(
  pages: AsyncIterable<readonly ImageRecord[]>,
): AsyncGenerator<readonly ImageRecord[], void, undefined> {
  const left = { namespace: 0, row: 0 };
  for await (const page of pages) {
    const kept: ImageRecord[] = [];
    for (const record of page) {
      const isOfKeys = (record.kind === 'namespace' || record.kind === 'row') && record.namespace === KEYS_NAMESPACE;
      if (isOfKeys) left[record.kind] += 1;
      else kept.push(record.kind === 'end' ? { ...record, counts: fewer(record.counts, left) } : record);
    }
    if (kept.length > 0) yield kept;
  }
}

function fewer(counts: ImageCounts, left: { readonly namespace: number; readonly row: number }): ImageCounts {
  return { ...counts, namespace: counts.namespace - left.namespace, row: counts.row - left.row };
}
