import assert from 'node:assert/strict';
import { z } from 'zod';
import { defineAutomation } from '../../automation/define-automation.ts';
import { defineEvent } from '../../event/define-event.ts';
import type { EventDefinition } from '../../event/define-event.ts';
import type { RecordedEvent, StoredEvent } from '../../event/event.ts';
import { defineMonitor } from '../../operator/define-monitor.ts';
import type { MeasureOptions } from '../../operator/define-monitor.ts';
import { compileRule, definePattern } from '../../operator/define-pattern.ts';
import type { PatternDefinition, PatternRule } from '../../operator/define-pattern.ts';
import { definePatterns } from '../../operator/define-patterns.ts';
import { and, every, not, one, or, Part } from '../../operator/pattern.ts';
import { seededRandom } from '../../system/random.ts';
import { DEFAULT_START_MS } from '../../testing/index.ts';
import { matchEvent, newMatcher, passTime } from '../../time/matcher.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases, onStage } from './delivery-case.ts';
import type { DeliveryStage } from './delivery-case.ts';
import { Alarmed, measure, Measured, seconds } from './readings.ts';
import type { Test } from './readings.ts';

const SEEDS = [1, 2, 3, 4];

/** A high value without a low one within a minute of it; each by itself. */
const highUnanswered = definePattern({
  sequence: [
    every(one('high', Measured).where({ data: { value: [{ numeric: ['>', 80] }] } })),
    not(Measured, { data: { value: [{ numeric: ['<', 50] }] } }).within('1m'),
  ],
  key: (event) => event.stream.slice('sensor-'.length),
  time: { idle: 'never' },
});

const Matched = defineEvent({
  type: 'contract.pattern.matched',
  schema: z.object({ sensor: z.string(), pattern: z.string(), of: z.array(z.number()) }),
  stream: (data) => `matched-${data.sensor}`,
});

interface Chance {
  next(): number;
}

/** A pattern of two or three steps over small values, in any of the ways in which there are patterns. */
function someRule(chance: Chance): PatternRule {
  const whole = (most: number) => Math.floor(chance.next() * most);
  const part = (name: string) => {
    const value = whole(4);
    const any = one(name, Measured);
    const data = any.where({ data: { value: [value] } });
    return (
      [data, data, any.where(({ data: measured }) => measured.value >= value), data.count({ atLeast: 2 })][whole(4)] ??
      data
    );
  };
  const of = (name: string) => one(name, Measured).where({ data: { value: [whole(4)] } });
  const first =
    [
      or(of('first'), of('first')),
      and(of('left'), of('right')),
      and(of('first'), not(Measured, { data: { value: [whole(4)] } })),
      of('first').count({ atLeast: 0, atMost: 2 }),
    ][whole(8)] ?? part('first');
  const begin = chance.next() < 0.6 ? every(first) : first;
  const within = `${25 + whole(45)}s` as const;
  const last = not(Measured, { data: { value: [whole(4)] } }).within(`${5 + whole(20)}s`);
  const order = chance.next() < 0.2 ? 'next' : 'some';
  // What needs no event begins with time alone, which a key has none of before its first event.
  const isOptional = first instanceof Part && first.min === 0;
  if (!isOptional && chance.next() < 0.3) return { sequence: [begin, last], order };
  if (chance.next() < 0.3) return { sequence: [begin, part('second'), last], within, order };
  if (begin === first && chance.next() < 0.7) return { sequence: [every(first, part('second'))], within, order };
  return { sequence: [begin, part('second')], within, order };
}

/** What a pattern alone finds in the events of a key, in the order in which they happened. */
function matchesAlone(
  rule: PatternRule,
  events: readonly StoredEvent[],
  startMs: number,
  endMs: number,
): readonly string[] {
  const { composite } = compileRule('alone', rule);
  let state = newMatcher(composite, startMs);
  const found: string[] = [];
  const go = (step: ReturnType<typeof passTime<StoredEvent>>) => {
    ({ state } = step);
    for (const { bound } of step.matches) found.push(placesOf(Object.values(bound).flat()).join(' '));
  };
  for (const value of events) go(matchEvent(composite, state, { timeMs: Date.parse(value.time), value }));
  go(passTime(composite, state, endMs));
  return found;
}

function placesOf(events: readonly { readonly position: number }[]): number[] {
  return events.map(({ position }) => position).sort((left, right) => left - right);
}

