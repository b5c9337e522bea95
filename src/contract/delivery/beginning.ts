import assert from 'node:assert/strict';
import { z } from 'zod';
import { defineAutomation } from '../../automation/define-automation.ts';
import { defineEvent } from '../../event/define-event.ts';
import type { RecordedEvent } from '../../event/event.ts';
import { defineSilence } from '../../operator/define-monitor.ts';
import { definePattern } from '../../operator/define-pattern.ts';
import type { PatternRule } from '../../operator/define-pattern.ts';
import { definePatterns } from '../../operator/define-patterns.ts';
import { defineWindow } from '../../operator/define-window.ts';
import type { EventTimeOptions } from '../../operator/event-time-options.ts';
import { every, not, one } from '../../operator/pattern.ts';
import { tumbling } from '../../time/windowing.ts';
import { DEFAULT_START_MS } from '../../testing/index.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import type { DeliveryStage } from './delivery-case.ts';
import { Alarmed, measure, Measured, seconds, Totalled } from './readings.ts';
import type { Test } from './readings.ts';

const Noticed = defineEvent({
  type: 'contract.beginning.noticed',
  schema: z.object({ sensor: z.string(), at: z.number() }),
  stream: () => 'noticed',
});

const value = (n: number) => ({ data: { value: [n] } });
const of = (name: string, n: number) => one(name, Measured).where(value(n));
const key = (event: { readonly stream: string }) => event.stream.slice('sensor-'.length);

const another: PatternRule = { sequence: [every(of('five', 5), of('low', 10))] };
/** No 5 for so long, and then a 1. */
const unasked = (forSeconds: number): PatternRule => ({
  sequence: [every(not(Measured, value(5)).within(`${forSeconds}s`), of('last', 1))],
});

type Shape = 'alone' | 'of a set' | 'plain';

/** An automation that notes of each match when it was. */
function noticing(shape: Shape, rule: PatternRule, time: EventTimeOptions<RecordedEvent> = { idle: 'never' }) {
  const common = { name: 'noticing', publishes: [Noticed] };
  if (shape === 'plain')
    return defineAutomation({
      ...common,
      on: Measured,
      key,
      run: ({ event, publish }) =>
        event.data.value === 200 ? void publish(Noticed, { sensor: event.data.sensor, at: -1 }) : undefined,
    });
  const on =
    shape === 'alone'
      ? definePattern({ ...rule, key, time })
      : definePatterns({ key, time, patterns: { another, rule } });
  return defineAutomation({
    ...common,
    on: on as ReturnType<typeof definePattern>,
    async run({ key: sensor, time: at, publish }) {
      await publish(Noticed, { sensor, at: seconds(at) });
    },
  });
}

const noticed = (test: Test) => test.recorded(Noticed).map(({ data }) => `${data.sensor} ${data.at}`);

/** It is brought to look for something else, and does not know what was before. */
async function runChanged(stage: DeliveryStage, from: Shape, to: Shape): Promise<void> {
  const automations = [noticing(from, from === 'of a set' ? another : unasked(11))];
  const test: Test = await stage.start({ events: [Measured], automations });
  await measure(test, 'z', 0, 5);
  await measure(test, 'a', 100, 5);
  await test.advance('100s');
  await test.settled();
  automations[0] = noticing(to, unasked(10));
  await test.restart();
  for (const [sensor, second, n] of [
    ['a', 105, 1],
    ['b', 106, 1],
    ['b', 107, 5],
    ['c', 111, 1],
    ['a', 111, 1],
    ['b', 115, 1],
    ['d', 116, 1],
  ] as const) {
    await measure(test, sensor, second, n);
    await (second === 106 ? test.restart() : test.crash());
  }
  await test.settled();
  const anew = ['c 111', 'a 111', 'd 116'];
  assert.deepEqual(noticed(test), anew, `${from} → ${to}`);
  await test.consumers.replay('noticing', 'beginning');
  await test.settled();
  // Now it knows all of it.
  assert.deepEqual(
    noticed(test).toSorted(),
    [...new Set([...anew, 'a 105', 'b 106', 'c 111', 'd 116'])].toSorted(),
    `${from} → ${to}`,
  );
}

