import {
  InvalidDefinition,
  byCount,
  defineAutomation,
  defineEvent,
  defineConsumer,
  defineMonitor,
  definePattern,
  defineProjection,
  defineSequence,
  defineWindow,
  hopping,
  lateOf,
  every,
  not,
  one,
  open,
  retractionOf,
  tumbling,
} from 'thereupon';
import type { EventDefinition, SequenceOptions, System } from 'thereupon';
import { memory } from 'thereupon/memory';
import { interceptedFactory } from 'thereupon/testing';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { Answered, Happened } from './things.ts';

const Summed = defineEvent({
  type: 'test.thing.summed',
  stream: () => 'sums',
  schema: z.object({ thing: z.string(), n: z.number() }),
});

async function published(system: Pick<System, 'settled' | 'publish'>, ...things: readonly string[]): Promise<void> {
  for (const [n, thing] of things.entries()) await system.publish(Happened, { thing, n });
  await system.settled();
}

it('refuses a reaction that takes over the name of one of another kind: it would begin where that one ended', async () => {
  const store = memory();
  const consumer = defineConsumer({ name: 'counts', on: Happened, handle() {} });
  const before = await open({ store, events: [Happened], consumers: [consumer] });
  await published(before, 'a', 'b');
  await before.close();
  const projection = defineProjection({
    name: 'counts',
    key: (event) => event.data.thing,
    initial: () => 0,
    on: [[Happened, (row) => row + 1]],
  });
  const program = { store, events: [Happened], projections: [projection] };
  await expect(open(program)).rejects.toThrow(InvalidDefinition);
  const operator = await open({ store, consume: false });
  await operator.consumers.remove('counts');
  await operator.close();
  await using after = await open(program);
  await after.settled();
  expect(await after.views.get(projection, 'a')).toBe(1);
});

it('forgets nothing that waits behind a dead letter when the consumer becomes a queue', async () => {
  const store = memory();
  let bad = true;
  const handled: number[] = [];
  const consumer = (mode: 'ordered' | 'queue') =>
    defineConsumer({
      name: 'picky',
      on: Happened,
      mode,
      retry: { attempts: 1 },
      handle({ event }) {
        if (bad && event.data.n === 0) throw new Error('bad');
        handled.push(event.data.n);
      },
    });
  const before = await open({ store, events: [Happened], consumers: [consumer('ordered')] });
  await published(before, 'a', 'a', 'a');
  expect(handled).toEqual([]);
  await before.close();
  bad = false;
  await using after = await open({ store, events: [Happened], consumers: [consumer('queue')] });
  await after.settled();
  expect(handled).toEqual([1, 2]);
  await after.deadLetters.retryAll();
  await after.settled();
  expect(handled).toEqual([1, 2, 0]);
  expect(await after.consumers.status('picky')).toMatchObject({ waiting: 0, retrying: 0, parked: 0 });
});

it('finds rows by an index that was declared after they were written', async () => {
  const store = memory();
  const projection = (indexes: Readonly<Record<string, (row: { n: number }) => number>>) =>
    defineProjection({
      name: 'things',
      key: (event) => event.data.thing,
      initial: () => ({ n: 0 }),
      on: [[Happened, (_row, event) => ({ n: event.data.n })]],
      indexes,
    });
  const before = await open({ store, events: [Happened], projections: [projection({})] });
  await published(before, 'a', 'b', 'c', 'd');
  await before.close();
  const broken = projection({
    n: ({ n }) => {
      if (n === 2) throw new Error('no two');
      return n;
    },
  });
  await expect(open({ store, events: [Happened], projections: [broken] })).rejects.toMatchObject({
    code: 'invalid-definition',
    message: 'projection "things": index n threw: no two',
  });
  const indexed = projection({ n: ({ n }) => n });
  await using after = await open({ store, events: [Happened], projections: [indexed] });
  const { items } = await after.views.query(indexed, { where: [{ index: 'n', op: '>=', value: 2 }], limit: 10 });
  expect(items.map(({ key }) => key)).toEqual(['c', 'd']);
});

it('says which earlier events a widened consumer does not get', async () => {
  const store = memory();
  const warnings: unknown[] = [];
  const logger = {
    ...silent,
    warn: (fields: unknown) => void warnings.push(fields),
  };
  const reader = (on: readonly (typeof Happened | typeof Answered)[]) =>
    defineConsumer({ name: 'reader', on, handle() {} });
  const before = await open({ store, events: [Happened, Answered], consumers: [reader([Happened])] });
  await published(before, 'a');
  await before.close();
  const environment = { logger: { ...logger, child: () => logger } };
  await using after = await open({ store, consumers: [reader([Happened, Answered])], environment });
  expect(warnings).toMatchObject([{ consumer: 'reader', types: [Answered.type] }]);
  expect((await after.consumers.status('reader')).state).toBe('running');
});

