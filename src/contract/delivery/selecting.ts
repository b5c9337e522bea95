import assert from 'node:assert/strict';
import { defineAutomation } from '../../automation/define-automation.ts';
import { defineConsumer } from '../../consumer/define-consumer.ts';
import type { ConsumerDefinition } from '../../consumer/define-consumer.ts';
import type { RecordedEvent } from '../../event/event.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import { Answered, count, Counted, Ignored, newReceived, recordingConsumer, upTo } from './samples.ts';

/**
 * Which events a consumer gets.
 *
 * ES31 differs on purpose: a consumer group has no member numbers to give; the instances of one consumer share its keys, so all events
 * of one stream go to one handler at a time. ES32: a category is asked for by `category`, a stream by `readStream`.
 */
export const selectingCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    async 'PS11 events go only to the consumers that name their type, category, source or content'(stage) {
      const seen = new Map<string, number[]>();
      const listening = (name: string, options: Partial<Parameters<typeof defineConsumer>[0]>): ConsumerDefinition =>
        defineConsumer({
          ...options,
          name,
          handle({ event }) {
            seen.set(name, [...(seen.get(name) ?? []), (event.data as { n: number }).n]);
          },
        });
      const test = await stage.start({
        events: [Counted, Answered, Ignored],
        consumers: [
          listening('type', { on: Counted }),
          listening('types', { on: [Answered, Ignored] }),
          listening('category', { category: ['item', 'other'] }),
          listening('source', { source: '/elsewhere' }),
          listening('content', { where: { data: { n: [{ numeric: ['>', 2] }] } } }),
          listening('all-of-it', { on: Counted, category: 'item', where: { data: { item: ['b'] } } }),
          listening('everything', {}),
        ],
      });
      await test.system.publish(Counted, { item: 'a', n: 1 });
      await test.system.publish(Counted, { item: 'b', n: 2 }, { source: '/elsewhere' });
      await test.system.publish(Answered, { item: 'a', n: 3 });
      await test.system.publish(Ignored, { n: 4 });
      await test.settled();
      assert.deepEqual(Object.fromEntries(seen), {
        type: [1, 2],
        types: [3, 4],
        category: [1, 2, 4],
        source: [2],
        content: [3, 4],
        'all-of-it': [2],
        everything: [1, 2, 3, 4],
      });
    },
    async 'PS14 two consumers each get all 50 events'(stage) {
      const first = newReceived();
      const second = newReceived();
      const test = await stage.start({
        events: [Counted],
        consumers: [recordingConsumer('first', first), recordingConsumer('second', second)],
      });
      await count(test, ['a'], 50);
      await test.settled();
      assert.deepEqual(first.numbers(), upTo(50));
      assert.deepEqual(second.numbers(), upTo(50));
    },
    async 'PS1 every one of 100 events arrives with its data and attributes unchanged'(stage) {
      const received: RecordedEvent[] = [];
      const test = await stage.start({
        events: [Counted],
        consumers: [defineConsumer({ name: 'all', on: Counted, handle: ({ event }) => void received.push(event) })],
      });
      for (const n of upTo(100)) {
        await test.system.publish(
          Counted,
          { item: 'ä‐\u0000"', n },
          { id: `id ${n}`, subject: `subject ${n}`, sequence: n, extensions: { tenant: 'x', size: n, hot: true } },
        );
      }
      await test.settled();
      assert.deepEqual(
        received.map(({ id, data, subject, sequence, extensions }) => ({ id, data, subject, sequence, extensions })),
        upTo(100).map((n) => ({
          id: `id ${n}`,
          data: { item: 'ä‐\u0000"', n },
          subject: `subject ${n}`,
          sequence: String(n),
          extensions: { tenant: 'x', size: n, hot: true },
        })),
      );
    },
    async 'correlation and causation are handed down every path: through the context and through the system'(stage) {
      const test = await stage.start({
        events: [Counted, Answered, Ignored],
        consumers: [
          defineConsumer({
            name: 'outside-the-context',
            on: Answered,
            async handle() {
              await test.system.publish(Ignored, { n: 1 });
            },
          }),
        ],
        automations: [
          defineAutomation({
            name: 'answer',
            on: Counted,
            publishes: [Answered],
            async run({ event, publish }) {
              await publish(Answered, event.data);
            },
          }),
        ],
      });
      const { id } = await test.system.publish(Counted, { item: 'a', n: 1 }, { correlationid: 'talk' });
      await test.settled();
      const [answered] = test.recorded(Answered);
      const [ignored] = test.recorded(Ignored);
      assert.deepEqual([answered?.correlationid, answered?.causationid, answered?.causationdepth], ['talk', id, 1]);
      assert.deepEqual(
        [ignored?.correlationid, ignored?.causationid, ignored?.causationdepth],
        ['talk', answered?.id, 2],
      );
    },
    async 'consumers without a filter do not get what the system reports of itself; who names it does'(stage) {
      const all: string[] = [];
      const reports: string[] = [];
      const test = await stage.start({
        events: [Counted],
        consumers: [
          defineConsumer({ name: 'all', handle: ({ event }) => void all.push(event.type) }),
          defineConsumer({
            name: 'reports',
            category: 'thereupon',
            handle: ({ event }) => void reports.push(event.type),
          }),
        ],
      });
      await count(test, ['a'], 1);
      await test.consumers.pause('all');
      await test.consumers.resume('all');
      await test.settled();
      assert.deepEqual(all, [Counted.type]);
      assert.deepEqual(reports, ['thereupon.consumer.paused', 'thereupon.consumer.resumed']);
    },
  });
