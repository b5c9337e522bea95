import assert from 'node:assert/strict';
import { defineConsumer } from '../../consumer/define-consumer.ts';
import { StoreUnavailable } from '../../errors.ts';
import { defineProjection } from '../../projection/define-projection.ts';
import type { Interceptor } from '../../testing/index.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import { Answered, count, Counted, newReceived, only, recordingConsumer, sums, upTo } from './samples.ts';

/** What fails while a case wants it to. */
interface Weakness {
  /** `port.method`, or `port.*`. */
  readonly failing: Set<string>;
  readonly newInterceptor: () => Interceptor;
  error(): Error;
}

function newWeakness(error: () => Error = () => new StoreUnavailable('of the case', 'out of order')): Weakness {
  const failing = new Set<string>();
  const intercept: Interceptor = async (call) => {
    if (failing.has(`${call.port}.${call.method}`) || failing.has(`${call.port}.*`)) throw error();
    return call.proceed();
  };
  return { failing, newInterceptor: () => intercept, error };
}

/** A store that is out of order for a while, or refuses what a handler published (G6, G11). */
export const enduringCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    async 'G11 while commits fail the consumer is shown as stalled; afterwards nothing is lost or doubled, and the stall is reported'(
      stage,
    ) {
      const weakness = newWeakness();
      const test = await stage.start(
        { events: [Counted], projections: [sums] },
        { interceptor: weakness.newInterceptor },
      );
      await count(test, ['a'], 3);
      await test.settled();
      weakness.failing.add('unitOfWork.commit');
      await count(test, ['a'], 3, 4);
      await test.clock.advance('20s');
      const status = await test.consumers.status('sums');
      assert.deepEqual([status.state, /out of order/.test(status.reason ?? '')], ['stalled', true]);
      weakness.failing.clear();
      await test.clock.advance('10s');
      await test.settled();
      assert.deepEqual([(await test.consumers.status('sums')).state, await test.row(sums, 'a')], ['running', 21]);
      const stalls = test.reported('thereupon.consumer.stalled').map(({ data }) => data as { consumer: string });
      assert.equal(stalls.filter(({ consumer }) => consumer === 'sums').length, 1);
    },
    async 'an outage in the middle of a crash and a restart changes nothing in the result'(stage) {
      const weakness = newWeakness();
      const test = await stage.start(
        { events: [Counted], projections: [sums] },
        { interceptor: weakness.newInterceptor },
      );
      weakness.failing.add('unitOfWork.commit');
      await count(test, ['a'], 3);
      await test.clock.advance('3s');
      weakness.failing.clear();
      await test.crash();
      await count(test, ['a'], 1, 4);
      await test.settled();
      assert.equal(await test.row(sums, 'a'), 10);
    },
    async 'while the log cannot be read a consumer that catches up stalls, and goes on by itself'(stage) {
      const weakness = newWeakness();
      const received = newReceived();
      const test = await stage.start(
        { events: [Counted], consumers: [recordingConsumer('reading', received)] },
        { interceptor: weakness.newInterceptor },
      );
      await test.consumers.pause('reading');
      await count(test, ['a'], 500);
      await test.restart();
      weakness.failing.add('log.read');
      await test.consumers.resume('reading');
      await test.clock.advance('30s');
      assert.equal((await test.consumers.status('reading').catch(() => ({ state: 'stalled' }))).state, 'stalled');
      weakness.failing.clear();
      await test.clock.advance('10s');
      await test.settled();
      assert.deepEqual(received.numbers(), upTo(500));
      assert.equal((await test.consumers.status('reading')).state, 'running');
    },
    async 'G7 while states cannot be read events wait for the store: no attempt is counted, and none is parked'(stage) {
      const weakness = newWeakness();
      const impatient = defineProjection({
        name: 'impatient',
        key: (event) => event.data.item,
        initial: () => 0,
        on: [[Counted, (row, event) => row + event.data.n]],
        retry: { attempts: 1 },
      });
      const test = await stage.start(
        { events: [Counted], projections: [impatient] },
        { interceptor: weakness.newInterceptor },
      );
      await test.settled();
      weakness.failing.add('rows.getMany');
      await count(test, ['a', 'b'], 3);
      await test.clock.advance('20s');
      const status = await test.consumers.status('impatient');
      assert.deepEqual([status.state, status.parked, status.figures.failed], ['stalled', 0, 0]);
      weakness.failing.clear();
      await test.clock.advance('10s');
      await test.settled();
      assert.deepEqual([await test.row(impatient, 'a'), await test.row(impatient, 'b')], [6, 6]);
      assert.deepEqual(await test.parked(), []);
      assert.equal((await test.consumers.status('impatient')).state, 'running');
    },
    async 'PS16 while appends fail publishers are told, and what was refused is not there'(stage) {
      const weakness = newWeakness();
      const received = newReceived();
      const test = await stage.start(
        { events: [Counted], consumers: [recordingConsumer('all', received)] },
        { interceptor: weakness.newInterceptor },
      );
      weakness.failing.add('log.append');
      await assert.rejects(count(test, ['a'], 1), StoreUnavailable);
      weakness.failing.clear();
      await count(test, ['a'], 1, 2);
      await test.settled();
      assert.deepEqual(received.numbers(), [2]);
    },
    async 'deliveries that cannot be read for a while are worked off afterwards, in order, in queues too'(stage) {
      const weakness = newWeakness();
      const ordered = newReceived();
      const queued = newReceived();
      const failing = (numbers: typeof ordered, mode: 'ordered' | 'queue') =>
        recordingConsumer(mode, newReceived(), {
          mode,
          retry: { attempts: 10, minDelay: '1s', jitter: 0 },
          act({ event, attempt }) {
            if (event.data.n === 1 && attempt < 3) throw new Error('not yet');
            numbers.events.push(event);
          },
        });
      const test = await stage.start(
        { events: [Counted], consumers: [failing(ordered, 'ordered'), failing(queued, 'queue')] },
        { interceptor: weakness.newInterceptor },
      );
      await count(test, ['a'], 3);
      for (const method of ['list', 'due', 'nextDueMs']) weakness.failing.add(`deliveries.${method}`);
      await test.clock.advance('10s');
      weakness.failing.clear();
      weakness.failing.add('log.read');
      await test.clock.advance('10s');
      weakness.failing.clear();
      await test.settled({ advance: true });
      assert.deepEqual(
        [ordered.numbers(), queued.numbers()],
        [
          [1, 2, 3],
          [2, 3, 1],
        ],
      );
    },
    async 'a store that fails in a way nobody foresaw stalls its consumer and does not end the process; the consumer begins anew'(
      stage,
    ) {
      const weakness = newWeakness(() => new RangeError('a defect of the store'));
      const test = await stage.start(
        { events: [Counted], projections: [sums] },
        { interceptor: weakness.newInterceptor },
      );
      weakness.failing.add('unitOfWork.commit');
      await count(test, ['a'], 3);
      await test.clock.advance('5s');
      assert.equal((await test.consumers.status('sums')).state, 'stalled');
      weakness.failing.add('checkpoints.load');
      await test.clock.advance('5m');
      weakness.failing.clear();
      await test.clock.advance('5m');
      await test.settled();
      assert.deepEqual([(await test.consumers.status('sums')).state, await test.row(sums, 'a')], ['running', 6]);
    },
    async 'a pause that cannot be written down fails, and the consumer goes on'(stage) {
      const weakness = newWeakness();
      const test = await stage.start(
        { events: [Counted], projections: [sums] },
        { interceptor: weakness.newInterceptor },
      );
      weakness.failing.add('checkpoints.change');
      await assert.rejects(test.consumers.pause('sums'), StoreUnavailable);
      await assert.rejects(test.consumers.replay('sums', 'beginning'), StoreUnavailable);
      weakness.failing.clear();
      await count(test, ['a'], 3);
      await test.settled();
      assert.equal(await test.row(sums, 'a'), 6);
    },
    async 'an event whose handler publishes to a deleted stream is parked with the reason, and nothing else of its batch is lost'(
      stage,
    ) {
      const answering = defineConsumer({
        name: 'answering',
        on: Counted,
        publishes: [Answered],
        state: { initial: () => 0 },
        async handle({ event, publish, state }) {
          state.set(state.get() + 1);
          await publish(Answered, { ...event.data, total: state.get() });
        },
      });
      const test = await stage.start({ events: [Counted, Answered], consumers: [answering] });
      await count(test, ['a', 'b'], 2);
      await test.settled();
      await test.system.deleteStream('answer-a');
      await count(test, ['a', 'b', 'c'], 2, 3);
      await test.settled({ advance: true });
      const letter = only(await test.parked());
      assert.deepEqual(
        [letter.error?.code, letter.event?.data, letter.waitingBehind],
        ['stream-deleted', { item: 'a', n: 3 }, 1],
      );
      const answers = test.recorded(Answered).map(({ data }) => `${data.item}${data.n}:${data.total}`);
      assert.deepEqual(answers.toSorted(), ['a1:1', 'a2:2', 'b1:1', 'b2:2', 'b3:3', 'b4:4', 'c3:1', 'c4:2']);
      await test.deadLetters.retryAll();
      await test.settled({ advance: true });
      assert.equal(only(await test.parked()).event?.position, letter.position);
    },
  });
