import { defineEvent, defineProjection, defineWindow, hopping, retractionOf, session, tumbling } from 'thereupon';
import { testSystem } from 'thereupon/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { asSet, jsonLines, shownTime } from './golden-text.ts';
import { testSharedText } from './shared-text.ts';

const Ride = z.object({ timestamp: z.string(), driver_id: z.number(), event_type: z.string(), location: z.string() });
const Impulse = z.object({ timestamp: z.string(), counter: z.number(), subtask_index: z.number() });
const RideTold = defineEvent({
  type: 'arroyo.ride.told',
  schema: Ride,
  stream: ({ driver_id }) => `driver-${driver_id}`,
});
const ImpulseTold = defineEvent({
  type: 'arroyo.impulse.told',
  schema: Impulse,
  stream: ({ subtask_index }) => `subtask-${subtask_index}`,
});
const HourCounted = defineEvent({
  type: 'arroyo.hour.counted',
  schema: z.object({ event_type: z.string(), hour: z.string(), count: z.number() }),
  stream: () => 'hours-by-kind',
});
const AllCounted = defineEvent({
  type: 'arroyo.all.counted',
  schema: z.object({ timestamp: z.string(), count: z.number() }),
  stream: () => 'hours-all',
});
const SessionEnded = defineEvent({
  type: 'arroyo.session.ended',
  schema: z.object({ start: z.string(), end: z.string(), user_id: z.number(), rows: z.number() }),
  stream: ({ user_id }) => `user-${user_id}`,
});
const WindowSlid = defineEvent({
  type: 'arroyo.window.slid',
  schema: z.object({ start: z.string(), end: z.string(), count: z.number(), min: z.number(), max: z.number() }),
  stream: () => 'windows-all',
});
const GroupCounted = defineEvent({
  type: 'arroyo.group.counted',
  schema: z.object({ counter_mod_2: z.number(), right_count: z.number() }),
  stream: ({ counter_mod_2 }) => `group-${counter_mod_2}`,
});

const at = ({ data }: { readonly data: { readonly timestamp: string } }) => data.timestamp;
/** "engine default of 1 s lag". */
const time = { at, disorder: '1s' } as const;
const counted = { initial: () => 0, add: (count: number) => count + 1 };

const hourly = defineWindow({
  name: 'hourly-by-event-type',
  on: RideTold,
  key: ({ data }) => data.event_type,
  time,
  windows: tumbling('1h'),
  aggregate: { ...counted, result: (count, { key, start }) => ({ event_type: key, hour: shownTime(start), count }) },
  publishes: HourCounted,
});
/** "WATERMARK for timestamp": exactly the highest time. */
const tight = defineWindow({
  name: 'tight-watermark',
  on: RideTold,
  key: () => 'all',
  time: { at },
  windows: tumbling('1h'),
  aggregate: { ...counted, result: (count, { end }) => ({ timestamp: shownTime(end), count }) },
  publishes: AllCounted,
});
const sessions = defineWindow({
  name: 'session-window',
  on: ImpulseTold,
  key: ({ data: { counter } }) => String(counter % 10 === 0 ? 0 : counter),
  time,
  windows: session('20s'),
  aggregate: {
    ...counted,
    merge: (left, right) => left + right,
    result: (rows, { key, start, end }) => ({
      start: shownTime(start),
      end: shownTime(end),
      user_id: Number(key),
      rows,
    }),
  },
  publishes: SessionEnded,
});
const sliding = defineWindow({
  name: 'sliding-window-end',
  on: ImpulseTold,
  key: () => 'all',
  time,
  windows: hopping('10s', { every: '2s' }),
  aggregate: {
    initial: () => ({ count: 0, min: Number.MAX_SAFE_INTEGER, max: 0 }),
    add: ({ count, min, max }, { data: { counter } }) => ({
      count: count + 1,
      min: Math.min(min, counter),
      max: Math.max(max, counter),
    }),
    result: (all, { start, end }) => ({ ...all, start: shownTime(start), end: shownTime(end) }),
  },
  publishes: WindowSlid,
});

/** Without windows it is a read model. */
const aggregates = defineProjection({
  name: 'grouped-aggregates',
  key: ({ data }) => String(data.counter % 5),
  initial: () => ({ min: Number.MAX_SAFE_INTEGER, max: 0, sum: 0, count: 0 }),
  on: [
    [
      ImpulseTold,
      ({ min, max, sum, count }, { data: { counter } }) => ({
        min: Math.min(min, counter),
        max: Math.max(max, counter),
        sum: sum + counter,
        count: count + 1,
      }),
    ],
  ],
});

