import assert from 'node:assert/strict';
import { z } from 'zod';
import { defineAutomation } from '../../automation/define-automation.ts';
import { defineEvent } from '../../event/define-event.ts';
import { defineMonitor, defineSilence } from '../../operator/define-monitor.ts';
import { definePattern } from '../../operator/define-pattern.ts';
import { defineWindow } from '../../operator/define-window.ts';
import { one } from '../../operator/pattern.ts';
import { DEFAULT_START_MS } from '../../testing/index.ts';
import type { ProgramOptions, TestSystem } from '../../testing/index.ts';
import { defineProjection } from '../../projection/define-projection.ts';
import { tumbling } from '../../time/windowing.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import type { DeliveryStage } from './delivery-case.ts';

const Read = defineEvent({
  type: 'contract.gauge.read',
  schema: z.object({ gauge: z.string(), n: z.number() }),
  stream: ({ gauge }) => `gauge-${gauge}`,
});

/** Numbers above 50 are refused by the schema, not by the one who publishes them. */
const Said = defineEvent({
  type: 'contract.gauge.said',
  schema: z.object({ n: z.number().max(50) }),
  stream: () => 'said',
});

const SaidInTime = defineEvent({
  type: 'contract.gauge.shown',
  schema: z.object({ n: z.number().refine((n) => Promise.resolve(n <= 50)) }),
  stream: () => 'said',
});

const Lost = defineEvent({
  type: 'contract.gauge.lost',
  schema: z.object({ gauge: z.string() }),
  stream: () => 'lost',
});

type Test = TestSystem<typeof Read>;

const start = (stage: DeliveryStage, program: Omit<ProgramOptions<typeof Read>, 'events'>): Promise<Test> =>
  stage.start({ events: [Read], ...program });

async function read(test: Test, gauge: string, n: number, second: number): Promise<void> {
  const at = new Date(DEFAULT_START_MS + second * 1_000);
  await test.system.publish(Read, { gauge, n }, { source: '/gauges', time: at });
}

const said = (test: Test, definition: typeof Said | typeof SaidInTime = Said) =>
  test.recorded(definition).map(({ data }) => data.n);
const key = ({ data }: { readonly data: { readonly gauge: string } }) => data.gauge;
const common = { on: Read, key, retry: { attempts: 1 } } as const;

/** The last number of each ten seconds. */
const last = (
  publishes: typeof Said | typeof SaidInTime,
  more: { readonly fails?: (n: number) => boolean; readonly correct?: '1d'; readonly disorder: '0s' | '10m' },
) =>
  defineWindow({
    ...common,
    name: 'reader',
    windows: tumbling('10s'),
    time: { disorder: more.disorder, idle: 'never' },
    ...(more.correct === undefined ? {} : { late: { correct: more.correct } }),
    aggregate: {
      initial: () => 0,
      add: (_before, { data }) => data.n,
      result(n) {
        if (more.fails?.(n) === true) throw new Error(`wrong: ${n}`);
        return { n };
      },
    },
    publishes,
  });

const inTime = (publishes: typeof Said | typeof SaidInTime, fails: (n: number) => boolean = () => false) =>
  defineAutomation({
    ...common,
    name: 'reader',
    inTime: { disorder: '10m', idle: 'never' },
    publishes: [publishes],
    run({ event, publish }) {
      if (fails(event.data.n)) throw new Error(`wrong: ${event.data.n}`);
      void publish(publishes, { n: event.data.n });
    },
  });

const matching = (publishes: typeof Said | typeof SaidInTime) =>
  defineAutomation({
    name: 'reader',
    on: definePattern({ sequence: [one('read', Read)], key, time: { disorder: '10m', idle: 'never' } }),
    retry: { attempts: 1 },
    publishes: [publishes],
    run({ events, publish }) {
      for (const { data } of events.read) void publish(publishes, { n: data.n });
    },
  });

/** One, and the one that is refused, and two more: all are handled at once, with the event of another time. */
async function refused(test: Test): Promise<void> {
  for (const [n, second] of [
    [1, 1],
    [99, 11],
    [3, 21],
    [4, 31],
    [50, 3_600],
  ] as const)
    await read(test, 'a', n, second);
  await test.settled();
}

/** Discards what is shown until nothing is, and answers what that was. */
async function discarded(test: Test): Promise<readonly (string | undefined)[]> {
  const parts: (string | undefined)[] = [];
  for (let [letter] = await test.parked(); letter !== undefined; [letter] = await test.parked()) {
    assert.ok(parts.length < 10, 'what was given up comes back');
    parts.push(letter.part);
    await test.deadLetters.discard(letter.id);
    await test.crash();
    await test.settled();
  }
  return parts;
}

