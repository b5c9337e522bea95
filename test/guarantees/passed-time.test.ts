import { expect, test } from 'vitest';
import {
  defineAutomation,
  defineEvent,
  defineMonitor,
  definePattern,
  definePatterns,
  defineSequence,
  defineSilence,
  defineWindow,
  every,
  not,
  one,
  tumbling,
} from 'thereupon';
import type { Publication } from 'thereupon';
import { memory } from 'thereupon/memory';
import { DEFAULT_START_MS, testSystem } from 'thereupon/testing';
import { z } from 'zod';
import { Happened } from './things.ts';

/** What time alone brings on is the same whether it runs before the next event of its key comes or together with that. */

const Told = defineEvent({
  type: 'test.thing.told',
  stream: (data) => `thing-${data.thing}`,
  schema: z.object({ thing: z.string(), what: z.enum(['first', 'second']) }),
});

function toldAt(atMs: number, thing: string, what: 'first' | 'second'): Publication<typeof Told> {
  return { event: Told, data: { thing, what }, options: { time: new Date(DEFAULT_START_MS + atMs) } };
}

/** What was matched and what was late. */
async function pairs(atOnce: boolean): Promise<readonly string[]> {
  const found: string[] = [];
  const pattern = definePattern({
    sequence: [
      every(
        one('first', Told).where({ data: { what: ['first'] } }),
        one('second', Told).where({ data: { what: ['second'] } }),
      ),
    ],
    within: '1s',
    key: (event) => event.data.thing,
    time: { disorder: '100ms' },
  });
  const run = ({ key, time }: { key: string; time: string }) => void found.push(`${key} at ${time}`);
  const automations = [defineAutomation({ name: 'pairs', on: pattern, run })];
  // The second of b tells of time, and nothing is under way of a any more.
  const facts = [
    toldAt(1_000, 'a', 'second'),
    toldAt(1_200, 'b', 'second'),
    toldAt(500, 'a', 'first'),
    toldAt(1_150, 'a', 'second'),
    toldAt(1_400, 'b', 'second'),
  ];
  await using t = await testSystem({ events: [Told], automations });
  for (const together of atOnce ? [facts] : facts.map((fact) => [fact])) {
    await t.system.publishAll(together);
    await t.settled();
  }
  return [...found, ...t.reported('thereupon.event.late').map(({ time }) => `late at ${time}`)];
}

test('what comes behind the disorder is late, also of a key of which nothing is under way (G6, G8)', async () => {
  const late = [`late at ${new Date(DEFAULT_START_MS).toISOString()}`];
  expect(await pairs(false)).toEqual(late);
  expect(await pairs(true)).toEqual(late);
});

test('an event for which time had run out is late, and no absence: who was told of too late was not silent (G8, CE1, CE6)', async () => {
  const Placed = defineEvent({
    type: 'test.order.placed',
    stream: (data) => data.order,
    schema: z.object({ order: z.string() }),
  });
  const Paid = defineEvent({
    type: 'test.order.paid',
    stream: (data) => data.order,
    schema: z.object({ order: z.string() }),
  });
  const sequence = [every(one('order', Placed)), not(Paid).within('15m')] as const;
  const key = (event: { readonly stream: string }) => event.stream;
  const time = { idle: 'never' } as const;
  for (const minutes of [8, 50]) {
    const found: string[] = [];
    const run = ({ key: order }: { readonly key: string }) => void found.push(order);
    const automations = [
      defineAutomation({ name: 'alone', on: definePattern({ sequence, key, time }), run }),
      defineAutomation({
        name: 'of-a-set',
        on: definePatterns({ patterns: { unpaid: { sequence } }, key, time }),
        run,
      }),
    ];
    const silence = defineSilence({
      name: 'silent',
      on: Placed,
      key,
      for: '15m',
      time,
      publishes: Happened,
      alarm: ({ key: thing }) => ({ thing, n: 0 }),
    });
    await using t = await testSystem({ events: [Placed, Paid], automations, monitors: [silence] });
    const tell = async (definition: typeof Paid | typeof Placed, order: string, minute: number) => {
      await t.system.publish(
        definition as typeof Paid,
        { order },
        { time: new Date(DEFAULT_START_MS + minute * 60_000) },
      );
      await t.settled();
    };
    await tell(Placed, 'y', 60);
    await tell(Placed, 'x', minutes);
    await tell(Paid, 'x', minutes + 2);
    expect(found).toEqual([]);
    // Told of ten minutes late, there was time for it.
    expect(t.reported('thereupon.event.late').map(({ data }) => (data as { type: string }).type)).toEqual(
      minutes === 50 ? [] : [Placed.type, Placed.type, Placed.type],
    );
    await tell(Placed, 'z', 100);
    await tell(Paid, 'z', 100);
    expect(found).toEqual(['y', 'y']);
    expect(t.recorded(Happened).map(({ data }) => data.thing)).toEqual(minutes === 50 ? ['x', 'y'] : ['y']);
  }
});