/** When what is looked for began: what is absent is absent since then (CE1), and no false absence comes of what was not looked at. */
export const beginningCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    async 'CE1 what is absent from a pattern that was changed, or added to others, is so since it was'(stage) {
      for (const [from, to] of [
        ['alone', 'alone'],
        ['of a set', 'of a set'],
        ['alone', 'of a set'],
        ['of a set', 'alone'],
        ['plain', 'alone'],
      ] as const)
        await runChanged(stage, from, to);
    },
    async 'CE1 of a set that another pattern is added to, what is absent from the others is so since these began'(
      stage,
    ) {
      const automations = [noticing('of a set', unasked(10))];
      const test: Test = await stage.start({ events: [Measured], automations });
      await measure(test, 'z', 0, 5);
      await test.settled();
      const time = { idle: 'never' } as const;
      automations[0] = defineAutomation({
        name: 'noticing',
        on: definePatterns({ key, time, patterns: { later: another, rule: unasked(10) } }),
        publishes: [Noticed],
        async run({ key: sensor, time: at, publish }) {
          await publish(Noticed, { sensor, at: seconds(at) });
        },
      });
      await measure(test, 'z', 8, 5);
      await test.restart();
      await measure(test, 'a', 12, 1);
      await test.settled();
      assert.deepEqual(noticed(test), ['a 12']);
    },
    async 'CE1 what a pattern did not look for before its condition was changed is not taken for absent'(stage) {
      for (const shape of ['alone', 'of a set'] as const) {
        const other = unasked(10);
        const automations = [noticing(shape, other)];
        const test: Test = await stage.start({ events: [Measured], automations });
        await measure(test, 'z', 0, 5);
        // Nobody looks for a 6 yet.
        await measure(test, 'a', 100, 6);
        await measure(test, 'z', 101, 5);
        await test.advance('102s');
        await test.settled();
        automations[0] = noticing(shape, {
          sequence: [every(not(Measured, value(6)).within('10s'), of('last', 1))],
        });
        await test.restart();
        for (const second of [105, 113]) {
          await measure(test, 'a', second, 1);
          await test.crash();
        }
        await test.settled();
        assert.deepEqual(noticed(test), ['a 113'], shape);
      }
    },
    async 'G6 what was to go on while a pattern was another one does not come back with it'(stage) {
      for (const shape of ['alone', 'of a set'] as const) {
        const time = { disorder: '10s', idle: 'never' } as const;
        const strict: PatternRule = { order: 'next', sequence: [every(of('first', 3), of('last', 2))] };
        const loose: PatternRule = { sequence: [every(of('first', 1), of('last', 4))] };
        const only = (rule: PatternRule) =>
          shape === 'alone'
            ? noticing('alone', rule, time)
            : defineAutomation({
                name: 'noticing',
                on: definePatterns({ key, time, patterns: { rule } }),
                publishes: [Noticed],
                async run({ key: sensor, time: at, publish }) {
                  await publish(Noticed, { sensor, at: seconds(at) });
                },
              });
        const automations = [only(strict)];
        const test: Test = await stage.start({ events: [Measured], automations });
        await measure(test, 'a', 100, 3);
        await test.settled();
        automations[0] = only(loose);
        await test.restart();
        await measure(test, 'z', 200, 1);
        await measure(test, 'a', 195, 0);
        await test.settled();
        automations[0] = only(strict);
        await test.restart();
        await measure(test, 'a', 205, 2);
        await measure(test, 'b', 210, 3);
        await measure(test, 'b', 211, 2);
        await measure(test, 'z', 300, 2);
        await test.settled();
        assert.deepEqual(noticed(test), ['b 211'], shape);
      }
    },
    async 'CE1 G6 a pattern that is brought back has forgotten what was under way: in between nobody looked'(stage) {
      const first: PatternRule = { sequence: [of('asked', 1), not(Measured, value(5)).within('100s')] };
      const second: PatternRule = { sequence: [of('asked', 1), of('again', 2)] };
      const automations = [noticing('alone', first)];
      const inSet = (...rules: readonly PatternRule[]) =>
        defineAutomation({
          name: 'in-set',
          on: definePatterns({
            key,
            time: { idle: 'never' },
            patterns: Object.fromEntries(rules.map((rule, index) => [`rule${index}`, rule])),
          }),
          publishes: [Noticed],
          async run({ key: sensor, time, publish }) {
            await publish(Noticed, { sensor: `${sensor}'`, at: seconds(time) });
          },
        });
      automations[1] = inSet(second, first);
      const test: Test = await stage.start({ events: [Measured], automations });
      await measure(test, 'a', 0, 1);
      await measure(test, 'b', 0, 1);
      await test.settled();
      automations[0] = noticing('alone', second);
      automations[1] = inSet(second);
      await test.restart();
      await measure(test, 'a', 20, 5);
      await test.settled();
      automations[0] = noticing('alone', first);
      automations[1] = inSet(second, first);
      await test.restart();
      await measure(test, 'c', 50, 1);
      await test.crash();
      await measure(test, 'z', 300, 5);
      await test.crash();
      // What was not touched goes on in the set.
      await measure(test, 'b', 301, 2);
      await test.settled();
      assert.deepEqual(noticed(test).toSorted(), ["b' 301", 'c 150', "c' 150"]);
    },
    async 'CE1 what is begun to be looked for while nothing comes is absent since then by the clock'(stage) {
      for (const shape of ['alone', 'of a set'] as const) {
        const idle = { idle: '1m' } as const;
        const automations = [noticing(shape, another, idle)];
        const silent = (...expected: readonly string[]) =>
          defineSilence({
            name: 'silent',
            on: Measured,
            key: ({ data }) => data.sensor,
            for: '10m',
            expected,
            time: idle,
            publishes: Alarmed,
            alarm: ({ key: sensor, since }) => ({ sensor, since }),
          });
        const monitors = [silent()];
        const test: Test = await stage.start({ events: [Measured], automations, monitors });
        await measure(test, 'z', 0, 10);
        await test.settled();
        // Nobody looks at these until then.
        await measure(test, 'a', 3_000, 5);
        await test.advance('1h');
        await test.settled();
        automations[0] = noticing(shape, unasked(600), idle);
        monitors[0] = silent('c');
        await test.restart();
        for (const [sensor, second] of [
          ['a', 3_660],
          ['b', 3_720],
          ['a', 4_260],
        ] as const) {
          await test.advance('1m');
          await measure(test, sensor, second, 1);
          await test.crash();
        }
        await test.advance('1h');
        await test.settled();
        assert.deepEqual(noticed(test), ['a 4260'], shape);
        assert.deepEqual(
          test
            .recorded(Alarmed)
            .flatMap(({ data, time }) => (data.sensor === 'c' ? [seconds(data.since), seconds(time)] : [])),
          [3_600, 4_200],
        );
      }
    },
    async 'CE1 what is begun before anything has come is absent since then, and who is expected no longer is not missed'(
      stage,
    ) {
      const idle = { idle: '1m' } as const;
      const automations = [noticing('alone', unasked(3_000), idle)];
      const silent = (...expected: readonly string[]) =>
        defineSilence({
          name: 'silent',
          on: Measured,
          key: ({ data }) => data.sensor,
          for: '55m',
          expected,
          time: idle,
          publishes: Alarmed,
          alarm: ({ key: sensor, since }) => ({ sensor, since }),
        });
      const monitors = [silent('x', 'y')];
      const test: Test = await stage.start({ events: [Measured], automations, monitors });
      await test.advance('50m');
      automations[0] = noticing('alone', unasked(300), idle);
      await test.restart();
      await measure(test, 'a', 3_120, 1);
      await test.settled();
      monitors[0] = silent('y');
      await test.restart();
      await measure(test, 'b', 3_420, 1);
      await test.crash();
      await measure(test, 'b', 5_000, 7);
      await test.settled();
      assert.deepEqual(noticed(test), ['b 3420']);
      const missed = new Set(test.recorded(Alarmed).map(({ data }) => data.sensor));
      assert.deepEqual([missed.has('x'), missed.has('y')], [false, true]);
    },
    async 'CE1 a pattern over results that is changed knows nothing of those from before, whatever time is told again'(
      stage,
    ) {
      const minutes = defineWindow({
        name: 'minutes',
        on: Measured,
        key: ({ data }) => data.sensor,
        windows: tumbling('1m'),
        aggregate: {
          initial: () => ({ count: 0, sum: 0 }),
          add: (total, { data }) => ({ count: total.count + 1, sum: total.sum + data.value }),
          result: (total, { key: sensor, start }) => ({ sensor, start, ...total }),
        },
        publishes: Totalled,
      });
      const unlike = (sum: number) =>
        defineAutomation({
          name: 'noticing',
          on: definePattern({
            key: ({ data }) => data.sensor,
            sequence: [
              not(Totalled, { data: { sum: [sum] } }).within('5m'),
              one('last', Totalled).where({ data: { sum: [2] } }),
            ],
          }),
          publishes: [Noticed],
          async run({ key: sensor, time: at, publish }) {
            await publish(Noticed, { sensor, at: seconds(at) });
          },
        });
      const automations = [unlike(7)];
      const test: Test = await stage.start({ events: [Measured], windows: [minutes], automations });
      await measure(test, 'a', 0, 1);
      await test.settled();
      await test.advance('1h');
      await test.settled();
      automations[0] = unlike(1);
      await test.restart();
      await test.settled();
      await test.advance('2m');
      await measure(test, 'a', 3_720, 2);
      await test.advance('3m');
      await test.settled();
      assert.deepEqual(noticed(test), []);
      await test.advance('10m');
      await measure(test, 'a', 4_500, 2);
      await test.advance('10m');
      await test.settled();
      assert.equal(noticed(test).length, 1);
    },
    async 'CE1 a key that is expected only now is silent since it is expected'(stage) {
      const expecting = (...expected: readonly string[]) =>
        defineSilence({
          name: 'silent',
          on: Measured,
          key: ({ data }) => data.sensor,
          for: '1h',
          expected,
          time: { idle: 'never' },
          publishes: Alarmed,
          alarm: ({ key: sensor, since }) => ({ sensor, since }),
        });
      const monitors = [expecting('a', 'b')];
      const test: Test = await stage.start({ events: [Measured], monitors });
      await measure(test, 'z', 0, 1);
      await test.settled();
      await measure(test, 'z', 3_000, 1);
      await test.settled();
      monitors[0] = expecting('a', 'b', 'c');
      await test.restart();
      for (const second of [5_000, 6_500, 7_000]) {
        await measure(test, 'z', second, 1);
        await test.crash();
      }
      await test.settled();
      assert.deepEqual(
        test.recorded(Alarmed).map(({ data, time }) => [data.sensor, seconds(data.since), seconds(time)]),
        [
          ['a', 0, 3_600],
          ['b', 0, 3_600],
          ['c', 3_000, 6_600],
        ],
      );
    },
    async 'CE1 what is absent before an event that may be left out, or while a source has yet to speak, is so since time began'(
      stage,
    ) {
      const optional: PatternRule = {
        sequence: [of('first', 9).count({ atLeast: 0 }), not(Measured, value(5)).within('10s'), of('last', 1)],
      };
      for (const shape of ['alone', 'of a set'] as const)
        for (const disorder of ['0s', '3s'] as const)
          for (const rule of [unasked(10), optional]) {
            const time = { idle: 'never', disorder, sources: ['/sensors', '/others'] } as const;
            const test: Test = await stage.start({
              events: [Measured],
              automations: [noticing(shape, rule, time)],
            });
            await measure(test, 'z', -1_000, 5);
            await test.crash();
            await measure(test, 'a', -988, 1);
            await test.settled();
            const at = new Date(DEFAULT_START_MS - 900_000);
            await test.system.publish(Measured, { sensor: 'b', value: 5 }, { source: '/others', time: at });
            await measure(test, 'z', -900, 5);
            await test.settled();
            assert.deepEqual(noticed(test), ['a -988'], `${shape} ${disorder}`);
          }
    },
    async 'G8 what an event completes is in time, whatever begins after it'(stage) {
      for (const shape of ['alone', 'of a set'] as const) {
        const rule: PatternRule = {
          sequence: [every(not(Measured, value(5)).within('10s'), of('first', 1), of('last', 2))],
        };
        const test: Test = await stage.start({ events: [Measured], automations: [noticing(shape, rule)] });
        await measure(test, 'z', 0, 5);
        await measure(test, 'a', 1_500, 1);
        await measure(test, 'z', 2_500, 5);
        await measure(test, 'a', 1_600, 2);
        await test.crash();
        await measure(test, 'a', 2_556, 1);
        await measure(test, 'a', 2_557, 2);
        await test.settled();
        assert.deepEqual(noticed(test), ['a 1600', 'a 2557'], shape);
        assert.deepEqual(test.reported('thereupon.event.late'), [], shape);
      }
    },
    async 'G8 what comes late and was not to come counts: nothing behind it is taken for absent'(stage) {
      for (const shape of ['alone', 'of a set'] as const) {
        const test: Test = await stage.start({ events: [Measured], automations: [noticing(shape, unasked(10))] });
        for (const [sensor, second, n] of [
          ['z', 0, 5],
          ['z', 30, 5],
          ['a', 2, 5],
          ['a', 11, 1],
          ['a', 13, 1],
        ] as const) {
          await measure(test, sensor, second, n);
          await test.crash();
        }
        await test.settled();

        assert.deepEqual(noticed(test), ['a 13'], shape);
        assert.equal(test.reported('thereupon.event.late').length, 1, shape);
      }
    },
  });