async function runRefused(stage: DeliveryStage): Promise<void> {
  for (const definition of [Said, SaidInTime])
    for (const program of [
      { automations: [inTime(definition)] },
      { windows: [last(definition, { disorder: '10m' })] },
      { automations: [matching(definition)] },
    ]) {
      const test = await start(stage, program);
      await refused(test);
      assert.equal((await discarded(test)).length, 1);
      assert.deepEqual(said(test, definition), [1, 3, 4]);
    }
}

async function runOnce(stage: DeliveryStage): Promise<void> {
  for (const does of ['discard', 'edit'] as const) {
    let fails = true;
    const isWrong = (n: number) => fails && n === 2;
    const test = await start(
      stage,
      does === 'edit'
        ? { automations: [inTime(Said, isWrong)] }
        : { windows: [last(Said, { disorder: '10m', fails: isWrong })] },
    );
    for (const [n, second] of [
      [1, 1],
      [2, 11],
      [3, 21],
    ] as const)
      await read(test, 'a', n, second);
    // That of another key lets time go on for this one.
    await read(test, 'b', 50, 3_600);
    await test.settled();
    const [letter] = await test.parked();
    assert.equal(letter?.error?.message, 'wrong: 2');
    fails = false;
    if (does === 'edit') await test.deadLetters.retryEdited(letter.id, { gauge: 'a', n: 42 });
    else await test.deadLetters.discard(letter.id);
    await test.crash();
    await test.settled();
    assert.deepEqual(await test.parked(), []);
    assert.deepEqual(said(test), does === 'edit' ? [1, 42, 3] : [1, 3]);
  }
}

async function runTwoOfOne(stage: DeliveryStage): Promise<void> {
  const test = await start(stage, {
    windows: [last(Said, { disorder: '0s', correct: '1d', fails: (n) => n === 2 })],
  });
  for (const [n, second] of [
    [1, 1],
    [2, 2],
  ] as const)
    await read(test, 'a', n, second);
  await test.settled();
  await test.consumers.pause('reader');
  await read(test, 'b', 50, 50);
  await read(test, 'a', 7, 5);
  await test.consumers.resume('reader');
  await test.settled();
  assert.deepEqual(await discarded(test), [
    'the result of the window from 2026-01-01T00:00:00.000Z to 2026-01-01T00:00:10.000Z',
  ]);
  assert.deepEqual(said(test), [7]);
}

async function runConditions(stage: DeliveryStage): Promise<void> {
  const judged = (n: number) => {
    if (n === 2) throw new Error('cannot judge 2');
    return true;
  };
  const time = { disorder: '10m', idle: 'never' } as const;
  for (const program of [
    {
      monitors: [
        defineMonitor({
          ...common,
          name: 'reader',
          time,
          value: ({ data }) => data.n,
          fires: judged,
          rearms: 'always',
          alarm: ({ measured: n }) => ({ n }),
          publishes: Said,
        }),
      ],
    },
    {
      automations: [
        defineAutomation({
          name: 'reader',
          on: definePattern({ sequence: [one('read', Read).where(({ data }) => judged(data.n))], key, time }),
          retry: { attempts: 1 },
          publishes: [Said],
          run({ events, publish }) {
            for (const { data } of events.read) void publish(Said, { n: data.n });
          },
        }),
      ],
    },
  ]) {
    const test = await start(stage, program);
    for (const [n, second] of [
      [1, 1],
      [2, 2],
      [3, 3],
      [4, 900],
      [5, 1_800],
      [6, 3_600],
    ] as const)
      await read(test, 'a', n, second);
    await test.settled();
    const [held] = await test.consumers.held('reader');
    assert.equal(held?.waitsFor, `dead letter ${(await test.parked())[0]?.id}`);
    assert.equal((await discarded(test)).length, 1);
    assert.deepEqual(said(test), [1, 3, 4, 5]);
  }
}