/** The events that lost numbers are reported of. */
async function losses(atOnce: boolean): Promise<readonly unknown[]> {
  const counts = defineSequence({ name: 'counts', on: Happened, sequence: { onGap: 'hold', wait: '10s' } });
  await using t = await testSystem({ events: [Happened], monitors: [counts] });
  const tell = (thing: string, n: number) =>
    t.system.publish(Happened, { thing, n }, { id: `${thing}-${n}`, sequence: n });
  if (atOnce) await t.consumers.pause('counts', 'what comes is to be handled together');
  await tell('a', 1);
  await tell('a', 3);
  await t.advance('10500ms');
  await tell('b', 1);
  await t.settled();
  await tell('a', 4);
  if (atOnce) await t.consumers.resume('counts');
  await t.settled();
  return t.reported('thereupon.sequence.lost').map(({ data }) => (data as { id: string }).id);
}

test('what time brings on is reported of the last event before it (G11)', async () => {
  expect(await losses(false)).toEqual(['a-3']);
  expect(await losses(true)).toEqual(['a-3']);
});

const Counted = defineEvent({
  type: 'test.things.counted',
  stream: (data) => `count-${data.thing}`,
  schema: z.object({ thing: z.string(), second: z.number(), count: z.number() }),
});

/** Pairs of a thing whose first pair fails, while later ones wait behind it and time goes on. */
async function pairsBehind(fails: boolean, given: { readonly attempts?: 1 }): Promise<readonly string[]> {
  let isBroken = fails;
  const found: string[] = [];
  const pattern = definePattern({
    sequence: [
      every(
        one('first', Told).where({ data: { what: ['first'] } }),
        one('second', Told).where({ data: { what: ['second'] } }),
      ),
    ],
    within: '15s',
    key: (event) => event.data.thing,
    time: { idle: 'never' },
  });
  const run = ({ key, time }: { key: string; time: string }) => {
    if (isBroken) throw new Error('not now');
    found.push(`${key} at ${time}`);
  };
  const automations = [defineAutomation({ name: 'pairs', on: pattern, run, retry: given })];
  await using t = await testSystem({ events: [Told], automations });
  for (let second = 0; second < 100; second += 20)
    for (const fact of [toldAt(second * 1_000, 'a', 'first'), toldAt(second * 1_000 + 3_000, 'a', 'second')]) {
      await t.system.publishAll([fact]);
      await t.settled();
    }
  await t.system.publishAll([toldAt(1_000_000, 'b', 'first')]);
  await t.settled();
  isBroken = false;
  if (given.attempts === 1) await t.deadLetters.retryAll();
  await t.settled({ advance: '1h' });
  expect(t.reported('thereupon.event.late')).toEqual([]);
  return found;
}

