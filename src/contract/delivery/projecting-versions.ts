import assert from 'node:assert/strict';
import { z } from 'zod';
import { defineEvent } from '../../event/define-event.ts';
import type { DataOf, EventDefinition } from '../../event/define-event.ts';
import { defineWindow } from '../../operator/define-window.ts';
import { defineProjection } from '../../projection/define-projection.ts';
import type { ProjectionDefinition } from '../../projection/define-projection.ts';
import { tumbling } from '../../time/windowing.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import { measure, Measured, Totalled } from './readings.ts';
import type { Test } from './readings.ts';
import { only } from './samples.ts';

/** What minutes have in all, where they are corrected: inline, and as a projection that follows events. */
const inAll = (mode: 'inline' | 'async', fails: () => boolean, takesTotals = true) =>
  defineProjection({
    name: `in-all-${mode}`,
    mode,
    key: ({ data }) => ('count' in data ? 'all' : undefined),
    initial: () => ({ totals: 0, sum: 0 }),
    retry: { attempts: 1 },
    on: takesTotals
      ? [
          [Measured, (all) => all],
          [
            Totalled,
            (all, { data }) => {
              if (fails()) throw new Error('not this time');
              return { totals: all.totals + 1, sum: all.sum + data.sum };
            },
            (all, { data }) => ({ totals: all.totals - 1, sum: all.sum - data.sum }),
          ],
        ]
      : ([[Measured, (all: { totals: number; sum: number }) => all]] as never),
  });

const totals = defineWindow({
  name: 'totals',
  on: Measured,
  key: ({ data }) => data.sensor,
  windows: tumbling('1m'),
  time: { idle: 'never' },
  aggregate: {
    initial: () => ({ count: 0, sum: 0 }),
    add: (total, { data }) => ({ count: total.count + 1, sum: total.sum + data.value }),
    result: (total, { key, start }) => ({ sensor: key, start, ...total }),
  },
  late: { correct: '1h' },
  publishes: Totalled,
});

const ofBoth = async (test: Test, key = 'all') => [
  await test.views.get('in-all-inline', key),
  await test.views.get('in-all-async', key),
];

async function isInForce(test: Pick<Test, 'consumers'>, name: string): Promise<void> {
  assert.equal((await test.consumers.status(name)).inline, 'in-force');
}

const common = { type: 'contract.item.valued', stream: (data: { item: string }) => `item-${data.item}` } as const;
const ValuedV1 = defineEvent({ ...common, schema: z.object({ item: z.string(), price: z.number() }) });
const ValuedV2 = defineEvent({
  ...common,
  version: 2,
  schema: z.object({ item: z.string(), cents: z.int() }),
  upcast: {
    1(data: DataOf<typeof ValuedV1>) {
      if (data.price < 0) throw new Error(`no price: ${data.price}`);
      return { item: data.item, cents: data.price * 100 };
    },
  },
});

/** What is taken back, and what was recorded in older versions, is the same inline as afterwards. */
export const projectingVersionsCases: ContractSuite = (bench) =>
  deliveryCases(
    bench,
    {
      async 'what is taken back is taken out of the rows of an inline projection, and not what was given up'(stage) {
        let fails = true;
        const projections = [inAll('inline', () => fails), inAll('async', () => fails)];
        const test = await stage.start({ events: [Measured], windows: [totals], projections });
        await measure(test, 'a', 1);
        await measure(test, 'a', 70, 0);
        await test.settled({ advance: true });
        assert.equal((await test.parked()).length, 2);
        await test.deadLetters.discardAll();
        fails = false;
        await test.settled();
        await isInForce(test, 'in-all-inline');
        for (const [second, value] of [
          [30, 2],
          [40, 4],
          [9_000, 0],
        ] as const) {
          await measure(test, 'a', second, value);
          await test.settled();
          const [inline, after] = await ofBoth(test);
          assert.deepEqual(inline, after);
          await isInForce(test, 'in-all-inline');
        }
        assert.equal((await test.views.get<{ sum: number }>('in-all-inline', 'all'))?.sum, 7);
        for (const mode of ['inline', 'async']) await test.consumers.replay(`in-all-${mode}`, 'beginning');
        await test.settled();
        const [inline, after] = await ofBoth(test);
        assert.deepEqual([inline, (inline as { sum: number }).sum], [after, 7]);
        await isInForce(test, 'in-all-inline');
      },

      async 'what came before a type was taken is not taken out when it is taken back'(stage) {
        const projections: ProjectionDefinition[] = [
          inAll('inline', () => false, false),
          inAll('async', () => false, false),
        ];
        const test = await stage.start({ events: [Measured], windows: [totals], projections });
        await measure(test, 'a', 1);
        await measure(test, 'a', 70, 0);
        await test.settled();
        projections.splice(
          0,
          2,
          inAll('inline', () => false),
          inAll('async', () => false),
        );
        await test.restart();
        await isInForce(test, 'in-all-inline');
        await measure(test, 'a', 30, 2);
        await test.settled();
        const [inline, after] = await ofBoth(test);
        assert.deepEqual(inline, after);
        assert.deepEqual(inline, { totals: 1, sum: 3 });
        await isInForce(test, 'in-all-inline');
      },

      async 'an inline projection gets events in the current version, and one that has no way up fails alone (G7)'(
        stage,
      ) {
        const events: EventDefinition[] = [ValuedV1];
        const projections: ProjectionDefinition[] = [];
        const test = await stage.start({ events, projections });
        await test.system.publish(ValuedV1, { item: 'a', price: 1 });
        await test.system.publish(ValuedV1, { item: 'b', price: -1 });
        const cents = defineProjection({
          name: 'cents',
          mode: 'inline',
          key: (event) => event.data.item,
          initial: () => 0,
          on: [[ValuedV2, (sum, { data }) => sum + data.cents]],
          retry: { attempts: 1 },
        });
        events.splice(0, 1, ValuedV2);
        projections.push(cents);
        await test.restart();
        await test.settled({ advance: true });
        const letter = only(await test.parked('cents'));
        await test.deadLetters.discard(letter.id);
        await test.settled();
        await isInForce(test, 'cents');
        await test.system.publish(ValuedV2, { item: 'a', cents: 5 });
        assert.equal(await test.row(cents, 'a'), 105);
      },
    },
    'inlineProjections',
  );