/** Keys that are expected, one that was heard, and all of them silent. */
async function runSilences(stage: DeliveryStage): Promise<void> {
  for (const attempts of [1, 3]) {
    let failures = 3;
    const test = await start(stage, {
      monitors: [
        defineSilence({
          name: 'silence',
          on: Read,
          key,
          for: '5m',
          expected: ['cellar', 'roof'],
          time: { idle: '1m' },
          retry: { attempts, minDelay: '1s' },
          publishes: Lost,
          alarm({ key: gauge }) {
            failures -= 1;
            if (failures >= 0) throw new Error(`nobody to tell of ${gauge}`);
            return { gauge };
          },
        }),
      ],
    });
    await read(test, 'hall', 1, 0);
    await test.settled({ advance: true });
    const letters = await test.parked();
    assert.deepEqual(letters.map((letter) => letter.key).toSorted(), attempts > 1 ? [] : ['cellar', 'hall', 'roof']);
    assert.equal(test.reported('thereupon.attempt.failed').length, 3);
    assert.equal(test.reported('thereupon.delivery.parked').length, letters.length);
    await test.crash();
    for (const { id, key: gauge } of letters)
      await (gauge === 'roof' ? test.deadLetters.discard(id) : test.deadLetters.retry(id));
    await test.settled({ advance: true });
    const lost = () =>
      test
        .recorded(Lost)
        .map(({ data }) => data.gauge)
        .toSorted();
    const told = attempts > 1 ? ['cellar', 'hall', 'roof'] : ['cellar', 'hall'];
    assert.deepEqual(
      lost().filter((gauge) => told.includes(gauge)),
      told,
    );
    assert.equal(test.reported('thereupon.event.late').length, 0);
    await test.consumers.replay('silence', 'beginning');
    await test.settled();
    assert.deepEqual(lost(), ['cellar', 'hall', 'roof']);
  }
}

/** Two producers, each with a gap: that which is given up first goes on first. */
async function runGaps(stage: DeliveryStage): Promise<void> {
  for (const isPaused of [false, true]) {
    const test = await start(stage, {
      automations: [
        defineAutomation({
          ...common,
          name: 'reader',
          sequence: { onGap: 'hold', wait: '20s', first: 1 },
          publishes: [Said],
          run: ({ event, publish }) => void publish(Said, { n: event.data.n }),
        }),
      ],
    });
    const tell = async (source: string, sequence: number, n: number) => {
      await test.system.publish(Read, { gauge: 'a', n }, { source, subject: 'a', sequence });
      await test.settled();
    };
    if (isPaused) await test.consumers.pause('reader');
    await tell('/one', 1, 11);
    await tell('/two', 2, 22);
    await test.advance('10s');
    await tell('/one', 3, 13);
    await test.advance('1m');
    await tell('/one', 4, 14);
    if (isPaused) await test.consumers.resume('reader');
    await test.settled();
    assert.deepEqual(said(test), [11, 22, 13, 14]);
  }
}

/** A key that could not be told, and a result that could not be made, of one key, are mended; one after the other is tried again. */
async function runMendedOneByOne(stage: DeliveryStage): Promise<void> {
  let fails = true;
  const test = await start(stage, {
    windows: [
      defineWindow({
        name: 'reader',
        on: Read,
        key({ data }) {
          if (fails && data.n === 1) throw new Error('no key');
          return data.gauge;
        },
        windows: tumbling('1m'),
        time: { idle: 'never' },
        late: { correct: '1d' },
        retry: { attempts: 1 },
        aggregate: {
          initial: () => 0,
          add: (sum, { data }) => sum + data.n,
          result(n) {
            if (fails) throw new Error('no result');
            return { n };
          },
        },
        publishes: Said,
      }),
    ],
  });
  for (const n of [1, 2, 4]) await read(test, 'a', n, n);
  await read(test, 'b', 50, 3_600);
  await test.settled();
  fails = false;
  for (const { id } of await test.parked()) {
    await test.deadLetters.retry(id);
    await test.crash();
    await test.settled();
  }
  assert.deepEqual(await test.parked(), []);
  assert.equal(said(test).at(-1), 7);
}

/** What was set aside under a definition that took it is nothing to one that does not. */
async function runUnwanted(stage: DeliveryStage): Promise<void> {
  let fails = true;
  const shown = (takesLost: boolean) =>
    defineProjection({
      name: 'reader',
      key: ({ stream }) => stream.slice('gauge-'.length),
      initial: () => ({ n: 0 }),
      retry: { attempts: 1 },
      on: [
        [Read, () => ({ n: 4 })],
        ...(takesLost
          ? ([
              [
                Lost,
                (row: { readonly n: number }) => {
                  if (fails) throw new Error('not now');
                  return row;
                },
              ],
            ] as const)
          : []),
      ],
    });
  const projections = [shown(true)];
  const test = await stage.start({ events: [Read, Lost], projections });
  await test.system.publish(Read, { gauge: 'a', n: 4 });
  await test.system.publish(Lost, { gauge: 'a' }, { stream: 'gauge-a' });
  await test.settled();
  const [letter] = await test.parked();
  const present = shown(false);
  projections[0] = present;
  fails = false;
  await test.restart();
  await test.deadLetters.retry(letter?.id ?? '');
  await test.settled();
  assert.deepEqual(await test.views.get(present, 'a'), { n: 4 });
  const [report] = test.reported('thereupon.delivery.discarded');
  assert.equal((report?.data as { reason: string }).reason, 'the consumer no longer takes contract.gauge.lost');
}

