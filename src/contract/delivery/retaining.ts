import assert from 'node:assert/strict';
import { TerminalError } from '../../errors.ts';
import { defineConsumer } from '../../consumer/define-consumer.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import { count, Counted, Ignored, newReceived, only, recordingConsumer, upTo } from './samples.ts';

const rules = [{ category: 'item', maxCount: 2 }];

/** Retention beside consumers that still need events. */
export const retainingCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    async 'retention never passes a consumer that still needs an event, be it paused or stopped; forced it does'(
      stage,
    ) {
      const received = newReceived();
      const consumers = [
        defineConsumer({ name: 'fast', on: Counted, handle() {} }),
        recordingConsumer('paused', received),
      ];
      const test = await stage.start({ events: [Counted], consumers });
      await count(test, ['a'], 4);
      await test.settled();
      await test.consumers.pause('paused');
      await count(test, ['a'], 6, 5);
      await test.settled();
      const kept = only(await test.system.applyRetention({ rules }));
      assert.deepEqual([kept.removed, kept.protected], [4, 4]);
      await test.consumers.resume('paused');
      await test.settled();
      assert.deepEqual(received.numbers(), upTo(10));
      await test.consumers.pause('paused');
      await count(test, ['a'], 5, 11);
      assert.equal(only(await test.system.applyRetention({ rules, force: true })).protected, 0);
      await test.consumers.resume('paused');
      await test.settled();
      assert.deepEqual(received.numbers(), [...upTo(10), 14, 15]);
    },
    async 'a consumer whose selection nothing matched for long does not hold retention up'(stage) {
      const test = await stage.start({
        events: [Counted, Ignored],
        consumers: [defineConsumer({ name: 'idle', on: Ignored, handle() {} })],
      });
      await count(test, ['a'], 10);
      await test.settled();
      assert.equal(only(await test.system.applyRetention({ rules })).removed, 8);
    },
    async 'retention keeps what dead letters and those behind them point to'(stage) {
      let bad = true;
      const done: number[] = [];
      const picky = recordingConsumer('picky', newReceived(), {
        act({ event }) {
          if (bad && event.data.item === 'a' && event.data.n === 2) throw new TerminalError('bad');
          done.push(event.data.n);
        },
      });
      const test = await stage.start({ events: [Counted], consumers: [picky] });
      await count(test, ['a'], 4);
      await count(test, ['b'], 4);
      await test.settled();
      const outcome = only(await test.system.applyRetention({ rules: [{ category: 'item', maxAge: 0 }] }));
      assert.equal(outcome.removed, 0, 'nothing is older than now');
      await test.advance('1m');
      const later = only(await test.system.applyRetention({ rules: [{ category: 'item', maxAge: '30s' }] }));
      assert.deepEqual([later.removed, later.protected], [5, 3]);
      bad = false;
      await test.deadLetters.retryAll();
      await test.restart();
      await test.settled();
      assert.deepEqual(done, [1, 1, 2, 3, 4, 2, 3, 4]);
    },
    async 'a dead letter whose event was removed by force is dropped when it is tried, reported, and its followers go on'(
      stage,
    ) {
      let bad = true;
      const done: number[] = [];
      const picky = recordingConsumer('picky', newReceived(), {
        act({ event }) {
          if (bad) throw new TerminalError('bad');
          done.push(event.data.n);
        },
      });
      const test = await stage.start({ events: [Counted], consumers: [picky] });
      await count(test, ['a'], 3);
      await test.settled();
      await test.system.applyRetention({ rules, force: true });
      bad = false;
      assert.equal(only(await test.parked()).event, undefined);
      await test.deadLetters.retryAll();
      await test.settled();
      assert.deepEqual([done, (await test.parked()).length], [[2, 3], 0]);
      assert.equal(test.reported('thereupon.delivery.discarded').length, 1);
    },
  });
