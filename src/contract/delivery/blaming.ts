import assert from 'node:assert/strict';
import { defineAutomation } from '../../automation/define-automation.ts';
import { defineMonitor } from '../../operator/define-monitor.ts';
import { definePattern } from '../../operator/define-pattern.ts';
import { defineWindow } from '../../operator/define-window.ts';
import { every, one } from '../../operator/pattern.ts';
import { tumbling } from '../../time/windowing.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import type { DeliveryStage } from './delivery-case.ts';
import { common, key, read, Read, Said, said, SaidInTime, start } from './gauges.ts';
import type { Test } from './gauges.ts';

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
    on: definePattern({ sequence: [every(one('read', Read))], key, time: { disorder: '10m', idle: 'never' } }),
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
          on: definePattern({ sequence: [every(one('read', Read).where(({ data }) => judged(data.n)))], key, time }),
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

/** Which of several things failed, and what comes of what is done about it (G7). */
export const blamingCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    'G7 of several things that publication is to blame which is refused, whenever its schema is asked': runRefused,
    'G7 what an operator gives up or edits of what time brought on stays so, where all else goes well now': runOnce,
    'G7 of two results of one window that are told at once that alone is given up which failed': runTwoOfOne,
    'G7 where a condition fails on an event that was held, that event is to blame': runConditions,
  });
