import * as fc from 'fast-check';
import {
  defineAutomation,
  defineEvent,
  defineMonitor,
  definePattern,
  defineWindow,
  one,
  open,
  readImage,
  tumbling,
} from 'thereupon';
import { testSystem } from 'thereupon/testing';
import type { StoreFactory, SystemOptions } from 'thereupon';
import { describe, expect, it } from 'vitest';
import { memory } from '../../src/backends/memory/memory.ts';
import { z } from 'zod';
import { newFile } from '../image/moving-medium.ts';
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

/** What is personal in the data. */
const SECRET = /secret\d|98765/;

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

describe('states over event time, of events with personal fields', () => {
  it.each([1, 2])(
    'say what they say of events without, are stored sealed, and read as erased when their subject is forgotten, also of version %i',
    async (version) => {
      const run = fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 24 }), (steps) =>
        expectForgotten(version, memory(), steps),
      );
      await fc.assert(run, { numRuns: 60, endOnFailure: true });
    },
    240_000,
  );

  it('do so on sqlite', async () => {
    const run = fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 16 }), async (steps) => {
      const medium = newFile();
      try {
        await expectForgotten(1, medium.factory, steps);
      } finally {
        await medium.dispose?.();
      }
    });
    await fc.assert(run, { numRuns: 10, endOnFailure: true });
  }, 240_000);
});

const Seen = defineEvent({
  type: 'clinic.patient.seen',
  stream: ({ patient }) => patient,
  schema: z.object({ patient: z.string(), note: z.string(), at: z.string() }),
  personal: { subject: ({ patient }) => patient, fields: ['note', 'at'] },
});
const Noted = defineEvent({
  type: 'clinic.patient.noted',
  stream: ({ patient }) => `noted-${patient}`,
  schema: z.object({ patient: z.string() }),
});
const keyOf = ({ data }: { readonly data: { readonly patient: string } }) => data.patient;
const seen = (note: string) => ({ patient: 'p1', note, at: '2024-01-01T00:00:00Z' });

describe('an operator over events with personal fields', () => {
  const common = { on: Seen, key: keyOf, publishes: Noted };
  const aggregate = {
    initial: () => ({ notes: '' }),
    add: ({ notes }: { notes: string }, { data }: { data: { note: string } }) => ({ notes: notes + data.note }),
    result: (_notes: unknown, { key }: { key: string }) => ({ patient: key }),
  };
  const windows = tumbling('1h');

  const unsaid: readonly (readonly [string, Omit<SystemOptions, 'store'>])[] = [
    [
      'window notes: keeps what it makes of clinic.patient.seen, which has personal fields; say what of that is personal (personal: { subject, fields }), or that nothing is (personal: ',
      { windows: [defineWindow({ ...common, name: 'notes', windows, aggregate })] },
    ],
    [
      'monitor long: keeps what it makes of clinic.patient.seen, which has personal fields; say what of that is personal (personal: { subject }), or that nothing is (personal: ',
      {
        monitors: [
          defineMonitor({
            ...common,
            name: 'long',
            value: ({ data }) => data.note.length,
            fires: { above: 9 },
            alarm: ({ key }) => ({ patient: key }),
          }),
        ],
      },
    ],
    ...(['plain', 'in-time', 'numbered'] as const).map((name) => {
      const way = { plain: {}, 'in-time': { inTime: { disorder: '1h' } }, numbered: { sequence: { onGap: 'record' } } };
      return [
        `automation ${name}: keeps what it makes of clinic.patient.seen, which has personal fields; say what of that is personal (state.personal: { subject, fields }), or that nothing is (state.personal: `,
        {
          automations: [
            defineAutomation({ name, on: Seen, state: { initial: () => ({}) }, ...way[name], run: () => {} } as never),
          ],
        },
      ] as const;
    }),
  ];

  it.each(unsaid)('is refused where it does not say what it keeps of them: %s', async (message, program) => {
    await expect(open({ store: 'memory:', ...program })).rejects.toThrow(message);
  });

  it('sets an event aside whose time would be read off a personal field', async () => {
    const timed = defineWindow({
      ...common,
      name: 'timed',
      windows,
      aggregate,
      time: { at: ({ data }) => data.at },
      retry: { attempts: 1 },
      personal: 'none',
    });
    await using test = await testSystem({ windows: [timed] });
    await test.when(Seen, seen('a'));
    const { items } = await test.deadLetters.list();
    expect(items.map(({ error }) => error?.message)).toEqual([
      expect.stringContaining('time.at reads a personal field'),
    ]);
  });

  it('sets an event aside where it would not be known any more whose a sum is that is erased', async () => {
    const lost = defineWindow({
      ...common,
      name: 'lost',
      windows,
      aggregate,
      retry: { attempts: 1 },
      personal: { subject: ({ notes }) => notes, fields: ['notes'] },
    });
    await using test = await testSystem({ windows: [lost] });
    await test.when(Seen, seen('a'));
    const { items } = await test.deadLetters.list();
    expect(items.map(({ error }) => error?.message)).toEqual([
      'window lost: personal.subject reads a personal field; make it of something else',
    ]);
  });

  it('keeps what is personal of events that came before out of the texts of its errors', async () => {
    const failing = defineAutomation({
      name: 'failing',
      on: definePattern({ key: keyOf, sequence: [one('first', Seen), one('second', Seen)] }),
      retry: { attempts: 1 },
      run({ events }) {
        throw new Error(
          `no place for ${[...events.first, ...events.second].map(({ data }) => data.note).join(' and ')}`,
        );
      },
    });
    const sum = defineWindow({
      ...common,
      name: 'sum',
      windows,
      aggregate: {
        ...aggregate,
        result({ notes }): { patient: string } {
          throw new Error(`no place for ${notes}`);
        },
      },
      retry: { attempts: 1 },
      personal: { subject: (_notes, key) => key, fields: ['notes'] },
    });
    await using test = await testSystem({ automations: [failing], windows: [sum] });
    await test.when(Seen, seen('older'));
    await test.when(Seen, seen('newer'));
    await test.advance('3h');
    await test.system.settled();
    const { items } = await test.deadLetters.list();
    expect(items.map(({ consumer, error }) => [consumer, error?.message])).toEqual([
      ['failing', 'no place for [personal] and [personal]'],
      ['sum', 'no place for [personal]'],
    ]);
  });
});