async function runPatterns(stage: DeliveryStage, seed: number): Promise<void> {
  const chance = seededRandom(seed);
  const rules = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`rule-${index}`, someRule(chance)]));
  const noticing = defineAutomation({
    name: 'noticing',
    on: definePatterns({
      patterns: rules,
      key: (event) => event.stream.slice('sensor-'.length),
      time: { disorder: '10s', idle: 'never' },
    }),
    publishes: [Matched],
    async run({ pattern, events, key, publish }) {
      await publish(Matched, { sensor: key, pattern, of: placesOf(Object.values(events).flat()) });
    },
  });
  const test: Test = await stage.start({ events: [Measured], automations: [noticing] }, { seed });
  for (let index = 0; index < 120; index += 1) {
    const second = 20 + index * 2 - Math.floor(chance.next() * 9);
    await measure(test, 'abc'.charAt(Math.floor(chance.next() * 3)), second, Math.floor(chance.next() * 5));
    const what = chance.next();
    if (what < 0.05) await test.crash();
    else if (what < 0.15) await test.settled();
  }
  const endMs = 3_600_000;
  // Of every value, so that each pattern is told of time.
  await measure(test, 'z', endMs / 1_000, 0);
  await test.settled();
  const expected: string[] = [];
  for (const sensor of 'abc') {
    const events = test
      .recorded(Measured)
      .filter(({ data }) => data.sensor === sensor)
      .map((event) => event.stored)
      .toSorted((left, right) => Date.parse(left.time) - Date.parse(right.time));
    for (const [name, rule] of Object.entries(rules))
      for (const match of matchesAlone(rule, events, 0, DEFAULT_START_MS + endMs - 10_000))
        expected.push(`${name} ${sensor}: ${match}`);
  }
  const found = test.recorded(Matched).map(({ data }) => `${data.pattern} ${data.sensor}: ${data.of.join(' ')}`);
  assert.deepEqual(found.toSorted(), expected.toSorted());
  assert.ok(found.length > 20, `only ${found.length} matches`);
}

