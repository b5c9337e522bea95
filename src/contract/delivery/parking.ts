import assert from 'node:assert/strict';
import { defineConsumer } from '../../consumer/define-consumer.ts';
import { NotFound, TerminalError, WrongState } from '../../errors.ts';
import { defineProjection } from '../../projection/define-projection.ts';
import type { TestSystem } from '../../testing/index.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import type { DeliveryStage } from './delivery-case.ts';
import { count, Counted, newReceived, only, recordingConsumer, upTo } from './samples.ts';
import type { Received } from './samples.ts';

/** A consumer whose bad events fail until they are mended. */
interface Patient {
  readonly test: TestSystem<typeof Counted>;
  /** What was handled to a good end. */
  readonly done: Received;
  readonly bad: Set<string>;
}

async function startPatient(stage: DeliveryStage, ...bad: readonly string[]): Promise<Patient> {
  const ill = new Set(bad);
  const done = newReceived();
  const consumer = recordingConsumer('patient', newReceived(), {
    act({ event }) {
      if (ill.has(`${event.data.item}${event.data.n}`))
        throw new TerminalError(`${event.data.item}${event.data.n} is bad`);
      done.events.push(event);
    },
  });
  return { test: await stage.start({ events: [Counted], consumers: [consumer] }), done, bad: ill };
}

const byNumber = (left: unknown, right: unknown) => (left as { n: number }).n - (right as { n: number }).n;