/** The right side of the join: how many there are of a group, told anew for each; what was told before is taken back. */
const groups = defineWindow({
  name: 'groups',
  on: ImpulseTold,
  where: { data: { counter: [{ numeric: ['<', 3] }] } },
  key: ({ data }) => String(data.counter % 2),
  time,
  // All of time.
  windows: tumbling('36500d'),
  aggregate: { ...counted, result: (right_count, { key }) => ({ counter_mod_2: Number(key), right_count }) },
  early: { events: 1 },
  publishes: GroupCounted,
});
const joined = defineProjection({
  name: 'updating-left-join',
  key(event) {
    if (event.type === GroupCounted.type) return String(event.data.right_count);
    return event.data.counter < 3 ? String(event.data.counter) : undefined;
  },
  initial: (): { readonly left: boolean; readonly groups: readonly number[] } => ({ left: false, groups: [] }),
  on: [
    [ImpulseTold, (row) => ({ ...row, left: true })],
    [
      GroupCounted,
      (row, { data }) => ({ ...row, groups: [...row.groups, data.counter_mod_2] }),
      (row, { data }) => ({ ...row, groups: row.groups.filter((group) => group !== data.counter_mod_2) }),
    ],
  ],
});

/** What a list of changes leads to. */
function afterChanges(changes: readonly Readonly<Record<string, unknown>>[]): readonly string[] {
  const rows: string[] = [];
  for (const { before, after } of changes as readonly Readonly<Record<'after' | 'before', Row | null>>[]) {
    if (before !== null) rows.splice(rows.indexOf(asSet([before])[0] ?? ''), 1);
    if (after !== null) rows.push(...asSet([after]));
  }
  return rows.sort();
}

type Row = Readonly<Record<string, unknown>>;
const SUITE = 'stream-queries-arroyo';
const dataOf = (facts: readonly { readonly data: Row }[]): readonly string[] => asSet(facts.map(({ data }) => data));

describe('programs over the disordered rides and impulses of Arroyo give its golden outputs, having died now and then (G6, G8)', () => {
  testSharedText(
    ['inputs/cars.json', 'expected/hourly_by_event_type.json', 'expected/tight_watermark.json'].map(
      (file) => `${SUITE}/${file}`,
    ),
    (input, hours, all) => {
      test('tumbling hours, by kind of event and with a tight watermark', async () => {
        await using system = await testSystem({ events: [RideTold], windows: [hourly, tight] });
        const rides = jsonLines(input).map((data) => ({ event: RideTold, data: data as z.infer<typeof Ride> }));
        expect(rides).toHaveLength(7_932);
        for (let from = 0; from < rides.length; from += 500) {
          await system.system.publishAll(rides.slice(from, from + 500));
          if (from % 1_500 === 0) await system.crash();
        }
        await system.settled();
        // Nothing comes any more: time goes on by the clock.
        await system.advance('5m');
        expect(dataOf(system.recorded(HourCounted))).toEqual(asSet(jsonLines(hours)));
        expect(dataOf(system.recorded(AllCounted))).toEqual(asSet(jsonLines(all)));
        // Rides are disordered by seconds, and all of them within their hour.
        expect(system.reported('thereupon.event.late')).toEqual([]);
      });
    },
  );

  testSharedText(
    [
      'inputs/impulse.json',
      'expected/session_window.json',
      'expected/sliding_window_end.json',
      'expected/grouped_aggregates.json',
      'expected/updating_left_join.json',
    ].map((file) => `${SUITE}/${file}`),
    (input, ended, slid, grouped, changes) => {
      test('sessions by user, hopping windows, a read model, and a join with counts that are corrected', async () => {
        await using system = await testSystem({
          events: [ImpulseTold],
          windows: [sessions, sliding, groups],
          projections: [aggregates, joined],
        });
        const impulses = jsonLines(input).map((data) => ({
          event: ImpulseTold,
          data: data as z.infer<typeof Impulse>,
        }));
        expect(impulses).toHaveLength(100);
        for (let from = 0; from < impulses.length; from += 2) {
          await system.system.publishAll(impulses.slice(from, from + 2));
          if (from % 10 === 0) await system.crash();
        }
        await system.settled();
        await system.advance('5m');
        expect(dataOf(system.recorded(SessionEnded))).toEqual(asSet(jsonLines(ended)));
        expect(dataOf(system.recorded(WindowSlid))).toEqual(asSet(jsonLines(slid)));
        const models = (await system.views.query(aggregates)).items.map(({ key, row }) => ({
          ...row,
          counter_mod: Number(key),
          avg: row.sum / row.count,
        }));
        expect(asSet(models)).toEqual(afterChanges(jsonLines(grouped)));
        const rows = (await system.views.query(joined)).items.flatMap(({ key, row }): readonly Row[] => {
          if (!row.left) return [];
          const left_counter = Number(key);
          if (row.groups.length === 0) return [{ left_counter, counter_mod_2: null, right_count: null }];
          return row.groups.map((counter_mod_2) => ({ left_counter, counter_mod_2, right_count: left_counter }));
        });
        expect(asSet(rows)).toEqual(afterChanges(jsonLines(changes)));
        // That there is one even number held until there were two.
        expect(system.recorded(retractionOf(GroupCounted)).map(({ data }) => data)).toEqual([
          { counter_mod_2: 0, right_count: 1 },
        ]);
      });
    },
  );
});