test('what waits behind a match that failed is judged by the time at which it was set aside, and matches as it would have (G6, G7)', async () => {
  const expected = [3, 23, 43, 63, 83].map(
    (second) => `a at 2026-01-01T00:0${Math.floor(second / 60)}:${String(second % 60).padStart(2, '0')}.000Z`,
  );
  expect(await pairsBehind(false, {})).toEqual(expected);
  expect(await pairsBehind(true, {})).toEqual(expected);
  expect(await pairsBehind(true, { attempts: 1 })).toEqual(expected);
});

/** When the windows of a begin, of which the first could not be told at first, while an event of the next waits behind it. */
async function windowsBehind(fails: boolean, retry: { readonly attempts?: 1 }): Promise<readonly number[]> {
  let isBroken = fails;
  const counts = defineWindow({
    name: 'counts',
    on: Told,
    key: (event) => event.data.thing,
    windows: tumbling('10s'),
    time: { idle: 'never' },
    retry,
    publishes: Counted,
    aggregate: {
      initial: () => 0,
      add: (count) => count + 1,
      result(count, { key, startMs }) {
        if (isBroken && key === 'a') throw new Error('not now');
        return { thing: key, second: (startMs - DEFAULT_START_MS) / 1_000, count };
      },
    },
  });
  await using t = await testSystem({ events: [Told], windows: [counts] });
  const tell = async (thing: string, second: number) => {
    await t.system.publishAll([toldAt(second * 1_000, thing, 'first')]);
    await t.settled();
  };
  await tell('a', 1);
  await tell('b', 12);
  await tell('a', 13);
  await tell('b', 40);
  isBroken = false;
  if (retry.attempts === 1) await t.deadLetters.retryAll();
  await t.settled({ advance: '1m' });
  await tell('b', 60);
  expect(t.reported('thereupon.event.late')).toEqual([]);
  return t.recorded(Counted).flatMap(({ data }) => (data.thing === 'a' ? [data.second] : []));
}

test('what waits behind a result that failed counts in its own window (G7)', async () => {
  expect(await windowsBehind(false, {})).toEqual([0, 10]);
  expect(await windowsBehind(true, {})).toEqual([0, 10]);
  expect(await windowsBehind(true, { attempts: 1 })).toEqual([0, 10]);
});

/** When the windows begin and end that are told, in minutes, and how many events each has; the size changes between two runs. */
async function windowsOf(before: '1h' | '2h', after: '1h' | '2h'): Promise<readonly (readonly number[])[]> {
  const store = memory();
  const sized = (size: '1h' | '2h') =>
    defineWindow({
      name: 'counts',
      on: Told,
      key: (event) => event.data.thing,
      windows: tumbling(size),
      time: { disorder: '3h', idle: 'never' },
      publishes: Counted,
      aggregate: {
        initial: () => 0,
        add: (count) => count + 1,
        result: (count, { key, startMs, endMs }) => ({ thing: `${key}-${endMs}`, second: startMs, count }),
      },
    });
  const minutes = (...at: readonly number[]) => at.map((minute) => toldAt(minute * 60_000, 'a', 'first'));
  {
    await using t = await testSystem({ store, events: [Told], windows: [sized(before)] });
    await t.system.publishAll(minutes(10, 90, 95));
    await t.settled();
  }
  await using t = await testSystem({ store, seed: 2, events: [Told], windows: [sized(after)] });
  await t.system.publishAll(minutes(51, 1_000));
  await t.settled();
  return t
    .recorded(Counted)
    .map(({ data }) => [
      (data.second - DEFAULT_START_MS) / 60_000,
      (Number(data.thing.slice(2)) - DEFAULT_START_MS) / 60_000,
      data.count,
    ])
    .sort((left, right) => left.join().localeCompare(right.join()));
}

test('windows of another size begin beside those that are open (G6)', async () => {
  expect(await windowsOf('1h', '2h')).toEqual([
    [0, 120, 1],
    [0, 60, 1],
    [60, 120, 2],
  ]);
  expect(await windowsOf('2h', '1h')).toEqual([
    [0, 120, 3],
    [0, 60, 1],
  ]);
});

