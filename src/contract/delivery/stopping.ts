import assert from 'node:assert/strict';
import { defineConsumer } from '../../consumer/define-consumer.ts';
import { ClaimLost } from '../../errors.ts';
import { waitFor } from '../../system/clock.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import { createCrasher } from './model-crasher.ts';
import { Answered, count, Counted, newGate, newReceived, recordingConsumer, upTo } from './samples.ts';

/** How a system stops, and what becomes of what is under way. */
export const stoppingCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    async 'PS2 closing lets attempts under way finish, and what they did is not done again'(stage) {
      const done = newReceived();
      const slow = recordingConsumer('slow', newReceived(), {
        async act({ event }) {
          await waitFor(test.clock, 2_000);
          done.events.push(event);
        },
      });
      const test = await stage.start({ events: [Counted], consumers: [slow], closeGrace: '5s' });
      await count(test, ['a', 'b'], 1);
      await test.clock.advance(1_000);
      await test.restart();
      await test.settled({ advance: true });
      assert.deepEqual([done.numbers('a'), done.numbers('b')], [[1], [1]]);
    },
    async 'JQ6 JQ7 an attempt that does not end within the grace time loses its claim: not failed, its effects undone, handled by the next process'(
      stage,
    ) {
      const gate = newGate();
      const late: unknown[] = [];
      const attempts: number[] = [];
      const stubborn = defineConsumer({
        name: 'stubborn',
        on: Counted,
        publishes: [Answered],
        timeout: '1h',
        state: { initial: () => 0 },
        async handle({ event, attempt, publish, signal, state }) {
          attempts.push(attempt);
          state.set(state.get() + 1);
          if (attempts.length === 1) {
            await publish(Answered, { ...event.data, part: 1 });
            await gate.opened;
            late.push(signal.aborted, signal.reason instanceof ClaimLost);
            await assert.rejects(publish(Answered, { ...event.data, part: 2 }), ClaimLost);
            return;
          }
          await publish(Answered, { ...event.data, total: state.get() });
        },
      });
      const test = await stage.start({ events: [Counted, Answered], consumers: [stubborn], closeGrace: '5s' });
      await count(test, ['a'], 1);
      await test.clock.advance(1);
      await test.restart();
      gate.open();
      await test.settled({ advance: true });
      assert.deepEqual(
        [late, attempts],
        [
          [true, true],
          [1, 1],
        ],
      );
      assert.deepEqual(
        test.recorded(Answered).map(({ data }) => data),
        [{ item: 'a', n: 1, part: 0, total: 1 }],
      );
      assert.deepEqual(test.reported(), []);
    },
    async 'no handler is begun after closing has begun, retries included'(stage) {
      const begun: string[] = [];
      let closing = false;
      const failing = recordingConsumer('failing', newReceived(), {
        retry: { attempts: 50, minDelay: '1s', jitter: 0 },
        async act({ event, attempt }) {
          begun.push(`${closing ? 'late ' : ''}${event.data.item} ${attempt}`);
          await waitFor(test.clock, 500);
          throw new Error('again');
        },
      });
      const test = await stage.start({ events: [Counted], consumers: [failing] });
      await count(test, upTo(8).map(String), 3);
      await test.clock.advance(3_300);
      closing = true;
      await test.close();
      await test.clock.advance('1m');
      assert.deepEqual(
        begun.filter((entry) => entry.startsWith('late')),
        [],
      );
    },
    async 'closing ends although a pause waits for a handler that never ends'(stage) {
      const test = await stage.start({
        events: [Counted],
        consumers: [recordingConsumer('stuck', newReceived(), { timeout: '30d', act: () => newGate().opened })],
      });
      await count(test, ['a'], 1);
      await test.clock.advance(1);
      const pausing = test.consumers.pause('stuck').catch(() => undefined);
      await test.close();
      await pausing;
    },
    async 'PS10 closing right after 20 parallel publishers added 10,000 events loses none that was acknowledged'(
      stage,
    ) {
      const received = newReceived();
      const test = await stage.start({ events: [Counted], consumers: [recordingConsumer('all', received)] });
      const acknowledged: string[] = [];
      await Promise.all(
        upTo(20).map(async (publisher) => {
          for (let batch = 0; batch < 10; batch += 1) {
            const data = upTo(50).map((n) => ({ item: `p${publisher}`, n: batch * 50 + n }));
            await test.system.publishAll(data.map((each) => ({ event: Counted, data: each })));
            acknowledged.push(...data.map(({ item, n }) => `${item} ${n}`));
          }
        }),
      );
      await test.restart();
      await test.settled();
      assert.equal(acknowledged.length, 10_000);
      assert.deepEqual(new Set(received.events.map(({ data }) => `${data.item} ${data.n}`)), new Set(acknowledged));
      assert.equal(received.events.length, 10_000);
    },
    async 'PS16 a process that dies after a third and after a half of 10,000 events, whose publishers try again, loses and doubles nothing'(
      stage,
    ) {
      const crasher = createCrasher();
      const received = newReceived();
      const test = await stage.start(
        { events: [Counted], consumers: [recordingConsumer('all', received)] },
        { interceptor: crasher.newInterceptor },
      );
      for (let begin = 0; begin < 10_000; begin += 500) {
        if (begin === 3_500 || begin === 5_000) crasher.arm(2, begin === 5_000 ? 'after' : 'before');
        const publications = upTo(500).map((n) => ({
          event: Counted,
          data: { item: `p${n % 100}`, n: begin + n },
          options: { id: `id ${begin + n}` },
        }));
        for (let done = false; !done;) {
          done = await Promise.race([
            test.system.publishAll(publications).then(() => true),
            crasher.died.then(() => false),
          ]);
          if (!done) await test.crash();
        }
        await test.clock.advance(20);
        if (crasher.dead) await test.crash();
      }
      await test.settled();
      assert.equal(await test.system.events.head(), 10_000);
      assert.deepEqual(
        [...new Set(received.numbers())].toSorted((left, right) => left - right),
        upTo(10_000),
      );
    },
  });
