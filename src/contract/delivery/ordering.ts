import assert from 'node:assert/strict';
import { waitFor } from '../../system/clock.ts';
import { seededRandom } from '../../system/random.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import type { DeliveryStage } from './delivery-case.ts';
import { count, Counted, newGate, newReceived, recordingConsumer, upTo } from './samples.ts';

/** Order within a key, independence between keys, and checkpoints that know both (G5). */
export const orderingCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    async 'PS4 1,000 events of 16 streams arrive in order within each stream, ten at a time'(stage) {
      await inOrderPerKey(stage, { items: 16, perItem: 63, concurrency: 10, seed: 1 });
    },
    async 'PS4 one at a time, the order of the whole log is kept'(stage) {
      const received = newReceived();
      const test = await stage.start({
        events: [Counted],
        consumers: [
          recordingConsumer('one', received, { concurrency: 1, key: () => 'all', act: () => Promise.resolve() }),
        ],
      });
      await count(test, ['a', 'b', 'c'], 100);
      await test.settled();
      assert.deepEqual(
        received.events.map(({ position }) => position),
        upTo(300),
      );
    },
    async 'PS6 while an event is under way the next one of its key is not delivered; after it, it is, and the first is not sent again'(
      stage,
    ) {
      const gate = newGate();
      const received = newReceived();
      const test = await stage.start({
        events: [Counted],
        consumers: [
          recordingConsumer('slow', received, {
            act: ({ event }) => (event.data.n === 1 && event.data.item === 'a' ? gate.opened : undefined),
          }),
        ],
      });
      await count(test, ['a', 'b'], 3);
      await test.clock.advance(10);
      assert.deepEqual([received.numbers('a'), received.numbers('b')], [[1], [1, 2, 3]]);
      gate.open();
      await test.settled();
      assert.deepEqual(received.numbers('a'), [1, 2, 3]);
    },
    async 'G5 no more keys are handled at once than the consumer allows, retries included'(stage) {
      let running = 0;
      let most = 0;
      const { clock, ...test } = await stage
        .start({
          events: [Counted],
          consumers: [
            recordingConsumer('limited', newReceived(), {
              concurrency: 3,
              retry: { attempts: 5, minDelay: '1s', jitter: 0 },
              async act({ attempt }) {
                running += 1;
                most = Math.max(most, running);
                await waitFor(clock, 10);
                running -= 1;
                if (attempt < 3) throw new Error('again');
              },
            }),
          ],
        })
        .then((started) => ({
          clock: started.clock,
          count: (items: readonly string[]) => count(started, items, 1),
          settled: () => started.settled({ advance: true }),
        }));
      await test.count(upTo(40).map(String));
      await test.settled();
      assert.equal(most, 3);
    },
    async 'a key with much to do does not keep the others from their turn'(stage) {
      const received = newReceived();
      const test = await stage.start({
        events: [Counted],
        consumers: [recordingConsumer('fair', received, { concurrency: 1, act: () => Promise.resolve() })],
      });
      await test.system.publishAll([
        ...upTo(50).map((n) => ({ event: Counted, data: { item: 'busy', n } })),
        { event: Counted, data: { item: 'quiet', n: 1 } },
      ]);
      await test.settled();
      const turn = received.events.findIndex(({ data }) => data.item === 'quiet');
      assert.ok(turn < 5, `the quiet key had its turn after ${turn} others`);
    },
    async 'G5 a checkpoint remembers what is done beyond the oldest event under way: a crash repeats that one alone'(
      stage,
    ) {
      const gate = newGate();
      const received = newReceived();
      const test = await stage.start({
        events: [Counted],
        consumers: [
          recordingConsumer('holes', received, {
            act: ({ event }) => (event.data.n === 3 ? gate.opened : undefined),
            key: (event) => String(event.data.n),
          }),
        ],
      });
      await count(test, ['a'], 6);
      await test.clock.advance(20);
      assert.equal((await test.consumers.status('holes')).position, 2);
      gate.open();
      await test.crash();
      await test.settled();
      assert.deepEqual(received.numbers(), [1, 2, 3, 4, 5, 6, 3]);
      assert.equal((await test.consumers.status('holes')).position, 6);
    },
    async 'a consumer that starts far behind gets everything once: 5,000 events, published while it catches up'(stage) {
      const received = newReceived();
      const test = await stage.start({ events: [Counted], consumers: [recordingConsumer('behind', received)] });
      await test.consumers.pause('behind');
      await count(test, ['a'], 3_000);
      await test.consumers.resume('behind');
      await count(test, ['a'], 2_000, 3_001);
      await test.settled();
      assert.deepEqual(received.numbers(), upTo(5_000));
    },
  });

export interface OrderRun {
  readonly items: number;
  readonly perItem: number;
  readonly concurrency: number;
  readonly seed: number;
}

/** Handlers that take a random time and fail at random, over many keys: each key's events are handled in order. */
export async function inOrderPerKey(stage: DeliveryStage, run: OrderRun): Promise<void> {
  const chance = seededRandom(run.seed);
  const done = newReceived();
  const test = await stage.start({
    events: [Counted],
    consumers: [
      recordingConsumer('ordered', newReceived(), {
        concurrency: run.concurrency,
        retry: { attempts: 100, minDelay: '3ms', maxDelay: '50ms' },
        async act({ event }) {
          const delayMs = Math.floor(chance.next() * 30);
          if (delayMs > 10) await waitFor(test.clock, delayMs);
          if (chance.next() < 0.1) throw new Error('by chance');
          done.events.push(event);
        },
      }),
    ],
  });
  const items = upTo(run.items).map((item) => `item${item}`);
  const half = Math.ceil(run.perItem / 2);
  await count(test, items, half);
  await test.clock.advance(20);
  await count(test, items, run.perItem - half, half + 1);
  await test.settled({ advance: true });
  for (const item of items) assert.deepEqual(done.numbers(item), upTo(run.perItem), `${item} in order`);
}