test('what another monitor of the same name has heard of does not count for those who are expected (G8)', async () => {
  const store = memory();
  const common = { name: 'watch', on: Told, key: ({ data }: { data: { thing: string } }) => data.thing } as const;
  const high = defineMonitor({
    ...common,
    value: () => 1,
    fires: { above: 5 },
    publishes: Counted,
    alarm: ({ key }) => ({ thing: key, second: 0, count: 0 }),
  });
  const silent = defineSilence({
    ...common,
    for: '1m',
    expected: ['a', 'never'],
    time: { idle: 'never' },
    publishes: Counted,
    alarm: ({ key }) => ({ thing: key, second: 0, count: 0 }),
  });
  {
    await using t = await testSystem({ store, events: [Told], monitors: [high] });
    await t.system.publishAll([toldAt(0, 'a', 'first')]);
    await t.settled();
  }
  await using t = await testSystem({ store, seed: 2, events: [Told], monitors: [silent] });
  await t.system.publishAll([toldAt(1_000, 'b', 'first'), toldAt(200_000, 'b', 'second')]);
  await t.settled();
  expect(
    t
      .recorded(Counted)
      .map(({ data }) => data.thing)
      .sort(),
  ).toEqual(['a', 'b', 'never']);
});

test('what is noticed of numbers and of lateness is recorded once, in a replay too (G6)', async () => {
  const counts = defineSequence({ name: 'counts', on: Happened, sequence: { onGap: 'record' } });
  const tallies = defineWindow({
    name: 'tallies',
    on: Happened,
    key: (event) => event.data.thing,
    windows: tumbling('10s'),
    time: { idle: 'never' },
    publishes: Counted,
    aggregate: {
      initial: () => 0,
      add: (count) => count + 1,
      result: (count, { key }) => ({ thing: key, second: 0, count }),
    },
  });
  await using t = await testSystem({ events: [Happened], monitors: [counts], windows: [tallies] });
  for (const [index, n] of [1, 3, 7, 2, 3].entries())
    await t.system.publish(
      Happened,
      { thing: 'a', n },
      { id: `told-${index}`, sequence: n, time: new Date(DEFAULT_START_MS + (index === 3 ? 0 : index * 20_000)) },
    );
  await t.settled();
  const notices = () =>
    t
      .reported()
      .filter(({ type }) => /^thereupon\.(?:sequence|event)\./.test(type))
      .map(({ type }) => type.slice('thereupon.'.length));
  expect(notices().toSorted()).toEqual([
    'event.late',
    'sequence.filled',
    'sequence.gap',
    'sequence.gap',
    'sequence.stepped-back',
  ]);
  const before = notices();
  await t.consumers.replay('counts', 'beginning');
  await t.consumers.replay('tallies', 'beginning');
  await t.settled();
  expect(notices()).toEqual(before);
});

test('what goes on before its time, because too many wait, is recorded (G8, G11)', async () => {
  const seen: number[] = [];
  const inTime = defineAutomation({
    name: 'in-time',
    on: Happened,
    inTime: { disorder: '1h', idle: 'never', hold: { maxEvents: 2 } },
    run: ({ event }) => void seen.push(event.data.n),
  });
  await using t = await testSystem({ events: [Happened], automations: [inTime] });
  for (const n of [40, 20, 10, 30])
    await t.system.publish(Happened, { thing: 'a', n }, { time: new Date(DEFAULT_START_MS + n * 1_000) });
  await t.settled();
  expect(seen).toEqual([10, 20]);
  expect(t.reported('thereupon.hold.overflowed').map(({ data }) => data)).toMatchObject([
    { consumer: 'in-time', released: 1, upTo: '2026-01-01T00:00:10.000Z' },
    { consumer: 'in-time', released: 1, upTo: '2026-01-01T00:00:20.000Z' },
  ]);
});
