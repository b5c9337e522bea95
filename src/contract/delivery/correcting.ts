import assert from 'node:assert/strict';
import { z } from 'zod';
import { defineAutomation } from '../../automation/define-automation.ts';
import type { ConsumerStart } from '../../consumer/reaction.ts';
import { defineEvent } from '../../event/define-event.ts';
import { position } from '../../event/position.ts';
import { defineWindow } from '../../operator/define-window.ts';
import { defineProjection } from '../../projection/define-projection.ts';
import { tumbling } from '../../time/windowing.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import type { DeliveryStage } from './delivery-case.ts';
import { measure, Measured, Totalled } from './readings.ts';
import type { Test } from './readings.ts';

const Summed = defineEvent({
  type: 'contract.totals.summed',
  schema: z.object({ totals: z.number(), sum: z.number() }),
  stream: () => 'sums',
});

const Noted = defineEvent({
  type: 'contract.total.heard',
  schema: z.object({ sum: z.number(), was: z.array(z.number()) }),
  stream: () => 'heard',
});

/** Minutes that are corrected, and a projection, a window and an automation that take back what they took in. */
function program(from: ConsumerStart, fails: () => boolean) {
  const once = { attempts: 1 } as const;
  const tried = () => {
    if (fails()) throw new Error('not this time');
  };
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
  const sums = defineWindow({
    name: 'sums',
    on: Totalled,
    key: () => 'all',
    from,
    windows: tumbling('2h'),
    time: { idle: 'never' },
    aggregate: {
      initial: () => ({ totals: 0, sum: 0 }),
      add(all, { data }) {
        tried();
        return { totals: all.totals + 1, sum: all.sum + data.sum };
      },
      remove: (all, { data }) => ({ totals: all.totals - 1, sum: all.sum - data.sum }),
      result: (all) => all,
    },
    retry: once,
    publishes: Summed,
  });
  const view = defineProjection({
    name: 'in-all',
    key: () => 'all',
    initial: () => ({ totals: 0, sum: 0 }),
    retry: once,
    on: [
      [
        Totalled,
        (all, { data }) => {
          tried();
          return { totals: all.totals + 1, sum: all.sum + data.sum };
        },
        (all, { data }) => ({ totals: all.totals - 1, sum: all.sum - data.sum }),
      ],
    ],
  });
  const hearing = defineAutomation({
    name: 'hearing',
    on: Totalled,
    from,
    publishes: [Noted],
    retry: once,
    run({ event, publish }) {
      tried();
      void publish(Noted, { sum: event.data.sum, was: [] });
    },
    onCorrection({ event, replaced, publish }) {
      tried();
      void publish(Noted, { sum: event?.data.sum ?? 0, was: replaced.map(({ data }) => data.sum) });
    },
  });
  return {
    view,
    program: { events: [Measured], windows: [totals, sums], automations: [hearing], projections: [view] },
  };
}

/** The first total is one; then it is three, then seven. */
async function corrected(test: Test): Promise<void> {
  for (const [second, value] of [
    [30, 2],
    [40, 4],
    [9_000, 0],
  ] as const) {
    await measure(test, 'a', second, value);
    if (second === 9_000) await measure(test, 'b', second + 9_000, 0);
    await test.crash();
    await test.settled();
  }
}

const heard = (test: Test) => test.recorded(Noted).map(({ data: { sum, was } }) => [sum, ...was]);
const first = (test: Test) => test.recorded(Summed).map(({ data: { totals, sum } }) => [totals, sum])[0];

async function runGivenUp(stage: DeliveryStage): Promise<void> {
  let fails = true;
  const { view, program: parts } = program('beginning', () => fails);
  const test = await stage.start(parts);
  await measure(test, 'a', 1);
  await measure(test, 'a', 70, 0);
  await test.settled();
  const letters = await test.parked();
  assert.equal(letters.length, 3);
  for (const { id, event } of letters)
    await assert.rejects(
      test.deadLetters.retryEdited(id, { ...(event?.data as object), sum: 9 }),
      /^WrongState: dead letter .* is of contract.minute.totalled, which .* takes out again, as it was recorded/,
    );
  await test.deadLetters.discardAll();
  fails = false;
  await corrected(test);
  // That of the minute after it came later, and was taken in.
  assert.deepEqual(heard(test).slice(0, 2), [[3], [7, 3]]);
  assert.deepEqual(first(test), [2, 7]);
  const all = await test.views.get(view, 'all');
  assert.deepEqual(all?.sum, 7);
  // Handled anew, the first one is taken in, and so it is taken out, too.
  await test.consumers.replay('in-all', 'beginning');
  await test.settled();
  assert.deepEqual(await test.views.get(view, 'all'), all);
}