/** Patterns over events (G8), on the engine and its stores (G6). */
export const matchingCases: ContractSuite = (bench) => [
  ...SEEDS.map((seed) => ({
    name: `G6 CE1 of many patterns in one automation each finds what it would find alone, whatever crashes when, seed ${seed}`,
    run: () => onStage(bench, (stage) => runPatterns(stage, seed)),
  })),
  ...deliveryCases(bench, {
    async 'G8 CE1 what is late for one pattern of a set is not late for another, and none begins with events of another'(
      stage,
    ) {
      const noticing = defineAutomation({
        name: 'noticing',
        on: definePatterns({
          key: (event) => event.stream.slice('sensor-'.length),
          time: { idle: 'never' },
          patterns: {
            high: { sequence: [every(one('first', Measured).where({ data: { value: [90] } }))] },
            pair: {
              sequence: [
                every(
                  one('first', Measured).where({ data: { value: [1] } }),
                  one('second', Measured).where({ data: { value: [2] } }),
                ),
              ],
            },
            silent: { sequence: [not(Measured, { data: { value: [5] } }).within('10s')] },
          },
        }),
        publishes: [Matched],
        async run({ pattern, events, key, publish }) {
          await publish(Matched, { sensor: key, pattern, of: placesOf(Object.values(events).flat()) });
        },
      });
      const test: Test = await stage.start({ events: [Measured], automations: [noticing] });
      for (const [second, value] of [
        [30, 90],
        [10, 1],
        [11, 2],
        [9, 1],
        [5, 1],
        [12, 2],
        [100, 90],
      ] as const) {
        await measure(test, 'a', second, value);
        await test.crash();
      }
      await test.settled();
      assert.deepEqual(
        test.recorded(Matched).map(({ data }) => data.pattern),
        ['high', 'pair', 'pair', 'high'],
      );
      assert.deepEqual(
        test.reported('thereupon.event.late').map(({ data }) => (data as { patterns: unknown }).patterns),
        [['pair']],
      );
    },
    async 'G6 CE3 without every a pattern matches once for each key, with it once for each start; several starts have one end'(
      stage,
    ) {
      const [first, second] = [1, 2].map((n) => one(`of${n}`, Measured).where({ data: { value: [n] } }));
      if (first === undefined || second === undefined) throw new Error('no steps');
      const noticing = defineAutomation({
        name: 'noticing',
        on: definePatterns({
          key: (event) => event.stream.slice('sensor-'.length),
          time: { idle: 'never' },
          patterns: {
            once: { sequence: [first, second] },
            starts: { sequence: [every(first), second] },
            anew: { sequence: [every(first, second)] },
          },
        }),
        publishes: [Matched],
        async run({ pattern, events, key, publish }) {
          await publish(Matched, { sensor: key, pattern, of: placesOf(Object.values(events).flat()) });
        },
      });
      const alone = defineAutomation({
        name: 'alone',
        on: definePattern({ sequence: [first, second], key: (event) => event.stream, time: { idle: 'never' } }),
        publishes: [Matched],
        async run({ events, key, publish }) {
          await publish(Matched, { sensor: key, pattern: 'alone', of: placesOf(Object.values(events).flat()) });
        },
      });
      const test: Test = await stage.start({ events: [Measured], automations: [noticing, alone] });
      for (const value of [1, 1, 2, 1, 2, 2]) {
        await measure(test, 'a', 0, value);
        await test.crash();
      }
      await test.settled();
      const found = (pattern: string) =>
        test.recorded(Matched).flatMap(({ data }) => (data.pattern === pattern ? [data.of.length] : []));
      assert.deepEqual(['once', 'alone', 'starts', 'anew'].map(found), [[2], [2], [2, 2, 2], [2, 2]]);
    },
    async 'CE1 an absence at the beginning counts since time began, also for a key that was not heard of before'(
      stage,
    ) {
      const steps = [
        every(
          not(Measured, { data: { value: [5] } }).within('10s'),
          one('first', Measured).where({ data: { value: [1] } }),
        ),
      ] as const;
      const key = (event: { readonly stream: string }) => event.stream.slice('sensor-'.length);
      const common = { key, time: { idle: 'never' } } as const;
      const told = (name: string, on: PatternDefinition<{ readonly first: readonly RecordedEvent[] }>) =>
        defineAutomation({
          name,
          on,
          publishes: [Matched],
          async run({ events, key: sensor, publish }) {
            await publish(Matched, { sensor, pattern: name, of: placesOf(events.first) });
          },
        });
      const alone = told('alone', definePattern({ ...common, sequence: steps }));
      const ofSet = defineAutomation({
        name: 'of-set',
        on: definePatterns({ ...common, patterns: { one: { sequence: steps } } }),
        publishes: [Matched],
        async run({ events, key: sensor, publish }) {
          await publish(Matched, { sensor, pattern: 'of-set', of: placesOf(events.first) });
        },
      });
      const test: Test = await stage.start({ events: [Measured], automations: [alone, ofSet] });
      for (const [sensor, second, value] of [
        ['a', 0, 1],
        ['b', 5, 1],
        ['c', 8, 5],
        ['d', 12, 1],
        ['c', 15, 1],
        ['c', 20, 1],
        ['b', 30, 1],
      ] as const) {
        await measure(test, sensor, second, value);
        await test.crash();
      }
      await test.settled();
      for (const pattern of ['alone', 'of-set'])
        assert.deepEqual(
          test
            .recorded(Matched)
            .filter(({ data }) => data.pattern === pattern)
            .map(({ data }) => data.sensor)
            .toSorted(),
          ['b', 'c', 'd'],
          pattern,
        );
    },
    async 'G6 CE1 a pattern that waits for what does not come runs once for each match, whatever crashes in between'(
      stage,
    ) {
      const unanswered = definePattern({
        sequence: [
          every(one('high', Measured).where({ data: { value: [{ numeric: ['>', 80] }] } })),
          not(Measured, { data: { value: [{ numeric: ['<', 50] }] } }).within('1m'),
        ],
        key: (event) => event.stream.slice('sensor-'.length),
        time: { idle: '10s' },
      });
      const alarm = defineAutomation({
        name: 'alarm',
        on: unanswered,
        publishes: [Alarmed],
        async run({ events, key, publish }) {
          for (const { time } of events.high) await publish(Alarmed, { sensor: key, since: time });
        },
      });
      const test: Test = await stage.start({ events: [Measured], automations: [alarm] });
      for (const [second, sensor, value] of [
        [0, 'a', 90],
        [1, 'b', 90],
        [5, 'a', 91],
        [30, 'b', 10],
        [40, 'b', 60],
      ] as const) {
        await measure(test, sensor, second, value);
        await test.crash();
      }
      await test.settled({ advance: true });
      assert.deepEqual(
        test.recorded(Alarmed).map(({ data }) => [data.sensor, seconds(data.since)]),
        [
          ['a', 0],
          ['a', 5],
        ],
      );
    },
    async 'G8 what time brings on keeps its place among the events of its key, however long its turn is waited for'(
      stage,
    ) {
      for (const isSlow of [false, true]) {
        const gate = Promise.withResolvers<void>();
        const alarm = defineAutomation({
          name: 'alarm',
          on: highUnanswered,
          concurrency: 1,
          timeout: '1h',
          publishes: [Alarmed],
          async run({ events, key, publish }) {
            if (isSlow && key === 'z') await gate.promise;
            for (const { time } of events.high) await publish(Alarmed, { sensor: key, since: time });
          },
        });
        const test: Test = await stage.start({ events: [Measured], automations: [alarm] });
        await measure(test, 'z', 0, 90);
        await measure(test, 'b', 10, 90);
        await measure(test, 'b', 40, 90);
        // At 65 z is due, whose run waits; at 75 b is, which waits for it; at 95 the answer to b comes in time for 40.
        for (const [second, sensor, value] of [
          [65, 'c', 40],
          [75, 'c', 40],
          [95, 'b', 10],
          [300, 'c', 40],
        ] as const) {
          await measure(test, sensor, second, value);
          await test.advance('1s');
        }
        gate.resolve();
        await test.settled();
        const found = test.recorded(Alarmed).map(({ data }) => `${data.sensor} ${seconds(data.since)}`);
        assert.deepEqual(found.toSorted(), ['b 10', 'z 0']);
      }
    },
    async 'G8 what waits for earlier events is of a pattern whose steps are others, and of a monitor that measures otherwise'(
      stage,
    ) {
      const common = {
        key: (event: { readonly stream: string }) => event.stream.slice('sensor-'.length),
        time: { disorder: '10s', idle: 'never' },
      } as const;
      const value = (n: number) => ({ data: { value: [n] } });
      const noticing = (on: PatternDefinition<{ readonly first: readonly RecordedEvent[] }>) =>
        defineAutomation({
          name: 'noticing',
          on,
          publishes: [Matched],
          async run({ events, key, publish }) {
            await publish(Matched, { sensor: key, pattern: 'pair', of: placesOf(Object.values(events).flat()) });
          },
        });
      const pair = (second: EventDefinition) =>
        definePattern({
          ...common,
          order: 'next',
          sequence: [every(one('first', Measured).where(value(1)), one('second', second))],
        });
      const rising = (how: MeasureOptions) =>
        defineMonitor({
          ...common,
          name: 'rising',
          on: Measured,
          value: ({ data }) => data.value,
          measure: how,
          fires: { above: 1.2 },
          publishes: Alarmed,
          alarm: ({ key, since }) => ({ sensor: key, since }),
        });
      const automations = [noticing(pair(Alarmed))];
      const monitors = [rising('value')];
      const test = await stage.start({ events: [Measured, Alarmed], automations, monitors });
      const at = (second: number) => ({ time: new Date(DEFAULT_START_MS + second * 1_000), source: '/sensors' });
      const tell = (second: number, n: number) => test.system.publish(Measured, { sensor: 'a', value: n }, at(second));
      await tell(30, 1);
      // Of no meaning to the second pattern, whose events must follow at once.
      await test.system.publish(Alarmed, { sensor: 'a', since: '' }, at(30));
      await tell(31, 2);
      await tell(32, 1);
      await test.settled();
      const held = async () =>
        (await Promise.all(['noticing', 'rising'].map((name) => test.consumers.held(name)))).map(([of]) => of?.events);
      assert.deepEqual(await held(), [4, 3]);
      automations[0] = noticing(pair(Measured));
      monitors[0] = rising({ average: { events: 2 } });
      await test.restart();
      assert.deepEqual(await held(), [3, 3]);
      await test.crash();
      await tell(33, 3);
      await tell(100, 0);
      await test.settled();
      assert.deepEqual(
        test.recorded(Matched).map(({ data }) => data.of),
        [
          [1, 3],
          [4, 5],
        ],
      );
      // The means are 1, 1.5, 1.5 and 2.
      assert.deepEqual(
        test.recorded(Alarmed).map(({ data: { since } }) => since === '' || seconds(since)),
        [true, 31],
      );
    },
    async 'G2 G6 a replay of a pattern says what it said, with the same ids, whenever time brought it on'(stage) {
      const alarm = defineAutomation({
        name: 'alarm',
        on: highUnanswered,
        publishes: [Alarmed],
        async run({ events, key, publish }) {
          for (const { time } of events.high) await publish(Alarmed, { sensor: key, since: time });
        },
      });
      const test: Test = await stage.start({ events: [Measured], automations: [alarm] });
      await measure(test, 'a', 0, 90);
      await test.settled();
      await measure(test, 'b', 100, 40);
      await test.settled();
      await measure(test, 'a', 130, 40);
      await test.settled();
      const before = test.recorded(Alarmed);
      assert.equal(before.length, 1);
      await test.consumers.replay('alarm', 'beginning');
      await test.settled();
      assert.deepEqual(test.recorded(Alarmed), before);
    },
  }),
];