const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

it('begins anew for each key when an automation becomes one over a pattern, when its steps change, and when it becomes plain again', async () => {
  const store = memory();
  const twice = (...names: readonly string[]) =>
    definePattern({
      sequence: names.map((name) => one(name, Happened)),
      key: (event) => (event.data as { thing: string }).thing,
      time: { idle: 'never' },
    });
  const answer = { name: 'answer', publishes: [Answered] } as const;
  const counting = defineAutomation({
    ...answer,
    on: Happened,
    state: { initial: () => 0 },
    async run({ event, state, publish }) {
      state.set(state.get() + 1);
      await publish(Answered, { thing: event.data.thing, n: state.get() });
    },
  });
  const matching = (...names: readonly string[]) =>
    defineAutomation({
      ...answer,
      on: twice(...names),
      run: async ({ key, publish }) => void (await publish(Answered, { thing: key, n: 100 * names.length })),
    });
  const answers: number[] = [];
  const [two, three] = [matching('a', 'b'), matching('a', 'b', 'c')];
  for (const automation of [counting, two, three, two, counting, two]) {
    await using system = await open({ store, events: [Happened], automations: [automation] });
    await published(system, 'x', 'x', 'x');
    const { events } = await system.events.read({ types: [Answered.type] });
    answers.push(...events.slice(answers.length).map(({ data }) => (data as { n: number }).n));
  }
  // Three events each: of a pattern of two steps one is left, which is nothing to one of three.
  expect(answers).toEqual([1, 2, 3, 200, 300, 200, 4, 5, 6, 200]);
});

it('refuses an automation over a pattern that becomes a plain one while events wait for earlier ones', async () => {
  const store = memory();
  const common = { name: 'answer', publishes: [Answered] } as const;
  const pair = definePattern({
    sequence: [every(one('a', Happened), one('b', Happened))],
    key: (event) => (event.data as { thing: string }).thing,
    time: { disorder: '5s', idle: 'never' },
  });
  const matching = defineAutomation({
    ...common,
    on: pair,
    run: async ({ key, publish }) => void (await publish(Answered, { thing: key, n: 2 })),
  });
  const plain = defineAutomation({ ...common, on: Happened, run() {} });
  {
    await using system = await open({ store, events: [Happened], automations: [matching] });
    await published(system, 'x', 'x');
  }
  const opening = open({ store, events: [Happened], automations: [plain] });
  await expect(opening).rejects.toThrow(/events of x wait in its pattern, which it has no longer; start it once as it/);
  await using system = await open({ store, events: [Happened], automations: [matching] });
  await system.publish(Happened, { thing: 'x', n: 1 }, { time: new Date(Date.now() + 60_000) });
  await system.settled();
  const { events } = await system.events.read({ types: [Answered.type] });
  expect(events.length).toBe(1);
});

it('goes on in event time when those whose results it reads are removed, renamed or added', async () => {
  const minutes = (
    name: string,
    on: typeof Happened | typeof Answered,
    publishes: EventDefinition<string, { thing: string; n: number }>,
  ) =>
    defineWindow({
      name,
      on,
      key: () => 'all',
      windows: tumbling('1m'),
      time: { idle: 'never' },
      aggregate: { initial: () => 0, add: (n: number) => n + 1, result: (n) => ({ thing: name, n }) },
      publishes,
    });
  const first = (name: string) => minutes(name, Happened, Answered);
  const second = minutes('second', Answered, Summed);
  const store = memory();
  let [minute, told] = [0, 0];
  for (const windows of [
    [second],
    [first('one'), second],
    [first('other'), second],
    [second],
    [first('one'), second],
  ]) {
    await using system = await open({ store, events: [Happened, Answered], windows });
    for (let n = 0; n < 4; n += 1, minute += 1) {
      const [event, at] = [windows.length === 1 ? Answered : Happened, new Date(Date.UTC(2026, 0, 1, 0, minute))];
      await system.publish(event, { thing: 'a', n }, { time: at });
    }
    await system.settled();
    const { events } = await system.events.read({ types: [Summed.type] });
    expect(events.length).toBeGreaterThanOrEqual(told + 2);
    told = events.length;
  }
});