/** A correction that is given up, and one that was given up and is handled after all, by a replay from the middle. */
async function runGivenUpBetween(stage: DeliveryStage): Promise<void> {
  let fails = false;
  const test = await stage.start(program('beginning', () => fails).program);
  const given = async (seconds: number, value: number) => {
    await measure(test, 'a', seconds, value);
    await test.settled();
  };
  await given(1, 1);
  await given(70, 0);
  // What corrects the first one fails, and is given up.
  fails = true;
  await given(30, 2);
  fails = false;
  const [letter] = await test.parked('hearing');
  await test.deadLetters.discard(letter?.id ?? '');
  await test.crash();
  await given(40, 4);
  assert.deepEqual(heard(test), [[1], [7, 1]]);
  await test.consumers.replay('hearing', { position: position((letter?.position ?? 1) - 1) });
  await test.settled();
  await given(50, 8);
  assert.deepEqual(heard(test).at(-1), [15, 7]);
}

/** A result is given up, and not the event that it stands for: that one was taken in, and so it is taken out. */
async function runResultGivenUp(stage: DeliveryStage): Promise<void> {
  let fails = true;
  const [totals] = program('beginning', () => false).program.windows;
  if (totals === undefined) throw new Error('no totals');
  const sums = defineWindow({
    name: 'sums',
    on: Totalled,
    key: () => 'all',
    windows: tumbling('5m'),
    time: { idle: 'never' },
    aggregate: {
      initial: () => ({ totals: 0, sum: 0 }),
      add: (all, { data }) => ({ totals: all.totals + 1, sum: all.sum + data.sum }),
      remove: (all, { data }) => ({ totals: all.totals - 1, sum: all.sum - data.sum }),
      result(all) {
        if (fails) throw new Error('not this time');
        return all;
      },
    },
    late: { correct: '1h' },
    retry: { attempts: 1 },
    publishes: Summed,
  });
  const test = await stage.start({ events: [Measured], windows: [totals, sums] });
  for (const second of [1, 70, 400]) await measure(test, 'a', second);
  await test.settled();
  const [letter] = await test.parked('sums');
  assert.deepEqual([letter?.event?.type, typeof letter?.part], [Totalled.type, 'string']);
  await test.deadLetters.discard(letter?.id ?? '');
  await test.settled();
  fails = false;
  await measure(test, 'a', 80, 4);
  await test.settled();
  // In between it may say what it has without the old one.
  assert.deepEqual(test.recorded(Summed).at(-1)?.data, { totals: 2, sum: 6 });
}

async function runFromTheMiddle(stage: DeliveryStage): Promise<void> {
  // Two readings and the first total.
  const { program: parts } = program({ position: position(3) }, () => false);
  const test = await stage.start(parts);
  await measure(test, 'a', 1);
  await measure(test, 'a', 70, 0);
  await test.settled();
  assert.deepEqual([test.recorded(Totalled)[0]?.position, heard(test)], [3, []]);
  await corrected(test);
  assert.deepEqual(heard(test).slice(0, 2), [[3], [7, 3]]);
  assert.deepEqual(first(test), [2, 7]);
  await test.consumers.replay('sums', 'beginning');
  await test.settled();
  assert.deepEqual(first(test), [2, 7]);
}