/** Facts to which the program gives ids of its own, of several events that are handed over together. */
async function runOwnIds(stage: DeliveryStage): Promise<void> {
  const publishes = [Said];
  const time = { disorder: '10m', idle: 'never' } as const;
  for (const automation of [
    defineAutomation({
      ...common,
      name: 'reader',
      inTime: time,
      publishes,
      run: ({ event, publish }) => void publish(Said, { n: event.data.n }, { id: 'mine' }),
    }),
    defineAutomation({
      name: 'reader',
      on: definePattern({ sequence: [one('read', Read)], key, time }),
      retry: { attempts: 1 },
      publishes,
      run: ({ events, publish }) => void publish(Said, { n: events.read[0]?.data.n ?? 0 }, { id: 'mine' }),
    }),
  ]) {
    const test = await start(stage, { automations: [automation] });
    for (const [n, second] of [
      [1, 1],
      [2, 1_000],
      [3, 3_000],
    ] as const) {
      await read(test, 'a', n, second);
      await test.settled();
    }
    assert.deepEqual(said(test), [1]);
    const [letter] = await test.parked();
    assert.match(letter?.error?.message ?? '', /already recorded at position .* with other content/);
  }
}

/** A source that cannot be asked: what is missing is told of, and waited for as long as it would be otherwise. */
async function runUnasked(stage: DeliveryStage): Promise<void> {
  for (const failures of [2, 100]) {
    let left = failures;
    const test = await start(stage, {
      automations: [
        defineAutomation({
          ...common,
          name: 'reader',
          retry: { attempts: 3, minDelay: '1s' },
          sequence: {
            onGap: 'hold',
            wait: '10m',
            first: 1,
            ask() {
              left -= 1;
              if (left >= 0) throw new Error('nobody there');
            },
          },
          publishes: [Said],
          run: ({ event, publish }) => void publish(Said, { n: event.data.n }),
        }),
      ],
    });
    for (const n of [1, 3]) {
      await test.system.publish(Read, { gauge: 'a', n }, { source: '/a', subject: 'a', sequence: n });
      await test.settled();
    }
    await test.settled({ advance: '1m' });
    assert.equal(test.reported('thereupon.sequence.gap').length, 1);
    assert.equal(test.reported('thereupon.sequence.unasked').length, failures > 3 ? 1 : 0);
    assert.deepEqual([said(test), await test.parked()], [[1], []]);
    await test.crash();
    await test.settled({ advance: '10m' });
    assert.deepEqual(said(test), [1, 3]);
    assert.equal(test.reported('thereupon.sequence.lost').length, 1);
  }
}

/** What outlives its attempt goes on by itself, beside the next attempt, but is handed nothing more. */
async function runOutlived(stage: DeliveryStage): Promise<void> {
  const gate = Promise.withResolvers<void>();
  const calls: string[] = [];
  const test = await start(stage, {
    automations: [
      defineAutomation({
        ...common,
        name: 'reader',
        retry: { attempts: 2, minDelay: '1s' },
        timeout: '10s',
        inTime: { disorder: '10m', idle: 'never' },
        async run({ event, attempt }) {
          calls.push(`${event.data.n}@${attempt}`);
          if (event.data.n === 2 && attempt === 1) await gate.promise;
        },
      }),
    ],
  });
  for (const n of [1, 2, 3]) await read(test, 'a', n, n);
  await read(test, 'b', 50, 3_600);
  await test.advance('11s');
  gate.resolve();
  await test.settled({ advance: true });
  assert.deepEqual(calls, ['1@1', '2@1', '1@2', '2@2', '3@2']);
  assert.deepEqual(await test.parked(), []);
}

/** Which of several things failed, and what comes of what is done about it (G7). */
export const blamingCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    'G7 of several things that publication is to blame which is refused, whenever its schema is asked': runRefused,
    'G7 what an operator gives up or edits of what time brought on stays so, where all else goes well now': runOnce,
    'G7 of two results of one window that are told at once that alone is given up which failed': runTwoOfOne,
    'G7 where a condition fails on an event that was held, that event is to blame': runConditions,
    'G6 G7 G8 silences of many keys of which none was heard fail and are told each by itself': runSilences,
    'G6 G7 a dead letter of what time brought on stays one, whatever else of its key is handled meanwhile':
      runMendedOneByOne,
    'G7 G11 what was set aside is nothing to a consumer that no longer takes its type, and that is recorded':
      runUnwanted,
    'G2 facts with ids of their own are not lost among those of events that are handed over together': runOwnIds,
    'G5 G7 an attempt whose time was up hands over nothing more of what it was to hand over': runOutlived,
    'G8 a source that cannot be asked is as one that does not answer': runUnasked,
    'G8 G14 of several producers with gaps those go on first that waited first, however late they are looked at':
      runGaps,
  });
