import assert from 'node:assert/strict';
import { defineAutomation } from '../../automation/define-automation.ts';
import { defineConsumer } from '../../consumer/define-consumer.ts';
import { InvalidInput, LoopStopped, StoreUnavailable } from '../../errors.ts';
import { defineEvent } from '../../event/define-event.ts';
import { defineProjection } from '../../projection/define-projection.ts';
import type { Interceptor } from '../../testing/index.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import { Answered, Bulky, count, Counted, newReceived, only, recordingConsumer, upTo } from './samples.ts';

/** An event that cannot be handled, however it fails, takes no other event with it (G7). */
export const isolatingCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    async 'G7 of many events handled at once, those whose facts the log refuses are parked, all of them, and the others are done'(
      stage,
    ) {
      const runs: number[] = [];
      const answering = defineConsumer({
        name: 'answering',
        on: Counted,
        publishes: [Answered],
        retry: { attempts: 2, minDelay: '1s', jitter: 0 },
        async handle({ event, publish }) {
          runs.push(event.data.n);
          await publish(Answered, event.data, event.data.n % 2 === 0 ? { stream: 'answer-gone' } : {});
        },
      });
      const test = await stage.start({ events: [Counted, Answered], consumers: [answering] });
      await test.system.deleteStream('answer-gone');
      await test.consumers.pause('answering');
      await count(test, upTo(40).map(String), 2);
      await test.consumers.resume('answering');
      await test.settled({ advance: true });
      const parked = await test.parked();
      assert.deepEqual(
        [parked.length, new Set(parked.map(({ error }) => error?.code))],
        [40, new Set(['stream-deleted'])],
      );
      assert.equal(test.recorded(Answered).length, 40);
      assert.ok(runs.length < 4_000, `handlers ran ${runs.length} times for 80 events`);
    },
    async 'G7 an event whose effects the store cannot take is found and parked; the others of its commit are done once'(
      stage,
    ) {
      const counts = defineProjection({
        name: 'counts',
        key: (event) => event.data.item,
        initial: (): { n: number; bad?: unknown } => ({ n: 0 }),
        on: [
          [
            Counted,
            (row, event) => {
              const next = { n: row.n + 1 };
              if (event.data.item !== 'bad') return next;
              // Looks like data until it is written.
              let reads = 0;
              return Object.defineProperty(next, 'trap', {
                enumerable: true,
                get() {
                  reads += 1;
                  if (reads > 1) throw new RangeError('cannot be written');
                  return 1;
                },
              });
            },
          ],
        ],
        retry: { attempts: 2, minDelay: '1s', jitter: 0 },
      });
      const test = await stage.start({ events: [Counted], projections: [counts] });
      await count(test, ['a', 'bad', 'b'], 1);
      await count(test, ['a', 'b'], 2, 2);
      await test.settled({ advance: true });
      assert.deepEqual([await test.row(counts, 'a'), await test.row(counts, 'b')], [{ n: 3 }, { n: 3 }]);
      assert.equal(only(await test.parked()).error?.message, 'cannot be written');
      assert.equal((await test.consumers.status('counts')).state, 'running');
    },
    async 'G7 an event whose effects the store refuses each time is parked, also when it is tried again at the head; meanwhile others go on'(
      stage,
    ) {
      let commits = 0;
      const intercept: Interceptor = async (call) => {
        if (call.method !== 'commit') return call.proceed();
        commits += 1;
        const [unit] = call.input as [{ rows: { key: string }[] }];
        if (unit.rows.some(({ key }) => key === 'bad')) throw new RangeError('cannot be stored');
        return call.proceed();
      };
      const counts = defineProjection({
        name: 'counts',
        key: (event) => event.data.item,
        initial: () => 0,
        on: [[Counted, (row) => row + 1]],
        retry: { attempts: 3, minDelay: '1s', jitter: 0 },
      });
      const test = await stage.start({ events: [Counted], projections: [counts] }, { interceptor: () => intercept });
      await count(test, ['bad', 'a'], 1);
      await test.advance('1m');
      await count(test, ['a', 'b'], 2);
      await test.settled({ advance: true });
      const letter = only(await test.parked());
      assert.deepEqual([letter.error?.message, letter.attempts], ['cannot be stored', 3]);
      assert.deepEqual([await test.row(counts, 'a'), await test.row(counts, 'b')], [3, 2]);
      assert.ok(commits < 60, `${commits} commits were tried`);
      assert.ok(test.reported('thereupon.consumer.stalled').length < 10);
    },
    async 'a store that fails in the middle of a replay or a resume is waited for: the consumer goes on, and is not left stopped'(
      stage,
    ) {
      let failing: string | undefined;
      const intercept: Interceptor = async (call) => {
        if (`${call.port}.${call.method}` === failing) {
          failing = undefined;
          throw new StoreUnavailable('of the case', 'out of order');
        }
        return call.proceed();
      };
      const received = newReceived();
      const test = await stage.start(
        { events: [Counted], consumers: [recordingConsumer('all', received)] },
        { interceptor: () => intercept },
      );
      await count(test, ['a'], 2);
      await test.settled();
      failing = 'log.append';
      await test.consumers.replay('all', 'beginning');
      await test.settled({ advance: true });
      assert.deepEqual(received.numbers(), [1, 2, 1, 2]);
      await test.consumers.pause('all');
      await count(test, ['a'], 1, 3);
      failing = 'deliveries.heldKeys';
      await test.consumers.resume('all');
      await test.advance('1m');
      await test.settled();
      assert.deepEqual([received.numbers(), (await test.consumers.status('all')).state], [[1, 2, 1, 2, 3], 'running']);
    },
    async 'an attempt’s time covers what it publishes: a validation that never ends is a failed attempt'(stage) {
      const endless = {
        '~standard': { version: 1, vendor: 'case', validate: () => new Promise<never>(() => {}) },
      } as const;
      const Stuck = defineEvent({ type: 'contract.item.stuck', schema: endless, stream: () => 'stuck-1' });
      const publishing = defineConsumer({
        name: 'publishing',
        on: Counted,
        publishes: [Stuck],
        timeout: '1s',
        retry: { attempts: 1 },
        async handle({ publish }) {
          await Promise.resolve();
          void publish(Stuck, {});
        },
      });
      const test = await stage.start({ events: [Counted, Stuck], consumers: [publishing] });
      await count(test, ['a'], 1);
      await test.settled({ advance: true });
      assert.equal(only(await test.parked()).error?.code, 'attempt-timeout');
    },
    async 'receivers that wait already are given what comes behind many claims, large events too'(stage) {
      const test = await stage.start({
        events: [Counted, Bulky],
        consumers: [
          defineConsumer({ name: 'many', on: Counted, mode: 'queue' }),
          defineConsumer({ name: 'large', on: Bulky, mode: 'queue' }),
        ],
      });
      await count(test, ['a'], 4_095);
      await test.settled();
      const leaseMs = 36_000_000;
      const held = await test.consumers.receive('many', { max: 5_000, leaseMs });
      assert.equal(held.length, 4_095);
      const waiting = [test.consumers.receive('many', { leaseMs }), test.consumers.receive('many', { leaseMs })];
      await count(test, ['a'], 2, 4_096);
      await test.clock.advance(1);
      assert.deepEqual(
        (await Promise.all(waiting)).map((claims) => claims.length),
        [1, 1],
      );
      assert.equal(await held[0]?.nack({ delayMs: 1_000 }), true);
      await test.clock.advance('2s');
      const [again] = await test.consumers.receive('many', { leaseMs });
      assert.equal(again?.event.position, held[0]?.event.position);
      for (const n of upTo(60)) await test.system.publish(Bulky, { n, text: 'x'.repeat(400_000) });
      await test.settled();
      const seen: number[] = [];
      while (seen.length < 60) {
        const claims = await test.consumers.receive('large', { max: 10, leaseMs });
        seen.push(...claims.map(({ event }) => (event.data as { n: number }).n));
        await test.clock.advance(1);
      }
      assert.deepEqual(seen, upTo(60));
    },
    async 'G7 a store that fails for long and in every way keeps its consumers waiting longer each time'(stage) {
      let calls = 0;
      let failing = false;
      const intercept: Interceptor = async (call) => {
        if (!failing || call.method !== 'commit') return call.proceed();
        calls += 1;
        throw new RangeError('a defect');
      };
      const received = newReceived();
      const test = await stage.start(
        { events: [Counted], consumers: [recordingConsumer('all', received)] },
        { interceptor: () => intercept },
      );
      failing = true;
      await count(test, ['a'], 3);
      await test.clock.advance('10m');
      assert.ok(calls < 100, `${calls} commits were tried in ten minutes`);
      failing = false;
      await test.clock.advance('1m');
      await test.settled({ advance: true });
      assert.deepEqual([...new Set(received.numbers())], [1, 2, 3]);
    },
    async 'G7 a publication that nobody waits for and that fails, fails its attempt and not the process'(stage) {
      const answering = defineConsumer({
        name: 'answering',
        on: Counted,
        publishes: [Answered],
        retry: { attempts: 1 },
        handle({ event, publish }) {
          const data = event.data.n === 2 ? { item: 5 as never, n: 2 } : event.data;
          void publish(Answered, data);
        },
      });
      const test = await stage.start({ events: [Counted, Answered], consumers: [answering] });
      await count(test, ['a', 'b'], 2);
      await test.settled({ advance: true });
      assert.deepEqual(
        (await test.parked()).map(({ error }) => error?.code),
        ['event-data-invalid', 'event-data-invalid'],
      );
      assert.deepEqual(
        test.recorded(Answered).map(({ data }) => data.n),
        [1, 1],
      );
    },
    async 'G2 two facts under one id of the handler’s own: the second is refused with its event, the same one again is not'(
      stage,
    ) {
      const answering = defineConsumer({
        name: 'answering',
        on: Counted,
        publishes: [Answered],
        retry: { attempts: 1 },
        async handle({ event, publish }) {
          const { item, n } = event.data;
          await publish(Answered, { item, n: Math.floor(n / 3) }, { id: 'own', stream: 'answer-own' });
        },
      });
      const test = await stage.start({ events: [Counted, Answered], consumers: [answering] });
      await count(test, ['a'], 3);
      await test.settled({ advance: true });
      const letter = only(await test.parked());
      assert.deepEqual([letter.error?.code, letter.event?.data], ['event-content-conflict', { item: 'a', n: 3 }]);
      assert.equal(test.recorded(Answered).length, 1);
    },
    async 'G10 what a handler publishes keeps to the limits of the system'(stage) {
      const answering = defineConsumer({
        name: 'answering',
        on: Counted,
        publishes: [Answered],
        retry: { attempts: 1 },
        async handle({ event, publish }) {
          const { n } = event.data;
          if (n === 1) await publish(Answered, { item: 'x'.repeat(500), n }, { stream: 'answer-x' });
          else for (let part = 0; part < n; part += 1) await publish(Answered, { item: 'a', n, part });
        },
      });
      const limits = { batchEvents: 5, eventBytes: 200 };
      const test = await stage.start({ events: [Counted, Answered], consumers: [answering], limits });
      for (const n of [1, 5, 6]) await test.system.publish(Counted, { item: String(n), n });
      await test.settled({ advance: true });
      assert.deepEqual(
        (await test.parked()).map(({ error }) => error?.code),
        ['limit-exceeded', 'limit-exceeded'],
      );
      assert.equal(test.recorded(Answered).length, 5);
    },
    async 'G12 plain consumers whose every turn leads to several others are stopped by their rate'(stage) {
      const doubling = defineConsumer({
        name: 'doubling',
        on: Counted,
        publishes: [Counted],
        async handle({ event, publish }) {
          // Two as long as that shows anything: 2 to the power of 12 events are enough of a flood for a test.
          const { item, n } = event.data;
          await publish(Counted, { item: `${item.slice(0, 12)}l`, n: n + 1 });
          if (n < 12) await publish(Counted, { item: `${item.slice(0, 12)}r`, n: n + 1 });
        },
      });
      const test = await stage.start({ events: [Counted], consumers: [doubling] });
      await test.system.publish(Counted, { item: 'a', n: 1 });
      for (let turn = 0; turn < 400 && (await test.parked()).length === 0; turn += 1) await test.clock.advance(1);
      await test.settled({ advance: true });
      assert.equal((await test.parked())[0]?.error?.name, LoopStopped.name);
      assert.ok(test.recorded(Counted).length < 40_000);
    },
    async 'G12 history that is handled again is no loop, however fast'(stage) {
      let runs = 0;
      const automation = defineAutomation({
        name: 'steady',
        on: Counted,
        maxRate: { runs: 10, per: '1m' },
        run() {
          runs += 1;
        },
      });
      const test = await stage.start({ events: [Counted], automations: [automation] });
      for (const n of upTo(60)) {
        await test.system.publish(Counted, { item: 'a', n }, { correlationid: 'one' });
        await test.advance('10s');
      }
      await test.settled();
      await test.consumers.replay('steady', 'beginning');
      await test.settled();
      assert.deepEqual([runs, (await test.parked()).length], [120, 0]);
    },
    async 'fractional and endless delays are taken as they are meant'(stage) {
      const received = newReceived();
      const test = await stage.start({
        events: [Counted],
        consumers: [
          recordingConsumer('delayed', received, {
            mode: 'queue',
            delay: ({ data }) => (data.n === 1 ? '1.0005s' : data.n === 2 ? 700.5 : 1e300),
          }),
          defineConsumer({ name: 'claimed', on: Counted, mode: 'queue' }),
        ],
      });
      await count(test, ['a'], 3);
      await test.settled();
      const claims = await test.consumers.receive('claimed', { max: 3 });
      assert.deepEqual(
        await Promise.all(claims.map((claim) => claim.nack({ delayMs: claim.event.data === undefined ? 1 : 0.5 }))),
        [true, true, true],
      );
      await test.advance('2s');
      await test.settled();
      assert.deepEqual(received.numbers(), [2, 1]);
      assert.equal((await test.consumers.receive('claimed', { max: 3 })).length, 3);
      assert.deepEqual(
        (await test.consumers.list()).map(({ state }) => state),
        ['running', 'running', 'running'],
      );
    },
    async 'G7 100,000 events behind one parked key keep no other key waiting'(stage) {
      const received = newReceived();
      const picky = recordingConsumer('picky', received, {
        retry: { attempts: 1 },
        key: (event) => event.data.item,
        act({ event }) {
          if (event.data.item === 'bad') throw new StoreUnavailable('of the case', 'no');
        },
      });
      const test = await stage.start({ events: [Counted], consumers: [picky] });
      await count(test, ['bad'], 1);
      await test.settled({ advance: true });
      await count(test, ['bad'], 100_500, 2);
      await count(test, ['good'], 5);
      await test.settled({ advance: true });
      assert.deepEqual(received.numbers('good'), upTo(5));
      assert.equal(only(await test.parked()).waitingBehind, 100_500);
    },
    async 'a claim that is held for long keeps no other receiver waiting, and is given to nobody else until its lease is over'(
      stage,
    ) {
      const test = await stage.start({
        events: [Counted],
        consumers: [defineConsumer({ name: 'claimed', on: Counted, mode: 'queue' })],
      });
      await count(test, ['a'], 9_000);
      await test.settled();
      const [long] = await test.consumers.receive('claimed', { leaseMs: 3_600_000 });
      const seen = new Set<number>();
      while (seen.size < 8_999) {
        const claims = await test.consumers.receive('claimed', { max: 500 });
        for (const claim of claims) seen.add(claim.event.position);
        await Promise.all(claims.map((claim) => claim.ack()));
        await test.clock.advance(1);
      }
      assert.ok(long !== undefined && !seen.has(long.event.position));
      assert.equal(await long.ack(), true);
      await test.settled();
      const { waiting, retrying, position } = await test.consumers.status('claimed');
      assert.deepEqual([waiting, retrying, position >= 9_000], [0, 0, true]);
    },
    async 'places that are none are refused, and nothing changes'(stage) {
      const test = await stage.start({ events: [Counted], consumers: [recordingConsumer('all', newReceived())] });
      await count(test, ['a'], 3);
      await test.settled();
      for (const place of [1e17, 1.5, -1, Number.NaN, 'x', 50]) {
        await assert.rejects(test.consumers.replay('all', { position: place as never }), InvalidInput);
      }
      await assert.rejects(test.consumers.replay('all', 'start' as never), InvalidInput);
      await assert.rejects(test.consumers.replay('all', { time: 'soon' }), InvalidInput);
      assert.throws(() => recordingConsumer('x', newReceived(), { from: { position: 1e17 as never } }), InvalidInput);
      assert.deepEqual((await test.consumers.status('all')).state, 'running');
    },
  });
