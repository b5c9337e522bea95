import assert from 'node:assert/strict';
import { defineWindow } from '../../operator/define-window.ts';
import { defineProjection } from '../../projection/define-projection.ts';
import { session, tumbling } from '../../time/windowing.ts';
import type { Windowing } from '../../time/windowing.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import type { DeliveryStage } from './delivery-case.ts';
import { measure, Measured, Totalled } from './readings.ts';

/** Totals that stand, and their sum; with `timing` only of those. */
const adding = (name: string, timing?: readonly unknown[]) =>
  defineProjection({
    name,
    key: () => 'all',
    initial: () => ({ totals: 0, sum: 0 }),
    ...(timing === undefined ? {} : { where: { timing } as never }),
    on: [
      [
        Totalled,
        (all, { data }) => ({ totals: all.totals + 1, sum: all.sum + data.sum }),
        (all, { data }) => ({ totals: all.totals - 1, sum: all.sum - data.sum }),
      ],
    ],
  });

interface Telling {
  readonly factor: number;
  readonly early?: { readonly events: number } | { readonly every: '20s' };
  readonly every: number;
}

const TELLINGS: readonly Telling[] = [
  { factor: 1, every: 1 },
  { factor: 1, early: { events: 2 }, every: 1 },
  { factor: 2, early: { every: '20s' }, every: 2 },
];

/** A window is told otherwise than before, and from the beginning; those who read its results have what it says now. */
async function runRetold(
  stage: DeliveryStage,
  tellings: readonly [Telling, ...Telling[]],
  { how, windowing }: { readonly how: 'removed' | 'replayed'; readonly windowing: Windowing },
): Promise<void> {
  const telling = ({ factor, early, every }: Telling) =>
    defineWindow({
      name: 'totals',
      on: Measured,
      key: ({ data }) => data.sensor,
      windows: windowing,
      time: { idle: 'never' },
      aggregate: {
        initial: () => ({ count: 0, sum: 0 }),
        add: (total, { data }) => ({ count: total.count + 1, sum: total.sum + data.value * factor }),
        merge: (one, other) => ({ count: one.count + other.count, sum: one.sum + other.sum }),
        result: (total, { key, start }) => ({ sensor: key, start, ...total }),
      },
      ...(early === undefined ? {} : { early }),
      late: { correct: '1h', every },
      publishes: Totalled,
    });
  const [all, final] = [adding('all'), adding('final', [{ exists: false }, 'late'])];
  const [before, ...changes] = tellings;
  const windows = [telling(before)];
  const test = await stage.start({ events: [Measured], windows, projections: [all, final] });
  const values = [
    [1, 3],
    [25, 4],
    [50, 5],
    [70, 6],
    [30, 7],
    [200, 8],
    [10, 9],
    [11, 10],
    [90, 11],
  ] as const;
  for (const [second, value] of values) {
    await measure(test, 'a', second, value);
    await test.settled();
  }
  const [facts, name] = [test.recorded().length, JSON.stringify([tellings, how, windowing])];
  for (const after of changes) {
    if (how === 'removed') {
      windows.length = 0;
      await test.restart();
      await test.consumers.remove('totals');
    }
    windows[0] = telling(after);
    await test.restart();
    if (how === 'replayed') await test.consumers.replay('totals', 'beginning');
    await test.settled();
  }
  // Where nothing is otherwise nothing is recorded anew.
  if (changes.every((after) => after === before)) assert.equal(test.recorded().length, facts, name);
  const later = [
    [40, 20],
    [80, 30],
    [5, 40],
    [6, 50],
    [95, 60],
  ] as const;
  for (const [second, value] of later) {
    await measure(test, 'a', second, value);
    await test.crash();
  }
  // The hour in which they are corrected is over.
  await measure(test, 'a', 9_000, 100);
  await test.settled();
  const factor = tellings.at(-1)?.factor ?? 0;
  const sum = [...values, ...later].reduce((most, [, value]) => most + value, 0) * factor;
  const told = await test.views.get(all, 'all');
  assert.equal(told?.sum, sum, name);
  assert.ok(windowing.kind === 'session' || told.totals === 3, name);
  assert.deepEqual(await test.views.get(final, 'all'), told, name);
  const recorded = test.recorded().length;
  await test.consumers.replay('totals', 'beginning');
  await test.settled();
  assert.equal(test.recorded().length, recorded, name);
}

/** A result that was given up in one replay is said again in the next; what came later and is said no more is taken back with the next event. */
async function runSaidAgain(stage: DeliveryStage): Promise<void> {
  let fails = false;
  const told = (every: number, ignored?: number) =>
    defineWindow({
      name: 'totals',
      on: Measured,
      key: ({ data }) => data.sensor,
      windows: tumbling('1m'),
      time: { idle: 'never' },
      aggregate: {
        initial: () => ({ count: 0, sum: 0 }),
        add: (total, { data }) =>
          data.value === ignored ? total : { count: total.count + 1, sum: total.sum + data.value },
        result(total, { key, start }) {
          if (fails) throw new Error('not now');
          return { sensor: key, start, ...total };
        },
      },
      retry: { attempts: 1 },
      late: { correct: '1000d', every },
      publishes: Totalled,
    });
  const view = adding('all');
  const windows = [told(1)];
  const test = await stage.start({ events: [Measured], windows, projections: [view] });
  for (const [second, value] of [
    [10, 1],
    [61, 0],
    [20, 7],
  ] as const)
    await measure(test, 'a', second, value);
  await test.settled();
  const stands = () => test.views.get(view, 'all');
  assert.deepEqual(await stands(), { totals: 1, sum: 8 });
  fails = true;
  await test.consumers.replay('totals', 'beginning');
  await test.settled();
  for (const { id } of await test.parked('totals')) await test.deadLetters.discard(id);
  await test.settled();
  for (const { id } of await test.parked('totals')) await test.deadLetters.discard(id);
  await test.settled();
  assert.deepEqual(await stands(), { totals: 0, sum: 0 });
  fails = false;
  await test.crash();
  await test.consumers.replay('totals', 'beginning');
  await test.settled();
  assert.deepEqual(await stands(), { totals: 1, sum: 8 });
  windows[0] = told(5, 7);
  await test.restart();
  await test.consumers.replay('totals', 'beginning');
  await test.settled();
  await test.crash();
  await measure(test, 'a', 65, 0);
  await test.settled();
  assert.deepEqual(await stands(), { totals: 1, sum: 1 });
  const recorded = test.recorded().length;
  await test.consumers.replay('totals', 'beginning');
  await test.settled();
  assert.equal(test.recorded().length, recorded);
}

async function runAllRetold(stage: DeliveryStage, windowing: Windowing): Promise<void> {
  for (const [index, before] of TELLINGS.entries())
    for (const [other, after] of TELLINGS.entries()) {
      const how = (index + other) % 2 === 0 ? 'replayed' : 'removed';
      await runRetold(stage, [before, after], { how, windowing });
      if (before !== after) await runRetold(stage, [before, after, before], { how, windowing });
    }
}

/** Windows that are replayed, or there again, and come to something else (G2, G8). */
export const retellingCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    'G2 G8 what was given up in a replay is said again in the next, and what is said no more is taken back':
      runSaidAgain,
    'G2 G8 windows that are told otherwise are, once they are told anew, as if they had never been told in another way':
      (stage) => runAllRetold(stage, tumbling('1m')),
    'G2 G8 sessions that are told otherwise are, once they are told anew, as if they had never been told in another way':
      (stage) => runAllRetold(stage, session('25s')),
  });
