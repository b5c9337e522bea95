import { defineAutomation, defineEvent, definePattern, not, one } from 'thereupon';
import type { AutomationDefinition, PatternDefinition } from 'thereupon';
import { testSystem } from 'thereupon/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { testSharedText } from './shared-text.ts';

const Done = defineEvent({
  type: 'log.activity.done',
  schema: z.object({ case: z.string(), activity: z.string() }),
  stream: (data) => `case-${data.case}`,
});
const Found = defineEvent({
  type: 'log.rule.found',
  schema: z.object({ rule: z.string(), case: z.string() }),
  stream: (data) => `found-${data.case}`,
});

/** Histories tell nothing of now. */
const time = { idle: 'never' } as const;
const activity = <const Name extends string>(name: Name, of: string) =>
  one(name, Done).where({ data: { activity: [of] } });
const no = (of: string) => not(Done, { data: { activity: [of] } });
const key = ({ data }: { readonly data: unknown }) => (data as { readonly case: string }).case;

function rule(name: string, on: PatternDefinition): AutomationDefinition {
  return defineAutomation({
    name,
    on,
    publishes: [Found],
    run: async ({ key: of, publish }) => void (await publish(Found, { rule: name, case: of })),
  });
}

interface Told {
  readonly case: string;
  readonly activity: string;
  readonly timeMs: number;
}

/** The events of all cases in the order in which they happened; of one instant in that of the file. */
function eventsOf(csv: string): readonly Told[] {
  const [head = '', ...rows] = csv.trim().split('\n');
  const columns = head.split(',');
  const at = (name: string) => columns.indexOf(name);
  return rows
    .map((row) => row.split(','))
    .map((row) => ({
      case: row[at('case_id')] ?? '',
      activity: row[at('activity')] ?? '',
      timeMs: Date.parse(row[at('time')] ?? ''),
    }))
    .toSorted((left, right) => left.timeMs - right.timeMs);
}

/** In how many cases each rule was found, the program having died now and then. */
async function found(events: readonly Told[], automations: readonly AutomationDefinition[]) {
  await using system = await testSystem({ events: [Done], automations });
  // Years after the last: what did not happen until then did not.
  const end = { case: 'end', activity: 'end', timeMs: (events.at(-1)?.timeMs ?? 0) + 366 * 86_400_000 };
  const told = [...events, end].map((event, index) => ({
    event: Done,
    data: { case: event.case, activity: event.activity },
    options: { id: String(index), time: new Date(event.timeMs) },
  }));
  for (let from = 0; from < told.length; from += 1_000) {
    await system.system.publishAll(told.slice(from, from + 1_000));
    if (from % 8_000 === 0) await system.crash();
  }
  // The last event concerns no rule: time is told of by one that does, of a case of its own.
  for (const activityOfEnd of new Set(events.map((event) => event.activity)))
    await system.system.publish(Done, { case: 'end', activity: activityOfEnd }, { time: new Date(end.timeMs) });
  await system.settled();
  expect(system.reported('thereupon.event.late')).toEqual([]);
  const facts = system.recorded(Found).filter(({ data }) => data.case !== 'end');
  return Object.fromEntries(
    automations.map(({ name }) => [
      name,
      new Set(facts.filter(({ data }) => data.rule === name).map(({ data }) => data.case)).size,
    ]),
  );
}

describe('rules over real histories as a program, through years in seconds (G6, G8)', () => {
  testSharedText(['log-sepsis/sepsis.csv', 'log-sepsis/answers.json'], (csv, text) => {
    test('cases of sepsis in a hospital', async () => {
      const answers = JSON.parse(text) as Record<string, number>;
      const triage = activity('triage', 'ER Sepsis Triage');
      const soon = definePattern({
        sequence: [triage, activity('antibiotics', 'IV Antibiotics')],
        within: '60m',
        key,
        time,
      });
      const absent = definePattern({ sequence: [triage, no('IV Antibiotics').within('60m')], key, time });
      expect(await found(eventsOf(csv), [rule('soon', soon), rule('absent', absent)])).toEqual({
        soon: answers['an IV Antibiotics within 60 min after the first triage (0 <= d <= 3600 s)'],
        absent: answers['no IV Antibiotics within 60 min after the first triage (absence)'],
      });
    }, 60_000);
  });

  testSharedText(['log-road-fines/fines.csv', 'log-road-fines/answers.json'], (csv, text) => {
    test('road traffic fines, over years', async () => {
      const answers = JSON.parse(text) as Record<string, number>;
      const notified = activity('notified', 'Insert Fine Notification');
      const common = { key, time } as const;
      const patterns = {
        paid: definePattern({ ...common, sequence: [notified, activity('payment', 'Payment')], within: '60d' }),
        unpaid: definePattern({ ...common, sequence: [notified, no('Payment').within('60d')] }),
        collected: definePattern({
          ...common,
          sequence: [activity('penalty', 'Add penalty'), activity('sent', 'Send for Credit Collection')],
        }),
        unsent: definePattern({
          ...common,
          sequence: [activity('created', 'Create Fine'), no('Send Fine').within('90d')],
        }),
        several: definePattern({
          ...common,
          sequence: [activity('payments', 'Payment').count({ atLeast: 2, atMost: 2 })],
        }),
      };
      const rules = Object.entries(patterns).map(([name, pattern]) => rule(name, pattern));
      expect(await found(eventsOf(csv), rules)).toEqual({
        paid: answers['payment within 60 days after Insert Fine Notification (t <= payment <= t+60d)'],
        unpaid: answers['no payment within 60 days after Insert Fine Notification'],
        collected: answers['cases Add penalty then Send for Credit Collection'],
        unsent: answers['Create Fine not followed by Send Fine within 90 days'],
        several: answers['several payments in one case'],
      });
    }, 120_000);
  });
});
