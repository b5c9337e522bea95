import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { sqlite } from '../../src/backends/sqlite/sqlite.ts';
import type { InlineProjection } from '../../src/consumer/inline-rows.ts';
import { sampleConsumer, sampleRow } from '../../src/contract/consumer-samples.ts';
import { accepted, sampleEvents } from '../../src/contract/samples.ts';
import type { Store } from '../../src/store.ts';
import { createEnvironment } from '../../src/system/environment.ts';

let folder: string;
let store: Store;

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'thereupon-'));
  store = await sqlite(path.join(folder, 'store.db')).open(createEnvironment());
});

afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

/** One whose rows cannot be bound to a statement, where `isUnfit`: some of them are written by then. */
function projectionOf(consumer: string, told: string[], isUnfit: () => boolean): InlineProjection {
  const tell = (what: string) => () => void told.push(`${consumer} ${what}`);
  return {
    consumer,
    namespace: consumer,
    project: (events) => [
      sampleRow('count', events.length, { n: events.length }, consumer),
      ...(isUnfit() ? [sampleRow({} as string, 1, {}, consumer)] : []),
    ],
    laneOf: () => 0,
    keysOf: () => [],
    kept: tell('kept'),
    handOver: () => 0,
    undone: tell('undone'),
    forget: tell('forget'),
    ended: tell('ended'),
  };
}

async function begin(projection: InlineProjection): Promise<boolean | undefined> {
  await store.checkpoints.create(sampleConsumer(projection.consumer));
  return store.inlineRows?.begin(projection);
}

it('does a flush again without a projection whose rows cannot be written, and loses no append for it (G1, G7)', async () => {
  const told: string[] = [];
  let isUnfit = false;
  expect(await begin(projectionOf('unfit', told, () => isUnfit))).toBe(true);
  expect(await begin(projectionOf('fit', told, () => false))).toBe(true);
  isUnfit = true;
  const requests = [sampleEvents('a', 2), sampleEvents('b', 3)].map((events) => ({
    events,
    onDuplicate: 'verify' as const,
  }));
  for (const outcome of await Promise.all(requests.map((request) => store.log.append(request)))) accepted(outcome);
  expect(await store.log.head()).toBe(5);
  expect(told.filter((what) => what.endsWith('ended'))).toEqual(['unfit ended']);
  // As it was at the begin.
  expect(await store.rows.get('unfit', 'count')).toBe(0);
  expect(await store.rows.get('fit', 'count')).toBe(5);
  expect((await store.checkpoints.list()).map(({ consumer, checkpoint }) => [consumer, checkpoint.low])).toEqual([
    ['fit', 5],
    ['unfit', 0],
  ]);
});

it('refuses who asks to begin with rows that cannot be written, and not who writes beside', async () => {
  const told: string[] = [];
  accepted(await store.log.append({ events: sampleEvents('a', 2), onDuplicate: 'verify' }));
  const appended = store.log.append({ events: sampleEvents('b', 2), onDuplicate: 'verify' });
  const [isBegun, outcome] = await Promise.all([begin(projectionOf('unfit', told, () => true)), appended]);
  accepted(outcome);
  expect(isBegun).toBe(false);
  expect(await store.rows.count('unfit')).toBe(0);
  expect((await store.checkpoints.load('unfit'))?.checkpoint.low).toBe(0);
});

it('lets a projection forget what it remembers of rows when others change rows', async () => {
  const told: string[] = [];
  await begin(projectionOf('c', told, () => false));
  accepted(await store.log.append({ events: sampleEvents('a', 1), onDuplicate: 'verify' }));
  expect(told).not.toContain('c forget');
  await store.rows.clear('others');
  accepted(await store.log.append({ events: sampleEvents('o', 1), onDuplicate: 'verify' }));
  expect(told).not.toContain('c forget');
  await store.rows.clear('c');
  accepted(await store.log.append({ events: sampleEvents('b', 1), onDuplicate: 'verify' }));
  expect(told).toContain('c forget');
});
