import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { z } from 'zod';
import { defineConsumer } from '../../consumer/define-consumer.ts';
import { defineEvent } from '../../event/define-event.ts';
import { defineProjection } from '../../projection/define-projection.ts';
import type { ProjectionDefinition } from '../../projection/define-projection.ts';
import type { TestSystem } from '../../testing/index.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import type { DeliveryStage } from './delivery-case.ts';
import { Answered, count, Counted, Ignored, only, sums, upTo } from './samples.ts';

/** What throws again when somebody looks at it. */
function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** The sum of each item's numbers and how many there were; throws for what a case asks it to. */
const tallies = (fails: (item: string, n: number) => boolean = () => false) =>
  defineProjection({
    name: 'tallies',
    mode: 'inline',
    key: (event) => event.data.item,
    initial: () => ({ sum: 0, events: 0 }),
    on: [
      [
        Counted,
        (row, { data }) => {
          if (fails(data.item, data.n)) throw new Error(`${data.item} ${data.n} cannot be counted`);
          return { sum: row.sum + data.n, events: row.events + 1 };
        },
      ],
    ],
    indexes: { sum: (row) => row.sum },
    retry: { attempts: 2, minDelay: '1s' },
  });

const plain = tallies();

const modeOf = async (test: Pick<TestSystem, 'consumers'>, name = 'tallies') =>
  (await test.consumers.status(name)).inline;

async function rowOf(test: Pick<TestSystem, 'views'>, item: string): Promise<readonly [number, number] | undefined> {
  const row = await test.views.get(plain, item);
  return row && [row.sum, row.events];
}

/** A program whose projection fails while a case says so. */
async function startFailing(stage: DeliveryStage, fails: (item: string, n: number) => boolean) {
  const state = { fails };
  const projections = [tallies((item, n) => state.fails(item, n))];
  return { state, test: await stage.start({ events: [Counted, Ignored], projections }) };
}

