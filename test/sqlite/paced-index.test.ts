import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { memory } from '../../src/backends/memory/memory.ts';
import { position } from '../../src/event/position.ts';
import type { Store } from '../../src/store.ts';
import { seededRandom } from '../../src/system/random.ts';
import { createBench } from '../../src/contract/bench.ts';
import { compareWithModel } from '../../src/contract/model-comparison.ts';
import { newPath, onNewPath, openAt, openPaced, sampleEvents, streamEvent } from './sqlite-bench.ts';

describe('the stream index that is written behind', () => {
  test.each([
    [1, 2],
    [3, 3],
    [20, 5],
  ])(
    'agrees with the model when generations have %i events and every %i. version is marked (G13)',
    async (events, marks) => {
      await compareWithModel(fc, {
        reference: createBench(() => ({ factory: memory() })),
        candidate: createBench(() => {
          const { path, dispose } = newPath();
          return {
            factory: {
              backend: 'sqlite',
              location: path,
              open: (environment) => openPaced(path, { generationEvents: events, markEvery: marks }, environment),
            },
            dispose,
          };
        }),
        runs: Number(process.env['MODEL_RUNS'] ?? 40),
        maxLength: 60,
      });
    },
    600_000,
  );

  test('every version of a long stream is found, in both directions, across marks and generations (G5)', async () => {
    const { path, dispose } = newPath();
    const store = await openPaced(path, { generationEvents: 100, markEvery: 16 });
    for (let batch = 0; batch < 10; batch += 1) {
      const events = sampleEvents(`b${batch}-`, 60).flatMap((event, index) => [
        event,
        streamEvent(`o${batch}-${index}`, `other-${index}`),
      ]);
      await store.log.append({ events, onDuplicate: 'verify' });
    }
    for (const fromVersion of [1, 2, 15, 16, 17, 100, 592, 599, 600]) {
      const forward = await store.log.readStream('order-1', { fromVersion, limit: 20 });
      expect(forward.map(({ version }) => version)).toEqual(
        Array.from({ length: Math.min(20, 601 - fromVersion) }, (_, index) => fromVersion + index),
      );
      const backward = await store.log.readStream('order-1', { fromVersion, direction: 'backward', limit: 20 });
      expect(backward.map(({ version }) => version)).toEqual(
        Array.from({ length: Math.min(20, fromVersion) }, (_, index) => fromVersion - index),
      );
    }
    expect((await store.report(true)).problems).toEqual([]);
    await store.close();
    dispose();
  });

  test('a reader beside the writer always answers as the writer does (G5)', () =>
    onNewPath(async (path) => {
      const random = seededRandom(7);
      const any = (count: number) => Math.floor(random.next() * count);
      const writer = await openPaced(path, { generationEvents: 40, markEvery: 4 });
      const reader = await openAt(path, { readOnly: true });
      const streams = Array.from({ length: 12 }, (_, index) => `order-${index}`);
      const answers = async (of: Store) => ({
        head: await of.log.head(),
        states: await Promise.all(streams.map((stream) => of.log.streamState(stream))),
        listed: await of.log.listStreams({ category: 'order', limit: 100 }),
        events: await Promise.all(
          streams.map(async (stream) => (await of.log.readStream(stream, { limit: 100 })).map(({ stored }) => stored)),
        ),
      });
      for (let round = 0; round < 150; round += 1) {
        const events = Array.from({ length: 1 + any(20) }, (_, index) =>
          streamEvent(`${round}/${index}`, streams[any(12)] ?? ''),
        );
        await writer.log.append({ events, onDuplicate: 'verify' });
        if (round % 10 === 3) await writer.log.truncateStream(streams[any(12)] ?? '', any(60));
        if (round % 10 === 7)
          await writer.log.trim({
            category: 'order',
            keepNewest: 300,
            notAbove: position(1e9),
            keep: [position(1 + any(100))],
            limit: 50,
          });
        if (round === 100) {
          await writer.log.deleteStream('order-11');
          streams[11] = 'order-12';
        }
        expect(await answers(reader)).toEqual(await answers(writer));
      }
      await reader.close();
      await writer.close();
    }));
});
