import assert from 'node:assert/strict';
import { defineConsumer } from '../../consumer/define-consumer.ts';
import type { ConsumerDefinition } from '../../consumer/define-consumer.ts';
import { START, position } from '../../event/position.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import type { DeliveryStage } from './delivery-case.ts';
import { count, Counted, Ignored, newReceived, recordingConsumer, upTo } from './samples.ts';

/** Where consumers and readers begin. */
export const startingCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    'PS15 a consumer added later gets everything published before, one at the end only what comes'(stage) {
      return startedLater(stage, 'beginning', [1, 2, 3, 4, 5]).then(() => startedLater(stage, 'end', [4, 5]));
    },
    async 'ES28 a consumer from a position gets what comes after it; ES26 one from an instant what was recorded from then on'(
      stage,
    ) {
      const afterSecond = newReceived();
      const fromMinute = newReceived();
      const consumers: ConsumerDefinition[] = [];
      const test = await stage.start({ events: [Counted], consumers });
      await count(test, ['a'], 3);
      await test.advance('1m');
      const minute = new Date(test.clock.now());
      await count(test, ['a'], 2, 4);
      consumers.push(
        recordingConsumer('after-second', afterSecond, { from: { position: position(2) } }),
        recordingConsumer('from-minute', fromMinute, { from: { time: minute } }),
      );
      await test.restart();
      await test.settled();
      assert.deepEqual(afterSecond.numbers(), [3, 4, 5]);
      assert.deepEqual(fromMinute.numbers(), [4, 5]);
    },
    async 'ES25 beyond the end there is nothing, and of what comes later only what lies beyond the place asked for'(
      stage,
    ) {
      const received = newReceived();
      const test = await stage.start({
        events: [Counted],
        consumers: [recordingConsumer('beyond', received, { from: { position: position(4) } })],
      });
      const live: number[] = [];
      const reading = readNumbers(test.system.events.subscribe({ after: position(4), types: [Counted.type] }), live, 2);
      await count(test, ['a'], 6);
      await test.settled();
      await reading;
      assert.deepEqual(received.numbers(), [5, 6]);
      assert.deepEqual(live, [5, 6]);
    },
    async 'ES28 a subscription reads history, then live, once and in order, and says once that it has caught up, also when nothing matches'(
      stage,
    ) {
      const test = await stage.start({ events: [Counted, Ignored] });
      await count(test, ['a'], 3);
      let caughtUp = 0;
      const seen: number[] = [];
      const reading = readNumbers(
        test.system.events.subscribe({ after: 'beginning', types: [Counted.type], caughtUp: () => (caughtUp += 1) }),
        seen,
        5,
      );
      const nothing = new AbortController();
      let emptyCaughtUp = 0;
      const empty = readNumbers(
        test.system.events.subscribe({
          after: START,
          types: ['none'],
          signal: nothing.signal,
          caughtUp: () => (emptyCaughtUp += 1),
        }),
        [],
        1,
      );
      await test.settled();
      await test.system.publish(Ignored, { n: 1 });
      await count(test, ['a'], 2, 4);
      await reading;
      nothing.abort();
      await empty;
      assert.deepEqual(seen, [1, 2, 3, 4, 5]);
      assert.deepEqual([caughtUp, emptyCaughtUp], [1, 1]);
    },
    async 'ES28 a subscription without a place gets only what is new; PS13 aborting it ends it, and the next one gets what was not read'(
      stage,
    ) {
      const test = await stage.start({ events: [Counted] });
      await count(test, ['a'], 2);
      const stop = new AbortController();
      const seen: number[] = [];
      const reading = readNumbers(test.system.events.subscribe({ signal: stop.signal }), seen, 100);
      await count(test, ['a'], 1, 3);
      await test.settled();
      stop.abort();
      await reading;
      assert.deepEqual(seen, [3]);
      await count(test, ['a'], 2, 4);
      const rest: number[] = [];
      await readNumbers(test.system.events.subscribe({ after: position(3) }), rest, 2);
      assert.deepEqual(rest, [4, 5]);
    },
    async 'ES29 a slow reader loses nothing: 99 of 99 and the end'(stage) {
      const test = await stage.start({ events: [Counted] });
      const seen: number[] = [];
      const reading = (async () => {
        for await (const event of test.system.events.subscribe({ after: START })) {
          await test.settled();
          seen.push((event.data as { n: number }).n);
          if (seen.length === 100) return;
        }
      })();
      for (let batch = 0; batch < 10; batch += 1) await count(test, ['a'], 10, batch * 10 + 1);
      await reading;
      assert.deepEqual(seen, upTo(100));
    },
    async 'a reader that falls behind by more than its buffer holds reads on from the log: 5,000 in one batch'(stage) {
      const test = await stage.start({ events: [Counted] });
      const seen: number[] = [];
      const reading = readNumbers(test.system.events.subscribe({}), seen, 5_000);
      await test.settled();
      await test.system.publishAll(upTo(5_000).map((n) => ({ event: Counted, data: { item: 'a', n } })));
      await reading;
      assert.deepEqual(seen, upTo(5_000));
    },
    async 'a subscription ends when the system closes, wherever its reader stands'(stage) {
      const test = await stage.start({ events: [Counted] });
      await count(test, ['a'], 3);
      const history = test.system.events.subscribe({ after: START });
      assert.equal((await history.next()).done, false);
      const live = readNumbers(test.system.events.subscribe({}), [], 1);
      await test.settled();
      await test.close();
      await live;
      assert.equal((await history.return(undefined)).done, true);
    },
    async 'PS8 ten consumers opened and closed before anything is published do no harm: 50 events all arrive at the next'(
      stage,
    ) {
      const test = await stage.start({ events: [Counted] });
      const stop = new AbortController();
      const early = upTo(10).map(() => readNumbers(test.system.events.subscribe({ signal: stop.signal }), [], 1));
      await test.settled();
      stop.abort();
      await Promise.all(early);
      const seen: number[] = [];
      const reading = readNumbers(test.system.events.subscribe({}), seen, 50);
      await test.settled();
      await count(test, ['a'], 50);
      await reading;
      assert.deepEqual(seen, upTo(50));
    },
  });

async function startedLater(
  stage: DeliveryStage,
  from: 'beginning' | 'end',
  expected: readonly number[],
): Promise<void> {
  const received = newReceived();
  const late = recordingConsumer('late', received, { from });
  const consumers = [defineConsumer({ name: 'early', on: Counted, handle() {} })];
  // The program of the next process has one consumer more.
  const program = { events: [Counted], consumers };
  const test = await stage.start(program);
  await count(test, ['a'], 3);
  await test.settled();
  consumers.push(late);
  await test.restart();
  await count(test, ['a'], 2, 4);
  await test.settled();
  assert.deepEqual(received.numbers(), expected);
  await test.restart();
  assert.deepEqual(received.numbers(), expected, 'the place is remembered, not looked for again');
}

async function readNumbers(
  events: AsyncIterable<{ readonly data: unknown }>,
  into: number[],
  upToCount: number,
): Promise<void> {
  for await (const event of events) {
    into.push((event.data as { n: number }).n);
    if (into.length === upToCount) return;
  }
}
