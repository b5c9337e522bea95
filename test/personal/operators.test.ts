import {
  defineAutomation,
  defineEvent,
  defineMonitor,
  definePattern,
  defineWindow,
  one,
  open,
  tumbling,
} from 'thereupon';
import type { SystemOptions } from 'thereupon';
import { testSystem } from 'thereupon/testing';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { memory } from '../../src/backends/memory/memory.ts';
import { newFile } from '../image/moving-medium.ts';
import { operatorsOn } from './operators-properties.ts';

operatorsOn('memory', { runs: 30 }, () => ({ factory: memory() }));
operatorsOn('memory', { runs: 30, version: 2 }, () => ({ factory: memory() }));
operatorsOn('sqlite', { runs: 10, version: 2 }, newFile);

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