async function runOfTypeAddedLater(stage: DeliveryStage): Promise<void> {
  const { program: parts } = program('end', () => false);
  const view = (takesTotals: boolean) =>
    defineProjection({
      name: 'seen',
      key: () => 'all',
      initial: () => ({ measured: 0, sum: 0 }),
      on: [
        [Measured, (all) => ({ ...all, measured: all.measured + 1 })],
        ...(takesTotals
          ? [
              [
                Totalled,
                (all: Seen, { data }: { readonly data: { readonly sum: number } }) => ({
                  ...all,
                  sum: all.sum + data.sum,
                }),
                (all: Seen, { data }: { readonly data: { readonly sum: number } }) => ({
                  ...all,
                  sum: all.sum - data.sum,
                }),
              ] as never,
            ]
          : []),
      ],
    });
  const projections = [view(false)];
  const test = await stage.start({ events: [Measured], windows: parts.windows, projections });
  await measure(test, 'a', 1);
  await measure(test, 'a', 70, 0);
  await test.settled();
  const taken = view(true);
  projections[0] = taken;
  await test.restart();
  await corrected(test);
  // Those that no other one replaces; the first is replaced twice over.
  const sum = test
    .recorded(Totalled)
    .filter(({ id }) => !test.recorded(Totalled).some((other) => other.attribute('replaces') === id))
    .reduce((all, { data }) => all + data.sum, 0);
  assert.deepEqual(await test.views.get(taken, 'all'), { measured: test.recorded(Measured).length, sum });
  await test.consumers.replay('seen', 'beginning');
  await test.settled();
  assert.deepEqual(await test.views.get(taken, 'all'), { measured: test.recorded(Measured).length, sum });
}

/** An event is given up by the first window, which takes it in after all when it is replayed. */
async function runReplayed(stage: DeliveryStage): Promise<void> {
  let fails = true;
  const totals = defineWindow({
    name: 'totals',
    on: Measured,
    key: ({ data }) => data.sensor,
    windows: tumbling('1m'),
    time: { idle: 'never' },
    aggregate: {
      initial: () => ({ count: 0, sum: 0 }),
      add(total, { data }) {
        if (fails && data.value === 7) throw new Error('not this one');
        return { count: total.count + 1, sum: total.sum + data.value };
      },
      result: (total, { key, start }) => ({ sensor: key, start, ...total }),
    },
    late: { correct: '1h' },
    retry: { attempts: 1 },
    publishes: Totalled,
  });
  const { view } = program('beginning', () => false);
  const test = await stage.start({ events: [Measured], windows: [totals], projections: [view] });
  for (const [second, value] of [
    [1, 3],
    [2, 7],
    [70, 0],
  ] as const)
    await measure(test, 'a', second, value);
  await test.settled();
  for (const { id } of await test.parked('totals')) await test.deadLetters.discard(id);
  await test.settled();
  fails = false;
  await test.consumers.replay('totals', 'beginning');
  await test.settled();
  // What was told before is taken back, as it was told.
  assert.deepEqual(await test.views.get(view, 'all'), { totals: 1, sum: 10 });
  const [told, correction] = test.recorded(Totalled);
  const retraction = test.recorded().find(({ type }) => type === `${Totalled.type}.retracted`);
  assert.deepEqual(retraction?.data, told?.data);
  assert.deepEqual([retraction?.attribute('retracts'), correction?.attribute('replaces')], [told?.id, told?.id]);
  assert.ok((retraction?.position ?? 0) < (correction?.position ?? 0));
  await test.crash();
  await measure(test, 'a', 10, 20);
  await test.settled();
  assert.deepEqual(await test.views.get(view, 'all'), { totals: 1, sum: 30 });
}

interface Seen {
  readonly measured: number;
  readonly sum: number;
}

/** Results that are taken back, for those who never took them in (G8). */
export const correctingCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    'G6 G8 what was given up, and could not be edited, is not taken out again when it is taken back; after a replay it is':
      runGivenUp,
    'G6 G8 what takes the place of a correction that was given up corrects what that one was to correct':
      runGivenUpBetween,
    'G6 G8 an event of which a result was given up was taken in, and is taken out again': runResultGivenUp,
    'G6 G8 what is from before a consumer took its type is not taken out again when it is taken back; after a replay it is':
      runOfTypeAddedLater,
    'G2 G8 a replay that comes to something else takes back what was told': runReplayed,
    'G6 G8 what is from before a consumer began is not taken out again when it is taken back': runFromTheMiddle,
  });
