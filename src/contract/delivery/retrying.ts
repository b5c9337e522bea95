import assert from 'node:assert/strict';
import { defineConsumer } from '../../consumer/define-consumer.ts';
import { ClaimLost, TerminalError } from '../../errors.ts';
import { defineProjection } from '../../projection/define-projection.ts';
import { waitFor } from '../../system/clock.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import { Answered, count, Counted, newGate, newReceived, only, recordingConsumer, upTo } from './samples.ts';

/** What becomes of attempts that fail, take too long, or outlive their claim. */
export const retryingCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    async 'retries wait longer each time, up to the longest wait, and are capped by their number'(stage) {
      const at: number[] = [];
      const test = await stage.start({
        events: [Counted],
        consumers: [
          recordingConsumer('failing', newReceived(), {
            retry: { attempts: 6, minDelay: '1s', maxDelay: '5s', factor: 2, jitter: 0 },
            act() {
              at.push(test.clock.now());
              throw new Error('always');
            },
          }),
        ],
      });
      const beginMs = test.clock.now();
      await count(test, ['a'], 1);
      await test.settled({ advance: true });
      assert.deepEqual(
        at.map((ms) => Math.round((ms - beginMs) / 1_000)),
        [0, 1, 3, 7, 12, 17],
      );
      assert.equal(only(await test.parked()).attempts, 6);
    },
    async 'jitter shortens a wait by chance, never lengthens it, and tells keys apart'(stage) {
      const waits = new Map<string, number>();
      const test = await stage.start({
        events: [Counted],
        consumers: [
          recordingConsumer('failing', newReceived(), {
            retry: { attempts: 2, minDelay: '10s', jitter: 0.5 },
            act({ event, attempt }) {
              if (attempt === 1) throw new Error('once');
              waits.set(event.data.item, test.clock.now() - event.recordedMs);
            },
          }),
        ],
      });
      await count(test, upTo(20).map(String), 1);
      await test.settled({ advance: true });
      assert.equal(waits.size, 20);
      assert.ok(
        [...waits.values()].every((ms) => ms >= 5_000 && ms <= 10_100),
        `waits are from half to the whole: ${[...waits.values()].join(' ')}`,
      );
      assert.ok(new Set(waits.values()).size > 10);
    },
    async 'retries are capped by age: none later than that after the first failure'(stage) {
      const received = newReceived();
      const failing = recordingConsumer('failing', received, {
        retry: { attempts: 1_000, minDelay: '10s', factor: 1, jitter: 0, maxAge: '35s' },
        act() {
          throw new Error('always');
        },
      });
      const test = await stage.start({ events: [Counted], consumers: [failing] });
      await count(test, ['a'], 1);
      await test.settled({ advance: true });
      assert.deepEqual([received.events.length, only(await test.parked()).attempts], [4, 4]);
    },
    async 'an error that no retry mends parks at once: a terminal one, and what the consumer itself calls so'(stage) {
      const attempts: string[] = [];
      const failing = (name: string, thrown: Error, terminal?: (error: unknown) => boolean) =>
        recordingConsumer(name, newReceived(), {
          retry: { attempts: 2, ...(terminal === undefined ? {} : { terminal }) },
          act() {
            attempts.push(name);
            throw thrown;
          },
        });
      const test = await stage.start({
        events: [Counted],
        consumers: [
          failing('declared', new TerminalError('no such customer')),
          failing('judged', new RangeError('too large'), (error) => error instanceof RangeError),
          failing('overruled', new TerminalError('not for this consumer'), () => false),
          failing('misjudged', new Error('x'), () => {
            throw new Error('the judge failed');
          }),
        ],
      });
      await count(test, ['a'], 1);
      await test.settled({ advance: true });
      assert.deepEqual(attempts.toSorted(), ['declared', 'judged', 'misjudged', 'misjudged', 'overruled', 'overruled']);
      assert.equal((await test.parked()).length, 4);
    },
    async 'JQ1 whatever is thrown is stored safely: nested causes, text, nothing, a circle, an object that defends itself'(
      stage,
    ) {
      const circle: Record<string, unknown> = { name: 'circle' };
      circle['self'] = circle;
      const hostile = new Proxy({}, { get: refuse, getPrototypeOf: refuse, ownKeys: refuse });
      const thrown: readonly unknown[] = [
        new Error('outer', { cause: new TypeError('inner') }),
        'text',
        undefined,
        null,
        circle,
        hostile,
        { then: 1 },
        new AggregateError([new Error('first of many')]),
      ];
      const throwing = recordingConsumer('throwing', newReceived(), {
        retry: { attempts: 1 },
        act({ event }) {
          const value = thrown[event.data.n - 1];
          if (event.data.item === 'late') return Promise.reject(value);
          throw value;
        },
      });
      const test = await stage.start({ events: [Counted], consumers: [throwing] });
      for (const n of upTo(thrown.length))
        await test.system.publishAll(
          ['now', 'late'].map((item) => ({
            event: Counted,
            data: { item, n },
            options: { stream: `item-${item}${n}` },
          })),
        );
      await test.settled();
      const letters = await test.parked();
      assert.equal(letters.length, thrown.length * 2);
      const [first] = letters;
      assert.deepEqual(
        [first?.error?.message, first?.error?.cause?.name, first?.error?.cause?.message],
        ['outer', 'TypeError', 'inner'],
      );
      assert.ok(letters.every(({ error }) => typeof error?.message === 'string'));
    },
    async 'a handler that answers something strange is handled, and its key goes on: a foreign promise, one whose then throws or is its own'(
      stage,
    ) {
      const answers: unknown[] = [
        { then: (done: () => void) => done() },
        Object.defineProperty({}, 'then', { get: refuse }),
        17,
        'text',
        Object.assign(Promise.resolve(), { then: (done: () => void) => done() }),
        Object.assign(Promise.resolve(), { then: refuse }),
        Object.defineProperty(Promise.resolve(), 'constructor', { get: refuse }),
      ];
      const received = newReceived();
      const strange = recordingConsumer('strange', received, {
        retry: { attempts: 1 },
        act: ({ event }) => answers[event.data.n - 1] as Promise<void>,
      });
      const test = await stage.start({ events: [Counted], consumers: [strange] });
      for (const n of upTo(answers.length)) await test.system.publish(Counted, { item: String(n), n });
      for (const n of upTo(answers.length)) await test.system.publish(Counted, { item: String(n), n: 0 });
      await test.settled();
      assert.deepEqual(
        (await test.parked()).map(({ key }) => key),
        ['item-2', 'item-7'],
      );
      const followers = () => received.events.filter(({ data }) => data.n === 0);
      // Those of the two keys that are held up wait for an operator.
      assert.equal(followers().length, answers.length - 2);
      // Nothing of the attempt that failed stays behind.
      answers.fill('done');
      await test.deadLetters.retryAll();
      await test.settled();
      assert.equal(followers().length, answers.length);
    },
    async 'an attempt that takes too long is aborted and repeated; what it wants to publish afterwards is refused'(
      stage,
    ) {
      const after: unknown[] = [];
      const gate = newGate();
      const slow = defineConsumer({
        name: 'slow',
        on: Counted,
        publishes: [Answered],
        timeout: '5s',
        state: { initial: () => 0 },
        async handle({ event, attempt, publish, signal, state }) {
          if (attempt === 1) {
            await gate.opened;
            after.push(signal.aborted, (signal.reason as Error).name);
            await assert.rejects(publish(Answered, { ...event.data, part: 99 }), ClaimLost);
            assert.throws(() => state.set(99), ClaimLost);
            after.push('refused');
            return;
          }
          state.set(state.get() + 1);
          await publish(Answered, { ...event.data, total: state.get() });
        },
      });
      const test = await stage.start({ events: [Counted, Answered], consumers: [slow] });
      await count(test, ['a'], 1);
      await test.advance('10s');
      gate.open();
      await test.settled({ advance: true });
      assert.deepEqual(after, [true, 'AttemptTimeout', 'refused']);
      assert.deepEqual(
        test.recorded(Answered).map(({ data }) => data),
        [{ item: 'a', n: 1, part: 0, total: 1 }],
      );
    },
    async 'PS12 the signal is live while the attempt is, whatever its publisher did, and the context has no more to give afterwards'(
      stage,
    ) {
      const signals: AbortSignal[] = [];
      const kept: (() => Promise<unknown>)[] = [];
      const keeping = defineConsumer({
        name: 'keeping',
        on: Counted,
        publishes: [Answered],
        handle({ event, signal, publish }) {
          assert.equal(signal.aborted, false);
          signals.push(signal);
          kept.push(() => publish(Answered, event.data));
        },
      });
      const test = await stage.start({ events: [Counted, Answered], consumers: [keeping] });
      await count(test, ['a'], 1);
      await test.settled();
      // Differs from PS12: a signal is aborted when its attempt failed to end in time, not when it ended well.
      assert.equal(signals[0]?.aborted, false);
      await assert.rejects(async () => kept[0]?.(), ClaimLost);
      assert.deepEqual(test.recorded(Answered), []);
    },
    async 'a key that cannot be told fails the event, however often it is tried; it is never handled under another key'(
      stage,
    ) {
      const broken = { key: true };
      const rows = defineProjection({
        name: 'rows',
        key(event) {
          if (broken.key && event.data.n === 2) throw new Error('no key');
          return event.data.item;
        },
        initial: () => 0,
        on: [[Counted, (row, event) => row + event.data.n]],
      });
      const test = await stage.start({ events: [Counted], projections: [rows] });
      await count(test, ['a'], 3);
      await test.settled({ advance: true });
      assert.deepEqual(
        [await test.row(rows, 'a'), await test.row(rows, 'item-a'), await test.views.count(rows)],
        [4, undefined, 1],
      );
      assert.match(only(await test.parked('rows')).error?.message ?? '', /no key/);
      broken.key = false;
      assert.equal(await test.deadLetters.retryAll(), 1);
      await test.settled({ advance: true });
      assert.deepEqual(
        [await test.row(rows, 'a'), await test.row(rows, 'item-a'), (await test.parked()).length],
        [6, undefined, 0],
      );
    },
    async 'null is a state like every other'(stage) {
      const seen: unknown[] = [];
      const keeping = defineConsumer({
        name: 'keeping',
        on: Counted,
        state: { initial: (): number | null => 7 },
        handle({ event, state }) {
          seen.push(state.get());
          if (event.data.n === 1) state.set(null);
          if (event.data.n === 2) state.delete();
        },
      });
      const test = await stage.start({ events: [Counted], consumers: [keeping] });
      for (const n of upTo(3)) {
        await test.system.publish(Counted, { item: 'a', n });
        await test.restart();
      }
      assert.deepEqual(seen, [7, null, 7]);
    },
    async 'an attempt that failed leaves nothing behind: no state, no event'(stage) {
      const half = defineConsumer({
        name: 'half',
        on: Counted,
        publishes: [Answered],
        retry: { attempts: 3, minDelay: '1s' },
        state: { initial: () => 0 },
        async handle({ event, attempt, publish, state }) {
          state.set(state.get() + 1);
          await publish(Answered, { ...event.data, total: state.get() });
          await waitFor(test.clock, 10);
          if (attempt < 3) throw new Error('after the effects');
        },
      });
      const test = await stage.start({ events: [Counted, Answered], consumers: [half] });
      await count(test, ['a'], 2);
      await test.settled({ advance: true });
      assert.deepEqual(
        test.recorded(Answered).map(({ data }) => data.total),
        [1, 2],
      );
    },
  });

function refuse(): never {
  throw new Error('not to be looked at');
}