it('looks after what waits by the rules that are declared now, also where it began to wait under others', async () => {
  const store = memory();
  const handled: number[] = [];
  const program = (sequence: SequenceOptions) => ({
    store,
    events: [Happened],
    automations: [
      defineAutomation({
        name: 'counted',
        on: Happened,
        sequence,
        run: ({ event }) => void handled.push(event.data.n),
      }),
    ],
  });
  const before = await open(program({ onGap: 'hold', wait: '1d' }));
  for (const n of [1, 3]) await before.publish(Happened, { thing: 'a', n }, { sequence: n });
  await before.settled();
  expect(handled).toEqual([1]);
  await before.close();
  await using after = await open(program({ onGap: 'record' }));
  await after.settled();
  expect(handled).toEqual([1, 3]);
});

it('refuses an automation whose declared count nobody watches, or which is on other events than that', async () => {
  const counted = defineSequence({ name: 'counts', on: Happened, sequence: { onGap: 'record' } });
  const automation = defineAutomation({ name: 'counted', on: Happened, sequence: counted, run() {} });
  const program = { store: memory(), automations: [automation] };
  await expect(open(program)).rejects.toThrow(/nobody watches its sequence counts; add that to monitors/);
  const other = () => defineAutomation({ name: 'other', on: [Happened, Answered], sequence: counted, run() {} });
  expect(other).toThrow(/counts .*and it is on .*both must be the same/);
  const ofSource = defineSequence({ name: 'of-source', source: '/s', sequence: { onGap: 'record' } });
  const named = { name: 'one', sequence: ofSource, run() {} };
  expect(() => defineAutomation({ ...named, on: Happened })).toThrow(/counts all, and it is on .* as types/);
  expect(() => defineAutomation(named)).toThrow(/counts \/s, and it is on all as sources/);
  expect(defineAutomation({ ...named, source: '/s' }).sequence).toBe(ofSource);
});

it('refuses options that it does not know, by name, wherever they are', () => {
  const common = { name: 'w', on: Happened, key: () => 'k' } as const;
  const aggregate = { initial: () => 0, add: (n: number) => n + 1, result: (n: number) => ({ thing: 'a', n }) };
  const window = { ...common, windows: tumbling('1m'), aggregate, publishes: Answered };
  for (const [define, expected] of [
    [() => defineWindow({ ...window, disorder: '1s' } as never), /no option disorder; there are name, /],
    [() => defineWindow({ ...window, time: { lateness: '1s' } } as never), /no option time\.lateness; time has at, /],
    [() => defineWindow({ ...window, early: { every: '1s', events: 2 } } as never), /early has every or events/],
    [() => one('a', Happened).count({ min: 3 } as never), /no option count\.min/],
    [() => one('a', Happened).count(3 as never), /count must be an object/],
    [
      () =>
        one('a', Happened)
          .where(() => true)
          .where(() => true),
      /has a condition already/,
    ],
    [() => defineConsumer({ name: 'c', on: Happened, handel() {} } as never), /no option handel/],
    [
      () => defineWindow({ ...window, windows: { kind: 'hopping' } as never }),
      /windows must be what tumbling, hopping/,
    ],
    [() => defineWindow({ ...window, publishes: Happened }), /it is on .*, which it publishes/],
    [() => tumbling('1m', { every: '1s' } as never), /tumbling: there is no option every; there are offset/],
    [
      () => hopping('1m', { every: '1s', size: 2 } as never),
      /hopping: there is no option size; there are every, offset/,
    ],
    [
      () => definePattern({ key: () => 'k', sequence: [one('a', Happened)], once: true } as never),
      /pattern: there is no option once; there are/,
    ],
    [
      () => definePattern({ key: () => 'k', sequence: [Happened as never] }),
      /give it a name: one\('name', definition\)/,
    ],
    [() => lateOf('r' as never), /definition: expected what defineEvent gives, found "r"/],
    [() => retractionOf(undefined as never), /definition: expected what defineEvent gives/],
    [
      () => defineAutomation({ name: 'a', on: Happened, sequence: defineWindow(window) as never, run() {} }),
      /sequence must be its options or what defineSequence gives, found a "window"/,
    ],
    [() => defineAutomation({ name: 'a', on: Happened, inTime: {} as never, run() {} }), /inTime\.disorder is missing/],
    [
      () => defineAutomation({ name: 'a', on: Happened, inTime: { disordr: '1s' } as never, run() {} }),
      /no option inTime\.disordr; inTime has at, disorder/,
    ],
    [() => defineWindow({ ...window, windows: byCount(2), late: { correct: '1m' } }), /late\.correct has no meaning/],
    [
      () =>
        defineMonitor({
          name: 'm',
          on: Happened,
          key: () => 'k',
          value: () => 1,
          fires: { above: 1 },
          measure: { average: { events: 1, over: '1m' } } as never,
          publishes: Answered,
          alarm: () => ({ thing: 'a', n: 1 }),
        }),
      /measure\.average has events or over, not both/,
    ],
    [
      () => defineConsumer({ name: 'c', on: Happened, from: 'now' as never, handle() {} }),
      /from: expected 'beginning', 'end', \{ position \} or \{ time \}, found "now"/,
    ],
    [() => not('x' as never), /^not: expected what defineEvent gives, found "x"/],
    [
      () => defineSequence({ name: 's', source: 5 as never, sequence: { onGap: 'record' } }),
      /^monitor "?s"?: source must be a name or a list of names, found 5/,
    ],
    [
      () => defineSequence({ name: 's', on: Happened, sequence: { onGap: 'record', onReset: 'drop' as never } }),
      /sequence\.onReset must be 'follow' or 'step-back', found "drop"/,
    ],
    [() => defineWindow(undefined as never), /^window: expected an object of options, found nothing/],
    [() => definePattern(null as never), /^pattern: expected an object of options, found null/],
    [() => defineAutomation('x' as never), /^automation: expected an object of options, found "x"/],
    [
      () => defineSequence({ name: 's', on: Happened, sequence: { onGap: 'record', wait: '1s' } }),
      /sequence\.wait and sequence\.hold have no meaning with onGap: 'record'/,
    ],
    [
      () => defineAutomation({ name: 'a', on: defineWindow(window) as never, run() {} }),
      /found the window w; name the events that it publishes/,
    ],
  ] as const)
    expect(define).toThrow(expected);
});

