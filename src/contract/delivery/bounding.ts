import assert from 'node:assert/strict';
import { defineConsumer } from '../../consumer/define-consumer.ts';
import { LoopStopped, StoreUnavailable } from '../../errors.ts';
import type { Interceptor } from '../../testing/index.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import { Answered, Bulky, count, Counted, newGate, newReceived, only, recordingConsumer, upTo } from './samples.ts';

/** Every queue and buffer has a limit (G10); nothing is dropped in silence (G8, G11). */
export const boundingCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    async 'G10 a consumer that is stuck holds few of 20,000 events in memory, and gets all of them afterwards, in order'(
      stage,
    ) {
      const gate = newGate();
      const received = newReceived();
      let stuck = true;
      const slow = recordingConsumer('slow', newReceived(), {
        timeout: '30d',
        act({ event }) {
          if (!stuck) {
            received.events.push(event);
            return undefined;
          }
          return gate.opened.then(() => void received.events.push(event));
        },
      });
      const test = await stage.start({ events: [Counted], consumers: [slow] });
      let most = 0;
      for (let batch = 0; batch < 20; batch += 1) {
        await count(test, ['a', 'b'], 500, batch * 500 + 1);
        await test.clock.advance(1);
        most = Math.max(most, (await test.consumers.status('slow')).buffered);
      }
      assert.ok(most <= 4_096, `${most} events were held`);
      stuck = false;
      gate.open();
      await test.settled();
      assert.deepEqual([received.numbers('a'), received.numbers('b')], [upTo(10_000), upTo(10_000)]);
    },
    async 'G10 of large events a stuck consumer holds few: memory is bounded in bytes, and none is lost'(stage) {
      const gate = newGate();
      const received: number[] = [];
      const slow = defineConsumer({
        name: 'slow',
        on: Bulky,
        timeout: '30d',
        async handle({ event }) {
          await gate.opened;
          received.push(event.data.n);
        },
      });
      const test = await stage.start({ events: [Bulky], consumers: [slow] });
      const text = 'x'.repeat(400_000);
      for (const n of upTo(150)) await test.system.publish(Bulky, { n, text });
      await test.clock.advance(1);
      const { buffered } = await test.consumers.status('slow');
      assert.ok(buffered < 60, `${buffered} events of 400 kB were held`);
      gate.open();
      await test.settled();
      assert.deepEqual(received, upTo(150));
    },
    async 'G10 a consumer does not run ahead of a store that takes no commits: 60,000 events, few handled, none lost'(
      stage,
    ) {
      let failing = false;
      const intercept: Interceptor = async (call) => {
        if (failing && call.method === 'commit') throw new StoreUnavailable('of the case', 'full');
        return call.proceed();
      };
      let handled = 0;
      const fast = defineConsumer({
        name: 'fast',
        on: Counted,
        handle() {
          handled += 1;
        },
      });
      const test = await stage.start({ events: [Counted], consumers: [fast] }, { interceptor: () => intercept });
      await test.consumers.pause('fast');
      await count(test, ['a'], 60_000);
      failing = true;
      await test.consumers.resume('fast').catch(() => undefined);
      await test.clock.advance('10s');
      assert.ok(handled < 25_000, `${handled} events were handled while nothing could be committed`);
      failing = false;
      await test.clock.advance('10s');
      await test.settled();
      assert.equal(handled, 60_000);
    },
    async 'G8 an event past its expiry is recorded as expired and not delivered, also when it expires while it waits'(
      stage,
    ) {
      const received = newReceived();
      const later = recordingConsumer('later', received, { mode: 'queue', delay: () => '1m' });
      const test = await stage.start({
        events: [Counted],
        consumers: [later, recordingConsumer('now', newReceived())],
      });
      const inSeconds = (seconds: number) => new Date(test.clock.now() + seconds * 1_000);
      await test.system.publish(Counted, { item: 'a', n: 1 }, { id: 'n1', expirytime: inSeconds(-1) });
      await test.system.publish(Counted, { item: 'a', n: 2 }, { id: 'n2', expirytime: inSeconds(30) });
      await test.system.publish(Counted, { item: 'a', n: 3 }, { id: 'n3', expirytime: inSeconds(90) });
      await test.settled({ advance: true });
      assert.deepEqual(received.numbers(), [3]);
      const expired = test
        .reported('thereupon.delivery.expired')
        .map(({ data }) => data as { consumer: string; id: string });
      assert.deepEqual(expired.map(({ consumer, id }) => `${consumer} ${id}`).toSorted(), [
        'later n1',
        'later n2',
        'now n1',
      ]);
      const { figures, waiting } = await test.consumers.status('later');
      assert.deepEqual([figures.handled, figures.expired, waiting], [1, 2, 0]);
      assert.ok(figures.commits > 0);
    },
    async 'G11 every failure, park, release, pause and replay is an event on the stream of its consumer, with its cause'(
      stage,
    ) {
      let bad = true;
      const picky = recordingConsumer('picky', newReceived(), {
        retry: { attempts: 2, minDelay: '1s' },
        act() {
          if (bad) throw new Error('bad');
        },
      });
      const test = await stage.start({ events: [Counted], consumers: [picky] });
      const { id } = await test.system.publish(Counted, { item: 'a', n: 1 });
      await test.settled({ advance: true });
      bad = false;
      await test.deadLetters.retryAll();
      await test.settled();
      await test.consumers.pause('picky');
      await test.consumers.resume('picky');
      await test.consumers.replay('picky', 'beginning');
      await test.settled();
      const { events } = await test.system.events.readStream('thereupon-picky');
      assert.deepEqual(
        events.map(({ type }) => type.replace('thereupon.', '')),
        [
          'attempt.failed',
          'attempt.failed',
          'delivery.parked',
          'delivery.released',
          'consumer.paused',
          'consumer.resumed',
          'consumer.replayed',
        ],
      );
      assert.deepEqual([...new Set(events.slice(0, 4).map(({ causationid }) => causationid))], [id]);
    },
    async 'G12 consumers that answer each other without end are stopped too, parked and reported'(stage) {
      const answering = defineConsumer({
        name: 'answering',
        on: Counted,
        publishes: [Answered],
        handle: async ({ event, publish }) => void (await publish(Answered, event.data)),
      });
      const counting = defineConsumer({
        name: 'counting',
        on: Answered,
        publishes: [Counted],
        handle: async ({ event, publish }) =>
          void (await publish(Counted, { item: event.data.item, n: event.data.n + 1 })),
      });
      const test = await stage.start({ events: [Counted, Answered], consumers: [answering, counting] });
      await test.system.publish(Counted, { item: 'a', n: 1 });
      await test.settled({ advance: true });
      assert.equal(only(await test.parked()).error?.name, LoopStopped.name);
      assert.equal(test.reported('thereupon.loop.stopped').length, 1);
      assert.ok(test.recorded().length <= 1_100);
    },
  });