/** A bad event stops only its key (G7). */
export const parkingCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    async 'G7 behind a parked event the later ones of its key wait, other keys go on'(stage) {
      const { test, done } = await startPatient(stage, 'a2');
      await count(test, ['a', 'b'], 5);
      await test.settled();
      assert.deepEqual([done.numbers('a'), done.numbers('b')], [[1], [1, 2, 3, 4, 5]]);
      const letter = only(await test.parked());
      assert.deepEqual(
        [letter.key, letter.waitingBehind, letter.attempts, letter.event?.data],
        ['item-a', 3, 1, { item: 'a', n: 2 }],
      );
      const status = await test.consumers.status('patient');
      assert.deepEqual([status.parked, status.waiting, status.lag.events], [1, 3, 0]);
    },
    async 'G7 an event whose key no store can keep is parked under its stream, and the others are handled once'(stage) {
      const handled: string[] = [];
      // Of characters that no compression makes fewer.
      const tooLong = String.fromCodePoint(...upTo(3_000).map((n) => 0x4e00 + ((n * 7_919) % 20_000)));
      const consumer = defineConsumer({
        name: 'long',
        on: Counted,
        key: ({ data }) => (data.n === 2 ? tooLong : '\u754c'.repeat(512 - data.n)),
        retry: { attempts: 1 },
        state: { initial: () => 0 },
        handle({ event }) {
          if (event.data.n === 3) throw new TerminalError('bad, under a key that is as long as one may be');
          handled.push(`${event.data.item}${event.data.n}`);
        },
      });
      const test = await stage.start({ events: [Counted], consumers: [consumer] });
      await count(test, ['a'], 5);
      await test.settled();
      assert.deepEqual(handled.sort(), ['a1', 'a4', 'a5']);
      const letters = await test.parked();
      assert.deepEqual(letters.map(({ event }) => event?.data).toSorted(byNumber), [
        { item: 'a', n: 2 },
        { item: 'a', n: 3 },
      ]);
      assert.match(
        letters.find(({ key }) => key === 'item-a')?.error?.message ?? '',
        /key: expected a string of at most 512/,
      );
    },
    async 'G7 JQ4 a retried event counts its attempts anew, and its followers come after it in order'(stage) {
      const { test, done, bad } = await startPatient(stage, 'a2');
      await count(test, ['a'], 5);
      await test.settled();
      const { id } = only(await test.parked());
      await test.deadLetters.retry(id);
      await test.settled();
      assert.equal(only(await test.parked()).attempts, 1, 'JQ4 a second failure parks it again');
      bad.clear();
      await test.deadLetters.retry(id);
      await test.settled();
      assert.deepEqual(done.numbers(), [1, 2, 3, 4, 5]);
      await assert.rejects(test.deadLetters.retry(id), NotFound, 'JQ4 a second redrive moves nothing');
      assert.equal(await test.deadLetters.retryAll(), 0);
    },
    async 'G7 a discarded event is given up, and its followers go on in order'(stage) {
      const { test, done } = await startPatient(stage, 'a2', 'a4');
      await count(test, ['a'], 6);
      await test.settled();
      await test.deadLetters.discard(only(await test.parked()).id, 'not worth it');
      await test.settled();
      assert.deepEqual(done.numbers(), [1, 3]);
      await test.deadLetters.discard(only(await test.parked()).id);
      await test.settled();
      assert.deepEqual(done.numbers(), [1, 3, 5, 6]);
      assert.deepEqual(
        test.reported('thereupon.delivery.discarded').map(({ data }) => (data as { reason: string }).reason),
        ['not worth it', 'discarded by an operator'],
      );
    },
    async 'G7 an edited event is handled with the data of the operator; the log keeps what was recorded'(stage) {
      const { test, done, bad } = await startPatient(stage, 'a2');
      await count(test, ['a'], 3);
      await test.settled();
      bad.add('a0');
      await test.deadLetters.retryEdited(only(await test.parked()).id, { item: 'a', n: 0 });
      await test.settled();
      const again = only(await test.parked());
      assert.deepEqual([again.edited, again.event?.data], [true, { item: 'a', n: 0 }]);
      await test.deadLetters.retryEdited(again.id, { item: 'a', n: 20 });
      await test.settled();
      assert.deepEqual(done.numbers(), [1, 20, 3]);
      assert.deepEqual(
        (await test.system.events.readStream('item-a')).events.map(({ data }) => (data as { n: number }).n),
        [1, 2, 3],
      );
    },
    async 'G7 an event that is edited into another key gets its place there'(stage) {
      const rows = defineProjection({
        name: 'rows',
        key: (event) => event.data.item,
        initial: () => [] as number[],
        on: [
          [
            Counted,
            (row, event) => {
              if (event.data.item === 'typo') throw new TerminalError('no such item');
              return [...row, event.data.n];
            },
          ],
        ],
      });
      const test = await stage.start({ events: [Counted], projections: [rows] });
      await test.system.publishAll(
        ['a', 'typo', 'a', 'typo'].map((item, index) => ({ event: Counted, data: { item, n: index + 1 } })),
      );
      await test.settled();
      await test.deadLetters.retryEdited(only(await test.parked()).id, { item: 'a', n: 2 });
      await test.settled();
      await test.deadLetters.retryEdited(only(await test.parked()).id, { item: 'b', n: 4 });
      await test.settled();
      assert.deepEqual(
        [await test.row(rows, 'a'), await test.row(rows, 'b'), await test.row(rows, 'typo')],
        [[1, 3, 2], [4], undefined],
      );
      assert.deepEqual([(await test.consumers.status('rows')).waiting, (await test.parked()).length], [0, 0]);
      await test.system.publish(Counted, { item: 'a', n: 5 });
      await test.settled();
      assert.deepEqual(await test.row(rows, 'a'), [1, 3, 2, 5], 'the key is free again');
    },
    async 'ES30 of 20 parked events one, those that fit a query, or all are retried'(stage) {
      const items = upTo(20).map((item) => `i${String(item).padStart(2, '0')}`);
      const { test, done, bad } = await startPatient(stage, ...items.map((item) => `${item}1`));
      await count(test, items, 2);
      await test.settled();
      assert.equal((await test.parked()).length, 20);
      bad.clear();
      const page = await test.deadLetters.list({ consumer: 'patient', limit: 4 });
      for (const { id } of page.items) await test.deadLetters.retry(id);
      await test.settled();
      assert.equal(done.events.length, 8);
      assert.equal(await test.deadLetters.retryAll({ key: 'item-i20' }), 1);
      assert.equal(await test.deadLetters.discardAll({ key: 'item-i19', error: 'terminal' }), 1);
      assert.equal(await test.deadLetters.retryAll({ type: 'no.such.type' }), 0);
      assert.equal(await test.deadLetters.retryAll({ consumer: 'patient', type: Counted.type }), 14);
      await test.settled();
      assert.equal(done.events.length, 39);
      assert.deepEqual(await test.parked(), []);
      await assert.rejects(test.deadLetters.retry('patient~999'), NotFound);
      await assert.rejects(test.deadLetters.retry('no such id'), /consumer~position/);
    },
    async 'G7 parking, waiting and releasing survive a crash at every stage, and order is kept'(stage) {
      const { test, done, bad } = await startPatient(stage, 'a2');
      await count(test, ['a', 'b'], 4);
      await test.settled();
      await test.crash();
      await count(test, ['a', 'b'], 2, 5);
      await test.settled();
      assert.deepEqual([done.numbers('a'), done.numbers('b')], [[1], upTo(6)]);
      assert.equal(only(await test.parked()).waitingBehind, 4);
      bad.clear();
      await test.deadLetters.retryAll();
      await test.crash();
      await count(test, ['a'], 1, 7);
      await test.settled();
      await test.crash();
      await test.settled();
      assert.deepEqual(
        done
          .numbers('a')
          .toSorted((left, right) => left - right)
          .filter((n, index, all) => n !== all[index - 1]),
        upTo(7),
      );
      assert.deepEqual([(await test.consumers.status('patient')).waiting, (await test.parked()).length], [0, 0]);
    },
    async 'a letter that two operators retry at the same time is tried once; the second is told that it is no dead letter any more'(
      stage,
    ) {
      const { test, done, bad } = await startPatient(stage, 'a1');
      await count(test, ['a'], 2);
      await test.settled();
      bad.clear();
      const { id } = only(await test.parked());
      const outcomes = await Promise.allSettled([
        test.deadLetters.retry(id),
        test.deadLetters.discard(id),
        test.deadLetters.retry(id),
      ]);
      await test.settled();
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ['fulfilled', 'rejected', 'rejected'],
      );
      assert.ok(
        outcomes.every(
          (outcome) =>
            outcome.status === 'fulfilled' ||
            outcome.reason instanceof NotFound ||
            outcome.reason instanceof WrongState,
        ),
      );
      assert.deepEqual(done.numbers(), [1, 2]);
    },
    async 'an operator who retries while the key is looked at is not overheard: 200 times at different moments'(stage) {
      const { test, done, bad } = await startPatient(stage, 'a1');
      await count(test, ['a'], 2);
      await test.settled();
      const { id } = only(await test.parked());
      for (let round = 0; round < 200; round += 1) {
        const retried = test.deadLetters.retry(id);
        for (let turns = round % 23; turns > 0; turns -= 1) await Promise.resolve();
        await retried;
        if (round % 2 === 0) await test.settled();
        else for (let turns = round % 17; turns > 0; turns -= 1) await Promise.resolve();
        while ((await test.parked()).length === 0) await test.settled();
      }
      bad.clear();
      await test.deadLetters.retry(id);
      await test.settled();
      assert.deepEqual(done.numbers(), [1, 2]);
    },
    async 'G7 events that come while a key is released queue behind those that wait, and none is stranded'(stage) {
      const { test, done, bad } = await startPatient(stage, 'a1');
      await count(test, ['a'], 30);
      await test.settled();
      bad.clear();
      await test.deadLetters.retryAll();
      for (let n = 31; n <= 200; n += 1) {
        await test.system.publish(Counted, { item: 'a', n });
        for (let turns = n % 13; turns > 0; turns -= 1) await Promise.resolve();
      }
      await test.settled();
      assert.deepEqual(done.numbers(), upTo(200));
      assert.equal((await test.consumers.status('patient')).waiting, 0);
    },
    async 'JQ2 JQ3 in a queue a parked event keeps its data, attempts and priority, and other events go on'(stage) {
      const bad = new Set([2]);
      const done: number[] = [];
      const jobs = defineConsumer({
        name: 'jobs',
        on: Counted,
        mode: 'queue',
        retry: { attempts: 2, minDelay: '1s' },
        priority: ({ data }) => data.n,
        handle({ event }) {
          if (bad.has(event.data.n)) throw new Error('bad');
          done.push(event.data.n);
        },
      });
      const test = await stage.start({ events: [Counted], consumers: [jobs] });
      await count(test, ['a'], 3);
      await test.settled({ advance: true });
      const letter = only(await test.parked());
      assert.deepEqual(
        [letter.attempts, letter.event?.data, done.toSorted((left, right) => left - right)],
        [2, { item: 'a', n: 2 }, [1, 3]],
      );
      bad.clear();
      await test.deadLetters.retry(letter.id);
      await test.restart();
      await test.settled({ advance: true });
      assert.deepEqual(
        done.toSorted((left, right) => left - right),
        [1, 2, 3],
      );
    },
  });