it('forgets what an automation knew of numbers also where it ended in the middle of that, and not where it is as before again', async () => {
  for (const goesBack of [false, true]) {
    const store = memory();
    const changes: unknown[] = [];
    let endsAt = Number.POSITIVE_INFINITY;
    const ending = interceptedFactory(store, (call) => {
      if (call.port !== 'checkpoints' || call.method !== 'change') return call.proceed();
      changes.push(call.input[1]);
      return changes.length === endsAt ? Promise.reject(new Error('it ends here')) : call.proceed();
    });
    const program = (sequence?: SequenceOptions) => ({
      store: ending,
      events: [Happened],
      automations: [
        defineAutomation({ name: 'counted', on: Happened, ...(sequence === undefined ? {} : { sequence }), run() {} }),
      ],
    });
    const numbered = { onGap: 'hold', wait: '1d' } as const;
    const before = await open(program(numbered));
    await before.publish(Happened, { thing: 'a', n: 1 }, { sequence: 1 });
    await before.settled();
    await before.close();
    changes.length = 0;
    endsAt = 2;
    await expect(open(program())).rejects.toThrow('it ends here');
    if (!goesBack) await (await open(program())).close();
    const after = await open(program(numbered));
    await after.publish(Happened, { thing: 'a', n: 7 }, { sequence: 7 });
    await after.settled();
    // What is missing is known only where it is known what came before.
    expect(await after.consumers.held('counted')).toHaveLength(goesBack ? 1 : 0);
    await after.close();
  }
});

it('goes by when events happened where it went by when they were recorded: the one says nothing of the other', async () => {
  const store = memory();
  const handled: number[] = [];
  const program = (how: { sequence: SequenceOptions } | { inTime: { disorder: '1m'; idle: 'never' } }) => ({
    store,
    events: [Happened],
    automations: [
      defineAutomation({ name: 'in-order', on: Happened, ...how, run: ({ event }) => void handled.push(event.data.n) }),
    ],
  });
  const tell = async (system: Pick<System, 'publish' | 'settled'>, n: number) => {
    await system.publish(Happened, { thing: 'a', n }, { sequence: n, time: new Date(Date.UTC(2020, 0, 1, 0, n)) });
    await system.settled();
  };
  const before = await open(program({ sequence: { onGap: 'record' } }));
  await tell(before, 1);
  await before.close();
  await using after = await open(program({ inTime: { disorder: '1m', idle: 'never' } }));
  for (const n of [3, 5, 4, 6, 8]) await tell(after, n);
  expect(handled).toEqual([1, 3, 4, 5, 6]);
});