/** Of an inline projection the rows are there when the event is (G6), and there is one engine for all that can happen to it. */
export const projectingCases: ContractSuite = (bench) =>
  deliveryCases(
    bench,
    {
      async 'when a publish resolves, the row of an inline projection is there'(stage) {
        const test = await stage.start({ events: [Counted], projections: [plain] });
        assert.equal(await modeOf(test), 'in-force');
        for (const n of upTo(20)) {
          const { position } = await test.system.publish(Counted, { item: 'a', n });
          assert.deepEqual(await rowOf(test, 'a'), [(n * (n + 1)) / 2, n]);
          assert.equal((await test.consumers.reached('tallies', position)).isReached, true);
        }
        const page = await test.views.query(plain, { where: [{ index: 'sum', op: '=', value: 210 }] });
        assert.equal(only(page.items).key, 'a');
        const status = await test.consumers.status('tallies');
        assert.deepEqual(
          [status.state, status.live, status.lag.events, status.figures.handled],
          ['running', true, 0, 20],
        );
      },

      async 'whoever is told of an event finds the row as it made it, whoever else publishes'(stage) {
        const seen: [number, number][] = [];
        const watcher = defineConsumer({
          name: 'watcher',
          on: Counted,
          async handle({ event }) {
            seen.push([event.data.n, (await test.views.get(plain, 'a'))?.events ?? 0]);
          },
        });
        const test: TestSystem<typeof Counted> = await stage.start({
          events: [Counted],
          projections: [plain],
          consumers: [watcher],
        });
        await Promise.all(
          upTo(64).map(async (n) => {
            await test.system.publish(Counted, { item: 'a', n });
            assert.ok(((await rowOf(test, 'a'))?.[1] ?? 0) >= 1);
          }),
        );
        await test.settled();
        assert.deepEqual(await rowOf(test, 'a'), [2_080, 64]);
        for (const [place, [, events]] of seen.entries()) assert.ok(events > place, `${events} events after ${place}`);
      },

      async 'what reactions publish is in the rows with it'(stage) {
        const answers = defineProjection({
          name: 'answers',
          mode: 'inline',
          key: (event) => event.data.item,
          initial: () => 0,
          on: [[Answered, (row, { data }) => row + data.n]],
        });
        const answer = defineConsumer({
          name: 'answer',
          on: Counted,
          publishes: [Answered],
          async handle({ event, publish }) {
            await publish(Answered, { item: event.data.item, n: event.data.n });
          },
        });
        const test = await stage.start({ events: [Counted], projections: [answers, plain], consumers: [answer] });
        await count(test, ['a', 'b'], 30);
        await test.settled();
        assert.deepEqual([await test.row(answers, 'a'), await test.row(answers, 'b')], [465, 465]);
        assert.deepEqual([await modeOf(test, 'answers'), await modeOf(test)], ['in-force', 'in-force']);
      },

      async 'a batch that is refused leaves nothing in the rows (G3)'(stage) {
        const test = await stage.start({ events: [Counted], projections: [plain] });
        await test.system.publish(Counted, { item: 'a', n: 1 }, { id: 'one' });
        const refused = test.system.append('item-a', [{ event: Counted, data: { item: 'a', n: 5 } }], {
          expectedVersion: 7,
        });
        await assert.rejects(refused);
        const again = await test.system.publish(Counted, { item: 'a', n: 1 }, { id: 'one' });
        assert.equal(again.duplicate, true);
        assert.deepEqual(await rowOf(test, 'a'), [1, 1]);
        assert.equal(await modeOf(test), 'in-force');
      },

      async 'an event that cannot be projected is recorded; its key is set aside, and later ones are right (G7)'(
        stage,
      ) {
        const { test, state } = await startFailing(stage, (item, n) => item === 'a' && n === 3);
        await count(test, ['a', 'b'], 5);
        assert.equal(await test.system.events.head(), 10);
        await test.settled({ advance: true });
        assert.deepEqual(
          [await rowOf(test, 'a'), await rowOf(test, 'b')],
          [
            [3, 2],
            [15, 5],
          ],
        );
        const letter = only(await test.parked('tallies'));
        assert.deepEqual([letter.key, letter.waitingBehind], ['a', 2]);
        assert.equal(await modeOf(test), 'catching-up');
        await test.system.publish(Counted, { item: 'b', n: 6 });
        await test.settled();
        assert.deepEqual(await rowOf(test, 'b'), [21, 6]);
        state.fails = () => false;
        await test.deadLetters.retry(letter.id);
        await test.settled();
        assert.deepEqual(await rowOf(test, 'a'), [15, 5]);
        assert.equal(await modeOf(test), 'in-force');
        await test.system.publish(Counted, { item: 'a', n: 6 });
        assert.deepEqual(await rowOf(test, 'a'), [21, 6]);
      },

      async 'when its dead letter is discarded a projection is inline again'(stage) {
        const { test } = await startFailing(stage, (item, n) => item === 'a' && n === 2);
        await count(test, ['a'], 3);
        await test.settled({ advance: true });
        await test.deadLetters.discard(only(await test.parked('tallies')).id, 'not needed');
        await test.settled();
        assert.deepEqual([await rowOf(test, 'a'), await modeOf(test)], [[4, 2], 'in-force']);
        await test.system.publish(Counted, { item: 'a', n: 4 });
        assert.deepEqual(await rowOf(test, 'a'), [8, 3]);
      },

      async 'of several projections one that throws keeps only itself'(stage) {
        const inline = defineProjection({
          name: 'beside',
          mode: 'inline',
          key: (event) => event.data.item,
          initial: () => 0,
          on: [[Counted, (row, { data }) => row + data.n]],
        });
        const projections = [tallies((_, n) => n === 2), inline, sums];
        const test = await stage.start({ events: [Counted], projections });
        for (const n of upTo(4)) {
          await test.system.publish(Counted, { item: 'a', n });
          assert.equal(await test.row(inline, 'a'), (n * (n + 1)) / 2);
        }
        assert.equal(await modeOf(test, 'beside'), 'in-force');
        await test.settled({ advance: true });
        assert.equal(await test.row(sums, 'a'), 10);
        assert.deepEqual(await rowOf(test, 'a'), [1, 1]);
      },

      async 'while it is paused its rows stand still, and it is inline again after that'(stage) {
        const test = await stage.start({ events: [Counted], projections: [plain] });
        await count(test, ['a'], 3);
        await test.consumers.pause('tallies');
        await count(test, ['a'], 3, 4);
        assert.deepEqual([await rowOf(test, 'a'), await modeOf(test)], [[6, 3], 'catching-up']);
        await test.consumers.resume('tallies');
        await test.settled();
        assert.deepEqual([await rowOf(test, 'a'), await modeOf(test)], [[21, 6], 'in-force']);
      },

      async 'a replay makes the same rows, and a rebuild too, while events are published'(stage) {
        const test = await stage.start({ events: [Counted], projections: [plain] });
        await count(test, ['a', 'b'], 50);
        const publishing = Promise.all(upTo(20).map((n) => test.system.publish(Counted, { item: 'a', n: 50 + n })));
        await test.consumers.replay('tallies', 'beginning');
        await publishing;
        await test.settled();
        const both = [
          [2_485, 70],
          [1_275, 50],
        ];
        assert.deepEqual([await rowOf(test, 'a'), await rowOf(test, 'b')], both);
        assert.equal(await modeOf(test), 'in-force');
        const rebuild = await test.views.rebuild(plain);
        await test.system.publish(Counted, { item: 'b', n: 51 });
        await test.settled();
        assert.equal((await rebuild.ended()).state, 'switched');
        assert.deepEqual([await rowOf(test, 'a'), await rowOf(test, 'b')], [both[0], [1_326, 51]]);
        assert.equal(await modeOf(test), 'in-force');
        await test.system.publish(Counted, { item: 'b', n: 1 });
        assert.deepEqual(await rowOf(test, 'b'), [1_327, 52]);
      },

      async 'it is inline again also where others publish without a pause'(stage) {
        const test = await stage.start({ events: [Counted], projections: [plain] });
        await test.consumers.pause('tallies');
        await count(test, ['a'], 3_000);
        const now = { published: 0, isOver: false };
        const callers = upTo(8).map(async () => {
          while (!now.isOver) {
            await test.system.publish(Counted, { item: 'b', n: 1 });
            now.published += 1;
            // Stores that answer at once would keep everybody else from having a turn.
            await nextTurn();
          }
        });
        await test.consumers.resume('tallies');
        while (now.published < 40_000 && (await modeOf(test)) !== 'in-force') await nextTurn();
        const mode = await modeOf(test);
        now.isOver = true;
        await Promise.all(callers);
        assert.deepEqual([mode, await rowOf(test, 'b')], ['in-force', [now.published, now.published]]);
      },

      async 'a projection that comes to a log later catches up, and is inline from then on'(stage) {
        const projections: ProjectionDefinition[] = [sums];
        const test = await stage.start({ events: [Counted], projections });
        await count(test, ['a', 'b', 'c'], 2_000);
        projections.push(plain);
        await test.restart();
        await test.settled();
        assert.deepEqual([await rowOf(test, 'a'), await modeOf(test)], [[2_001_000, 2_000], 'in-force']);
        await test.restart();
        assert.equal(await modeOf(test), 'in-force');
        await test.system.publish(Counted, { item: 'c', n: 1 });
        assert.deepEqual(await rowOf(test, 'c'), [2_001_001, 2_001]);
      },

      async 'a projection that was inline may follow events afterwards, and the other way round'(stage) {
        const projections: ProjectionDefinition[] = [plain];
        const test = await stage.start({ events: [Counted], projections });
        await count(test, ['a'], 4);
        const { reaction, ...rest } = plain;
        const { inline: _, ...afterwards } = reaction;
        projections.splice(0, 1, { ...rest, mode: 'async', reaction: afterwards });
        await test.restart();
        await count(test, ['a'], 4, 5);
        await test.settled();
        assert.deepEqual([await rowOf(test, 'a'), await modeOf(test)], [[36, 8], undefined]);
        projections.splice(0, 1, plain);
        await test.restart();
        await test.system.publish(Counted, { item: 'a', n: 9 });
        assert.deepEqual([await rowOf(test, 'a'), await modeOf(test)], [[45, 9], 'in-force']);
      },

      async 'an event that has outlived its use is not in the rows, and is reported (G8)'(stage) {
        const test = await stage.start({ events: [Counted], projections: [plain] });
        const expirytime = new Date(test.clock.now() - 1_000).toISOString();
        await test.system.publish(Counted, { item: 'a', n: 1 }, { expirytime });
        await test.system.publish(Counted, { item: 'a', n: 2 });
        await test.settled();
        assert.deepEqual(await rowOf(test, 'a'), [2, 1]);
        assert.equal(test.reported('thereupon.delivery.expired').length, 1);
        assert.equal(await modeOf(test), 'in-force');
      },

      async 'filters and rows that go: as for a projection that follows events'(stage) {
        const options = {
          key: (event: { readonly data: { readonly item: string; readonly n: number } }) =>
            event.data.n === 7 ? undefined : event.data.item,
          initial: () => [] as readonly number[],
          on: [
            [
              Counted,
              (row: readonly number[], { data }: { readonly data: { readonly n: number } }) =>
                data.n % 5 === 0 ? undefined : [...row, data.n],
            ],
          ] as const,
          where: { data: { n: [{ numeric: ['>', 2] as const }] } },
        };
        const inline = defineProjection({ name: 'inline', mode: 'inline', ...options });
        const after = defineProjection({ name: 'after', ...options });
        const test = await stage.start({ events: [Counted], projections: [inline, after] });
        await count(test, ['a', 'b'], 13);
        assert.deepEqual(await test.row(inline, 'a'), [11, 12, 13]);
        await test.system.publish(Counted, { item: 'b', n: 15 });
        await test.settled();
        for (const item of ['a', 'b']) assert.deepEqual(await test.row(inline, item), await test.row(after, item));
        assert.equal(await test.row(inline, 'b'), undefined);
      },

      async 'what is not JSON, and a key that is none, fail the event and not the publisher'(stage) {
        const Odd = defineEvent({
          type: 'contract.odd.happened',
          schema: z.object({ n: z.number() }),
          stream: () => 'odd-1',
        });
        const odd = defineProjection({
          name: 'odd',
          mode: 'inline',
          key: ({ data }) => (data.n === 1 ? '\ud800' : `k${data.n}`),
          initial: (): unknown => 0,
          on: [
            [
              Odd,
              (_row, { data }) => {
                // oxlint-disable-next-line typescript/only-throw-error
                if (data.n === 4) throw revoked();
                return data.n === 2 ? new Map() : data.n;
              },
            ],
          ],
          retry: { attempts: 1 },
        });
        const test = await stage.start({ events: [Odd], projections: [odd] });
        for (const n of upTo(4)) await test.system.publish(Odd, { n });
        await test.settled({ advance: true });
        assert.equal((await test.parked('odd')).length, 3);
        assert.equal((await test.system.events.head()) > 3, true);
      },

      async 'killed at any moment, the rows are what the log says (G6)'(stage) {
        for (const seed of upTo(12)) {
          const test = await stage.start({ events: [Counted], projections: [plain] }, { seed });
          for (const life of upTo(3)) {
            const publishing = upTo(30).map((n) =>
              test.system.publish(Counted, { item: 'a', n }, { id: `${life} ${n}` }),
            );
            for (let turn = 0; turn < seed % 4; turn += 1) await nextTurn();
            for (const each of publishing) void each.catch(() => undefined);
            await test.crash();
          }
          await test.settled();
          const events = test.recorded(Counted);
          const page = await test.system.events.read({ limit: 1_000 });
          const all = page.events.filter(({ type }) => type === Counted.type);
          assert.ok(events.length <= all.length);
          const sum = all.reduce((total, { data }) => total + (data as { n: number }).n, 0);
          assert.deepEqual(await rowOf(test, 'a'), all.length === 0 ? undefined : [sum, all.length]);
          assert.equal(await modeOf(test), 'in-force');
        }
      },
    },
    'inlineProjections',
  );
