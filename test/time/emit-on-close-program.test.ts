import { defineAutomation, defineEvent, defineProjection, defineWindow, tumbling } from 'thereupon';
import { testSystem } from 'thereupon/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { scriptOf, shownTime } from './golden-text.ts';
import { testSharedText } from './shared-text.ts';

const Inserted = defineEvent({
  type: 'emit.row.inserted',
  schema: z.object({ tm: z.string(), foo: z.number() }),
  stream: () => 't-1',
});
const Emitted = defineEvent({
  type: 'emit.row.emitted',
  schema: z.object({ at: z.string(), foo: z.number() }),
  stream: () => 'mv-1',
});

/** `watermark for tm as tm - interval '5 minutes'`. */
const time = { at: ({ data }: { data: { tm: string } }) => data.tm, disorder: '5m', idle: 'never' } as const;
const key = () => 't';

/** The materialized view: what was emitted, by its time. */
const mv = defineProjection({
  name: 'mv',
  key: ({ data }) => data.at,
  initial: () => ({ at: '', foo: 0, times: 0 }),
  on: [[Emitted, ({ times }, { data: { at, foo } }) => ({ at, foo, times: times + 1 })]],
});

const greatestOfHour = defineWindow({
  name: 'greatest-of-hour',
  on: Inserted,
  key,
  time,
  windows: tumbling('1h'),
  aggregate: {
    initial: () => Number.MIN_SAFE_INTEGER,
    add: (most, { data }) => Math.max(most, data.foo),
    result: (foo, { start }) => ({ at: start, foo }),
  },
  publishes: Emitted,
});

const rowsInTime = defineAutomation({
  name: 'rows-in-time',
  on: Inserted,
  key,
  inTime: time,
  publishes: [Emitted],
  run: async ({ event, publish }) => void (await publish(Emitted, { at: event.data.tm, foo: event.data.foo })),
});

const SCRIPTS = [
  { file: 'eowc_group_agg', what: 'the greatest value of each hour', program: { windows: [greatestOfHour] } },
  { file: 'eowc_select', what: 'rows as they are, in their order', program: { automations: [rowsInTime] } },
];

describe('nothing is seen before the watermark has passed it, and nothing changes afterwards, as in RisingWave (G6, G8)', () => {
  for (const { file, what, program } of SCRIPTS)
    testSharedText([`watermark-emit-on-close/${file}.slt`], (text) => {
      for (const dies of [false, true])
        test(`${file}: ${what}${dies ? ', the program dying after each insert' : ''}`, async () => {
          await using system = await testSystem({ ...program, events: [Inserted], projections: [mv] });
          const insert = async (rows: readonly (readonly [timeMs: number, foo: number])[]) => {
            await system.system.publishAll(
              rows.map(([timeMs, foo]) => ({ event: Inserted, data: { tm: new Date(timeMs).toISOString(), foo } })),
            );
            if (dies) await system.crash();
            await system.settled();
          };
          const seen = async () => {
            const { items } = await system.views.query(mv);
            expect(items.filter(({ row }) => row.times !== 1)).toEqual([]);
            return items.map(({ row: { at, foo } }) => `${shownTime(at).replace('T', ' ')}  ${foo}`);
          };
          const script = scriptOf(text);
          expect(script).toHaveLength(2);
          for (const { rows, seen: expected } of script) {
            await insert(rows);
            expect(await seen()).toEqual(expected);
          }
          // A row for what was emitted long ago changes nothing, and that it was late is known.
          await insert([[Date.parse('2023-05-06T16:10:00Z'), 99]]);
          expect(await seen()).toEqual(script.at(-1)?.seen);
          expect(system.reported('thereupon.event.late')).toHaveLength(1);
        });
    });
});
