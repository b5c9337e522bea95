import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openStore } from '../../src/backends/sqlite/open-store.ts';
import type { SqliteOptions } from '../../src/backends/sqlite/sqlite.ts';
import { sqlite } from '../../src/backends/sqlite/sqlite.ts';
import type { IndexPace } from '../../src/backends/sqlite/stream-index.ts';
import type { AppendOutcome } from '../../src/channel/event-log.ts';
import type { EncodedEvent } from '../../src/event/event.ts';
import type { Store } from '../../src/store.ts';
import { createEnvironment } from '../../src/system/environment.ts';

/** A folder of its own, and in it the path of a file that is not there yet. */
export function newPath(): { readonly folder: string; readonly path: string; readonly dispose: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'thereupon-'));
  return { folder, path: join(folder, 'store.db'), dispose: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Does something with a new file, and clears it away. */
export async function onNewPath(body: (path: string, folder: string) => Promise<void>): Promise<void> {
  const { path, folder, dispose } = newPath();
  try {
    await body(path, folder);
  } finally {
    dispose();
  }
}

export function openAt(path: string, options?: SqliteOptions): Promise<Store> {
  return sqlite(path, options).open(createEnvironment());
}

/** With another pace of the stream index: what otherwise takes a million events. */
export function openPaced(path: string, pace: IndexPace, environment = createEnvironment()): Promise<Store> {
  const limits = { requests: 20_000, bytes: 64 * 1_024 * 1_024 };
  return openStore(path, { readOnly: false, cacheBytes: 1_048_576, limits, pace }, environment);
}

/** Does something with a store at a path and closes it. */
export async function withStore<Result>(
  path: string,
  body: (store: Store) => Promise<Result>,
  options?: SqliteOptions,
): Promise<Result> {
  const store = await openAt(path, options);
  try {
    return await body(store);
  } finally {
    await store.close();
  }
}

/** Looks at the file itself, past the store. */
export function inFile<Result>(path: string, look: (database: DatabaseSync) => Result): Result {
  const database = new DatabaseSync(path);
  try {
    return look(database);
  } finally {
    database.close();
  }
}

export function sampleEvent(id: string, overrides: Partial<EncodedEvent> = {}): EncodedEvent {
  return {
    id,
    source: '/test',
    type: 'test.thing.happened',
    schemaVersion: 1,
    stream: 'order-1',
    subject: undefined,
    time: '2026-01-01T00:00:00.000Z',
    correlationid: id,
    causationid: undefined,
    encoding: 'json',
    data: '{"n":1}',
    attributes: undefined,
    ...overrides,
  };
}

export function streamEvent(id: string, stream: string, overrides: Partial<EncodedEvent> = {}): EncodedEvent {
  return sampleEvent(id, { stream, subject: stream, ...overrides });
}

export function sampleEvents(
  prefix: string,
  count: number,
  overrides: Partial<EncodedEvent> = {},
): readonly EncodedEvent[] {
  return Array.from({ length: count }, (_, index) => sampleEvent(`${prefix}${index + 1}`, overrides));
}

export function append(store: Store, ...events: readonly EncodedEvent[]): Promise<AppendOutcome> {
  return store.log.append({ events, onDuplicate: 'verify' });
}

/** Ids of the whole log, in its order. */
export async function allIds(store: Store): Promise<readonly string[]> {
  const ids: string[] = [];
  let page = await store.log.read({ limit: 10_000 });
  for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
    for (const event of page) ids.push(event.id);
    page = await store.log.read({ after: last.position, limit: 10_000 });
  }
  return ids;
}
