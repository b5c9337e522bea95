import assert from 'node:assert/strict';
import { defineConsumer } from '../../consumer/define-consumer.ts';
import { NotFound, TerminalError, WrongState } from '../../errors.ts';
import { position } from '../../event/position.ts';
import type { TestSystem } from '../../testing/index.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import { createCrasher } from './model-crasher.ts';
import { Answered, count, Counted, newGate, newReceived, only, recordingConsumer, sums, upTo } from './samples.ts';

/** Pause, resume, replay, lag. */
export const steeringCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    async 'a paused consumer takes nothing, also after a restart, and goes on where it was; others go on meanwhile'(
      stage,
    ) {
      const received = newReceived();
      const other = newReceived();
      const test = await stage.start({
        events: [Counted],
        consumers: [recordingConsumer('paused', received), recordingConsumer('other', other)],
      });
      await count(test, ['a'], 2);
      await test.settled();
      await test.consumers.pause('paused', 'deploying');
      await count(test, ['a'], 2, 3);
      await test.restart();
      await count(test, ['a'], 2, 5);
      await test.settled();
      const status = await test.consumers.status('paused');
      assert.deepEqual([status.state, status.reason, status.lag.events > 3], ['paused', 'deploying', true]);
      assert.deepEqual([received.numbers(), other.numbers()], [[1, 2], upTo(6)]);
      await test.consumers.resume('paused');
      await test.settled();
      assert.deepEqual(received.numbers(), upTo(6));
      await test.consumers.resume('paused');
      await assert.rejects(test.consumers.pause('nobody'), NotFound);
    },
    async 'lag is told in events and in seconds, and is none at the head'(stage) {
      const test = await stage.start({ events: [Counted], consumers: [recordingConsumer('late', newReceived())] });
      await test.consumers.pause('late');
      await count(test, ['a'], 3);
      await test.advance('90s');
      assert.deepEqual((await test.consumers.status('late')).lag, { events: 3, seconds: 90 });
      await test.consumers.resume('late');
      await test.settled();
      assert.deepEqual((await test.consumers.status('late')).lag, { events: 0, seconds: 0 });
    },
    async 'a replay lets one consumer handle events again from a position, and what it publishes again is not recorded twice'(
      stage,
    ) {
      const received = newReceived();
      const answering = defineConsumer({
        name: 'answering',
        on: Counted,
        publishes: [Answered],
        async handle({ event, publish }) {
          received.events.push(event);
          await publish(Answered, event.data);
        },
      });
      const other = newReceived();
      const test = await stage.start({
        events: [Counted, Answered],
        consumers: [answering, recordingConsumer('other', other)],
      });
      await count(test, ['a'], 4);
      await test.settled();
      await test.consumers.replay('answering', { position: position(2) });
      await test.settled();
      assert.deepEqual([received.numbers(), other.numbers()], [[1, 2, 3, 4, 3, 4], upTo(4)]);
      assert.equal(test.recorded(Answered).length, 4);
    },
    async 'a read model is built anew by a replay from the beginning; one from the middle would count twice and is refused'(
      stage,
    ) {
      const test = await stage.start({ events: [Counted], projections: [sums] });
      await count(test, ['a', 'b'], 4);
      await test.settled();
      await test.consumers.replay('sums', 'beginning');
      await test.settled();
      assert.deepEqual([await test.row(sums, 'a'), await test.row(sums, 'b')], [10, 10]);
      await assert.rejects(test.consumers.replay('sums', { position: position(2) }), WrongState);
    },
    async 'a replay drops the dead letters it will meet again, and keeps those before it'(stage) {
      const bad = new Set([1, 3]);
      const done: number[] = [];
      const picky = recordingConsumer('picky', newReceived(), {
        key: (event) => String(event.data.n),
        act({ event }) {
          if (bad.has(event.data.n)) throw new TerminalError('bad');
          done.push(event.data.n);
        },
      });
      const test = await stage.start({ events: [Counted], consumers: [picky] });
      await count(test, ['a'], 3);
      await test.settled();
      bad.delete(3);
      await test.consumers.replay('picky', { position: position(2) });
      await test.settled();
      assert.deepEqual([done, only(await test.parked()).position], [[2, 3], 1]);
    },
    async 'G6 a replay that a crash cuts short has taken place as a whole or not at all'(stage) {
      for (let call = 1; call < 12; call += 1) {
        for (const when of ['before', 'after'] as const) {
          const crasher = createCrasher();
          const test = await stage.start(
            { events: [Counted], projections: [sums] },
            { interceptor: crasher.newInterceptor },
          );
          await count(test, ['a'], 4);
          await test.settled();
          crasher.arm(call, when);
          await Promise.race([test.consumers.replay('sums', 'beginning').then(() => test.settled()), crasher.died]);
          await test.crash();
          await test.settled();
          assert.equal(await test.row(sums, 'a'), 10, `died ${when} call ${call}`);
          assert.equal((await test.consumers.status('sums')).state, 'running');
        }
      }
    },
    async 'a paused consumer that is replayed stays paused, for the same reason'(stage) {
      const test = await stage.start({ events: [Counted], projections: [sums] });
      await count(test, ['a'], 4);
      await test.settled();
      await test.consumers.pause('sums', 'for a reason');
      await test.consumers.replay('sums', 'beginning');
      const status = await test.consumers.status('sums');
      assert.deepEqual([status.state, status.reason, status.position], ['paused', 'for a reason', 0]);
      await test.restart();
      assert.equal((await test.consumers.status('sums')).state, 'paused');
      await test.consumers.resume('sums');
      await test.settled();
      assert.equal(await test.row(sums, 'a'), 10);
    },
    async 'pausing waits for attempts under way, and what they did is kept'(stage) {
      const gate = newGate();
      const done = newReceived();
      const slow = recordingConsumer('slow', newReceived(), {
        async act({ event }) {
          await gate.opened;
          done.events.push(event);
        },
      });
      const test = await stage.start({ events: [Counted], consumers: [slow] });
      await count(test, ['a'], 2);
      await test.clock.advance(1);
      const pausing = test.consumers.pause('slow');
      gate.open();
      await pausing;
      await test.consumers.resume('slow');
      await test.settled();
      assert.deepEqual(done.numbers(), [1, 2]);
    },
    async 'steering in any order at the same time ends as if one thing was done after another'(stage) {
      const test = await stage.start({ events: [Counted], projections: [sums] });
      await count(test, ['a'], 100);
      await steerWildly(test);
      await count(test, ['a'], 1, 101);
      await test.consumers.resume('sums');
      await test.settled();
      assert.equal(await test.row(sums, 'a'), (101 * 102) / 2);
    },
    async 'PS7 a consumer that is stopped and started in the middle, five times, loses nothing of 5,000 events'(stage) {
      const received = newReceived();
      const test = await stage.start({
        events: [Counted],
        consumers: [recordingConsumer('interrupted', received, { act: () => Promise.resolve() })],
      });
      for (let session = 0; session < 5; session += 1) {
        await count(test, ['a', 'b', 'c', 'd'], 250, session * 250 + 1);
        await (session % 2 === 0 ? test.restart() : test.crash());
      }
      await test.settled();
      for (const item of ['a', 'b', 'c', 'd']) {
        assert.deepEqual(
          [...new Set(received.numbers(item))],
          upTo(1_250),
          'each, in order; a crash may repeat what changed nothing',
        );
      }
    },
  });

async function steerWildly(test: TestSystem<typeof Counted>): Promise<void> {
  const { consumers } = test;
  await Promise.all([
    consumers.pause('sums'),
    consumers.replay('sums', 'beginning'),
    consumers.resume('sums'),
    consumers.replay('sums', 'beginning'),
    consumers.pause('sums'),
    consumers.resume('sums'),
    consumers.replay('sums', 'beginning'),
    consumers.pause('sums'),
  ]);
}
