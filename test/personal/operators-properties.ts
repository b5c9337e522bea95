import * as fc from 'fast-check';
import { readImage } from 'thereupon';
import type { StoreFactory } from 'thereupon';
import { expect, it } from 'vitest';
import type { BenchMedium } from '../../src/contract/bench.ts';
import { memory } from '../../src/backends/memory/memory.ts';
import { operators } from './operators-program.ts';
import type { Program } from './operators-program.ts';

type Step =
  | {
      readonly does: 'measure';
      readonly who: number;
      readonly minutes: number;
      readonly heart: number;
      readonly skips: boolean;
    }
  | { readonly does: 'confirm'; readonly who: number; readonly minutes: number }
  | { readonly does: 'forget' }
  | { readonly does: 'restart' };

const who = fc.integer({ min: 1, max: 2 });
const minutes = fc.integer({ min: -100, max: 60 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      does: fc.constant('measure' as const),
      who,
      minutes,
      heart: fc.integer({ min: 90, max: 180 }),
      skips: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('confirm' as const), who, minutes }) },
  { weight: 2, arbitrary: fc.constant({ does: 'restart' as const }) },
);

/** What is personal in the data: with its point, as the digits alone are also found in what a clock says (`1795857987657`). */
const SECRET = /secret\d|\.98765/;

const BEGIN = Date.parse('2024-01-01T00:00:00Z');

type Opened = Awaited<ReturnType<Program['open']>>;

/** Publishes what the steps say, one after another: with the first program until it is started again, then with the second. */
async function play(
  programs: readonly [Program, Program],
  store: StoreFactory,
  steps: readonly Step[],
): Promise<{ system: Opened; program: Program }> {
  let [program] = programs;
  let system = await program.open(store);
  const numbers = new Map<string, number>();
  for (const [index, given] of steps.entries()) {
    if (given.does === 'forget') {
      await system.settled();
      await system.forget('person-1');
      continue;
    }
    if (given.does === 'restart') {
      await system.settled();
      await system.close();
      [, program] = programs;
      system = await program.open(store);
      continue;
    }
    const { Measured, Confirmed } = program;
    const person = `person-${given.who}`;
    const options = { id: `e${index}`, time: new Date(BEGIN + (index * 20 + given.minutes) * 60_000) };
    if (given.does === 'confirm') await system.publish(Confirmed, { person, by: `secret${index}by` }, options);
    else {
      const number = (numbers.get(person) ?? 0) + (given.skips ? 2 : 1);
      numbers.set(person, number);
      const data = { person, heart: given.heart + 0.987654, note: `secret${index}of${given.who}` };
      await system.publish(Measured, data, { ...options, subject: person, sequence: number });
    }
  }
  await system.settled();
  return { system, program };
}

async function resultsOf(program: Program, system: Opened): Promise<readonly string[]> {
  const types = program.results.flatMap(({ type }) => [type, `${type}.retracted`]);
  const { events } = await system.events.read({ limit: 1_000, types });
  // Some ids are made of places, and what is published at the same time takes its place in whatever order.
  return events.map(({ type, data }) => JSON.stringify([type, data])).toSorted();
}

async function textOf(store: StoreFactory): Promise<string> {
  const pages: string[] = [];
  for await (const page of readImage(store)) pages.push(JSON.stringify(page));
  return pages.join('\n');
}

async function expectForgotten(version: number, store: StoreFactory, steps: readonly Step[]): Promise<void> {
  const programs = (isPersonal: boolean) => [operators(isPersonal), operators(isPersonal, { version })] as const;
  const before = await play(programs(false), memory(), steps);
  const expected = await resultsOf(before.program, before.system);
  await before.system.close();
  const after = await play(programs(true), store, steps);
  const { program } = after;
  let { system } = after;
  try {
    const found = await resultsOf(program, system);
    expect(found).toEqual(expected);
    expect((await system.deadLetters.list()).items).toEqual([]);
    for (const person of ['person-1', 'person-2']) await system.forget(person);
    for (const isAgain of [false, true]) {
      if (isAgain) {
        await system.close();
        system = await program.open(store);
      }
      // What waits has its turn, and all that is kept is said.
      for (const [index, person] of ['person-1', 'person-2', 'person-3'].entries()) {
        const time = new Date(BEGIN + (10 + (isAgain ? 1 : 0)) * 86_400_000);
        const data = { person, heart: 60, note: 'after' };
        const [id, sequence] = [`a${index}${isAgain}`, 500 + (isAgain ? 1 : 0)];
        await system.publish(program.Measured, data, { id, subject: person, time, sequence });
      }
      await system.settled();
      expect((await resultsOf(program, system)).filter((line) => SECRET.test(line))).toEqual([]);
      expect((await system.deadLetters.list()).items.map(({ error }) => error?.message)).toEqual([]);
    }
  } finally {
    await system.close();
  }
  const text = await textOf(store);
  const at = text.search(SECRET);
  expect(at === -1 ? 'nothing' : text.slice(Math.max(0, at - 200), at + 20)).toBe('nothing');
}

/** Forgets one of two people in the middle of it. */
async function expectOneForgotten(store: StoreFactory, steps: readonly Step[]): Promise<void> {
  const programs = (isPersonal: boolean) => [operators(isPersonal), operators(isPersonal, { version: 2 })] as const;
  const isOfOther = (line: string) => line.includes('person-2');
  const before = await play(programs(false), memory(), steps);
  const expected = (await resultsOf(before.program, before.system)).filter(isOfOther);
  await before.system.close();
  const { system, program } = await play(programs(true), store, steps);
  try {
    const found = await resultsOf(program, system);
    expect(found.filter(isOfOther)).toEqual(expected);
    const last = steps.findLastIndex(({ does }) => does === 'forget');
    const told = found.flatMap((line) =>
      [...line.matchAll(/secret(\d+)(?:of1|by)/gv)].map(([, index]) => Number(index)),
    );
    const isAbout1 = (index: number) => (steps[index] as { readonly who?: number } | undefined)?.who === 1;
    expect(told.filter((index) => index < last && isAbout1(index))).toEqual([]);
    expect((await system.deadLetters.list()).items.map(({ error }) => error?.message)).toEqual([]);
  } finally {
    await system.close();
  }
}

/** The guarantees of states over event time, on a backend. `version`: of events whose first version is recorded until the program is started again. */
export function operatorsOn(
  name: string,
  { runs, version = 1 }: { readonly runs: number; readonly version?: number },
  newMedium: () => BenchMedium,
): void {
  it(`states over event time say what they say of events without personal fields, sealed, and are erased with their subject, on ${name}, version ${version}`, async () => {
    const run = fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 20 }), async (steps) => {
      const medium = newMedium();
      try {
        await expectForgotten(version, medium.factory, steps);
      } finally {
        await medium.dispose?.();
      }
    });
    await fc.assert(run, { numRuns: runs, endOnFailure: true });
  }, 240_000);

  it(`states over event time go on with what is left when one of several people is forgotten, and say of others what they say, on ${name}, version ${version}`, async () => {
    const orForget = fc.oneof(
      { weight: 6, arbitrary: step },
      { weight: 1, arbitrary: fc.constant({ does: 'forget' as const }) },
    );
    const run = fc.asyncProperty(fc.array(orForget, { minLength: 6, maxLength: 24 }), async (steps) => {
      const medium = newMedium();
      try {
        await expectOneForgotten(medium.factory, steps);
      } finally {
        await medium.dispose?.();
      }
    });
    await fc.assert(run, { numRuns: runs, endOnFailure: true });
  }, 240_000);
}
