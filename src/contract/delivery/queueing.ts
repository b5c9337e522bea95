import assert from 'node:assert/strict';
import { defineConsumer } from '../../consumer/define-consumer.ts';
import { Closed, InvalidInput } from '../../errors.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import { count, Counted, newReceived, only, recordingConsumer, upTo } from './samples.ts';

const queue = defineConsumer({
  name: 'queue',
  on: Counted,
  mode: 'queue',
  concurrency: 200,
  retry: { attempts: 3, minDelay: '1s', jitter: 0 },
});
const program = { events: [Counted], consumers: [queue] };

/**
 * Queue mode: competing receivers, each event by itself.
 *
 * JQ8 has no counterpart: a claim is an object, not an id with an attempt number, so there are no spellings of it to confuse.
 */
export const queueingCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    async 'PS3 5,000 events are received by 50 competing receivers, each event by one of them, none missing'(stage) {
      const test = await stage.start(program);
      const seen: number[] = [];
      const stop = new AbortController();
      const receivers = upTo(50).map(async () => {
        for (;;) {
          const claims = await test.consumers.receive('queue', { max: 20, signal: stop.signal });
          if (claims.length === 0) return;
          for (const claim of claims) seen.push((claim.event.data as { n: number }).n);
          assert.ok((await Promise.all(claims.map((claim) => claim.ack()))).every(Boolean));
        }
      });
      await count(test, ['a'], 5_000);
      await test.settled();
      while (seen.length < 5_000) await test.settled();
      stop.abort();
      await Promise.all(receivers);
      assert.deepEqual(
        seen.toSorted((left, right) => left - right),
        upTo(5_000),
      );
      await test.restart();
      assert.deepEqual(await available(test.consumers), [], 'an acknowledged event does not come again');
    },
    async 'PS5 an event answered with nack is delivered again, after two nacks all 100 events are acknowledged'(stage) {
      const test = await stage.start(program);
      await count(test, ['a'], 100);
      await test.settled();
      const attempts = new Map<number, number>();
      for (let round = 0; round < 3; round += 1) {
        const claims = await test.consumers.receive('queue', { max: 100 });
        assert.equal(claims.length, 100);
        for (const claim of claims) {
          attempts.set(claim.event.position, claim.attempt);
          assert.equal(await (claim.attempt < 3 ? claim.nack({ delayMs: 0 }) : claim.ack()), true);
        }
        await test.settled({ advance: '10s' });
      }
      assert.deepEqual([...new Set(attempts.values())], [3]);
      assert.deepEqual(await available(test.consumers), []);
    },
    async 'PS9 after receivers have nacked again and again a normal one still gets all 50 events'(stage) {
      const patient = defineConsumer({ name: 'queue', on: Counted, mode: 'queue', retry: { attempts: 1_000 } });
      const test = await stage.start({ events: [Counted], consumers: [patient] });
      await count(test, ['a'], 50);
      for (let nacks = 0; nacks < 300; nacks += 1) {
        const [claim] = await test.consumers.receive('queue');
        await claim?.nack({ delayMs: 0 });
      }
      const seen = new Set<number>();
      while (seen.size < 50) {
        await test.settled();
        for (const claim of await test.consumers.receive('queue', { max: 50 })) {
          seen.add(claim.event.position);
          await claim.ack();
        }
      }
      assert.equal(seen.size, 50);
    },
    async 'JQ5 a receiver whose lease is over can neither acknowledge, refuse nor extend; the one who has the event now can'(
      stage,
    ) {
      const test = await stage.start(program);
      await count(test, ['a'], 1);
      const lost = only(await test.consumers.receive('queue', { leaseMs: 1_000 }));
      await test.advance('2s');
      const held = only(await test.consumers.receive('queue', { leaseMs: 60_000 }));
      assert.deepEqual([lost.signal.aborted, held.signal.aborted, held.attempt], [true, false, 2]);
      assert.deepEqual([await lost.ack(), await lost.nack(), lost.extend(60_000)], [false, false, false]);
      assert.equal(lost.idempotencyKey, held.idempotencyKey);
      assert.equal(await held.ack(), true);
      assert.deepEqual([await held.ack(), held.extend(1_000)], [false, false]);
      await test.settled({ advance: true });
      assert.deepEqual(await test.parked(), []);
    },
    async 'a lease is extended from now on, and one that runs out counts as a failed attempt until the event is parked'(
      stage,
    ) {
      const test = await stage.start(program);
      await count(test, ['a'], 1);
      const kept = only(await test.consumers.receive('queue', { leaseMs: 1_000 }));
      await test.advance(900);
      assert.equal(kept.extend(1_000), true);
      await test.advance(900);
      assert.equal(kept.signal.aborted, false);
      await test.advance(200);
      assert.equal(kept.signal.aborted, true);
      for (const attempt of [2, 3]) {
        const [again] = await test.consumers.receive('queue', { leaseMs: 1_000 });
        assert.equal(again?.attempt, attempt);
        await test.advance('2s');
      }
      const letter = only(await test.parked('queue'));
      assert.deepEqual([letter.attempts, letter.error?.name], [3, 'LeaseExpired']);
    },
    async 'an event that was nacked with a delay comes back after it, not before, also after a restart'(stage) {
      const test = await stage.start(program);
      await count(test, ['a'], 1);
      await only(await test.consumers.receive('queue')).nack({ delayMs: 60_000 });
      await test.advance('59s');
      assert.deepEqual(await available(test.consumers), []);
      await test.restart();
      await test.advance('2s');
      assert.deepEqual(await available(test.consumers), [1]);
    },
    async 'higher priority comes first, equal priority in log order'(stage) {
      const received = newReceived();
      const urgent = recordingConsumer('urgent', received, {
        mode: 'queue',
        concurrency: 1,
        priority: ({ data }) => (data.item === 'vip' ? 10 : 0),
        act: () => Promise.resolve(),
      });
      const test = await stage.start({ events: [Counted], consumers: [urgent] });
      await test.consumers.pause('urgent');
      await count(test, ['plain', 'vip', 'other'], 3);
      await test.consumers.resume('urgent');
      await test.settled();
      assert.deepEqual(
        received.events.map(({ data }) => `${data.item}${data.n}`),
        ['vip1', 'vip2', 'vip3', 'plain1', 'other1', 'plain2', 'other2', 'plain3', 'other3'],
      );
    },
    async 'a delayed event is handled when its time has come, also when another one is in work all the while'(stage) {
      const received = newReceived();
      const { promise: forever } = Promise.withResolvers<void>();
      const delayed = recordingConsumer('delayed', received, {
        mode: 'queue',
        timeout: '1d',
        delay: ({ data }) => data.n * 10_000,
        act: ({ event }) => (event.data.n === 1 ? forever : undefined),
      });
      const test = await stage.start({ events: [Counted], consumers: [delayed] });
      await count(test, ['a'], 3);
      await test.advance('9s');
      assert.deepEqual(received.numbers(), []);
      await test.advance('2s');
      assert.deepEqual(received.numbers(), [1]);
      await test.advance('11s');
      assert.deepEqual(received.numbers(), [1, 2]);
      await test.crash();
      await test.advance('20s');
      assert.deepEqual(received.numbers(), [1, 2, 1, 3]);
    },
    async 'a priority or delay function that fails, fails the attempt and not the queue'(stage) {
      const received = newReceived();
      const failing = (
        name: string,
        functions: Pick<Parameters<typeof recordingConsumer>[2] & object, 'priority' | 'delay'>,
      ) => recordingConsumer(name, received, { ...functions, mode: 'queue', retry: { attempts: 1 } });
      const bad = (n: number) => {
        if (n === 2) throw new Error('cannot say');
        return 1;
      };
      const test = await stage.start({
        events: [Counted],
        consumers: [
          failing('prioritised', { priority: ({ data }) => bad(data.n) }),
          failing('delayed', { delay: ({ data }) => bad(data.n) }),
          failing('not-a-number', { priority: ({ data }) => (data.n === 2 ? Number.NaN : 1) }),
        ],
      });
      await count(test, ['a'], 3);
      await test.settled({ advance: true });
      assert.deepEqual(
        received.numbers().toSorted((left, right) => left - right),
        [1, 1, 1, 3, 3, 3],
      );
      assert.deepEqual(
        (await test.parked()).map(({ consumer, position }) => `${consumer} ${position}`),
        ['delayed 2', 'not-a-number 2', 'prioritised 2'],
      );
    },
    async 'PS2 closing ends a receiver that waits, with an error; what it had not settled comes again'(stage) {
      const test = await stage.start(program);
      await count(test, ['a'], 2);
      const held = only(await test.consumers.receive('queue'));
      const [second] = await test.consumers.receive('queue');
      await second?.ack();
      const waiting = test.consumers.receive('queue');
      const refused = assert.rejects(waiting, Closed);
      await test.restart();
      await refused;
      assert.deepEqual([await held.ack(), held.signal.aborted], [false, true]);
      const again = only(await test.consumers.receive('queue'));
      assert.deepEqual(
        [again.event.position, again.attempt],
        [held.event.position, 1],
        'JQ6 a stop does not count as a failed attempt',
      );
    },
    async 'a receiver that gave up does not take an event, and does not keep another from it'(stage) {
      const test = await stage.start(program);
      const gone = new AbortController();
      const first = test.consumers.receive('queue', { signal: gone.signal });
      const second = test.consumers.receive('queue');
      await test.settled();
      gone.abort();
      assert.deepEqual(await first, []);
      await count(test, ['a'], 1);
      assert.equal(only(await second).event.position, 1);
    },
    async 'receive refuses what makes no sense: no event, a lease that is no time, a consumer with a handler'(stage) {
      const test = await stage.start({
        events: [Counted],
        consumers: [queue, recordingConsumer('handled', newReceived())],
      });
      await assert.rejects(test.consumers.receive('queue', { max: 0 }), InvalidInput);
      await assert.rejects(test.consumers.receive('queue', { leaseMs: Number.NaN }), InvalidInput);
      await assert.rejects(test.consumers.receive('handled'), /has a handler/);
      await assert.rejects(test.consumers.receive('nobody'), /nobody/);
    },
  });

/** Numbers that can be received at once, given back untouched. */
async function available(consumers: {
  receive(
    name: string,
    options: { max: number; signal: AbortSignal },
  ): Promise<readonly { readonly event: { readonly data: unknown } }[]>;
}): Promise<readonly number[]> {
  const now = new AbortController();
  const waiting = consumers.receive('queue', { max: 10_000, signal: now.signal });
  setImmediate(() => now.abort());
  return (await waiting).map(({ event }) => (event.data as { n: number }).n);
}
