import { describe, expect, test } from 'vitest';
import { matchEvent, newMatcher, passTime } from '../../src/time/matcher.ts';
import type { Match } from '../../src/time/matcher.ts';
import type { CompositePattern, Wanted } from '../../src/time/composite-pattern.ts';
import { tumbling } from '../../src/time/windowing.ts';
import { testSharedText } from './shared-text.ts';
import { Windowed } from './windowed.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

interface CaseEvent {
  readonly caseId: string;
  readonly activity: string;
  readonly timeMs: number;
  readonly values: Readonly<Record<string, string>>;
}

/** The events of a log, by case, in file order. */
function casesOf(csv: string): ReadonlyMap<string, readonly CaseEvent[]> {
  const [head = '', ...rows] = csv.trim().split('\n');
  const columns = head.split(',');
  const events = rows.map((row): CaseEvent => {
    const values = Object.fromEntries(row.split(',').map((value, index) => [columns[index] ?? '', value]));
    const { case_id: caseId = '', activity = '', time = '' } = values;
    return { caseId, activity, timeMs: Date.parse(time), values };
  });
  return Map.groupBy(events, ({ caseId }) => caseId);
}

const is = (name: string, holds: (activity: string) => boolean): Wanted<CaseEvent> => ({
  name,
  matches: ({ activity }) => holds(activity),
});
const one = (event: Wanted<CaseEvent>) => ({ kind: 'count' as const, event, min: 1, max: 1 });
const named = (activity: string) => is(activity, (found) => found === activity);

function patternOf(
  steps: CompositePattern<CaseEvent>['steps'],
  more: Partial<CompositePattern<CaseEvent>> = {},
): CompositePattern<CaseEvent> {
  return { steps, every: undefined, withinMs: Number.POSITIVE_INFINITY, order: 'some', ...more };
}

/** What a pattern matches in each case, time going on for ever in the end. */
function matchesIn(
  cases: ReadonlyMap<string, readonly CaseEvent[]>,
  pattern: CompositePattern<CaseEvent>,
  concerns: (event: CaseEvent) => boolean = () => true,
): readonly Match<CaseEvent>[] {
  return [...cases.values()].flatMap((events) => {
    const mine = events.filter(concerns);
    let state = newMatcher(pattern, mine[0]?.timeMs ?? 0);
    const matches = mine.flatMap((event) => {
      const step = matchEvent(pattern, state, { timeMs: event.timeMs, value: event });
      state = step.state;
      return step.matches;
    });
    return [...matches, ...passTime(pattern, state, Number.MAX_SAFE_INTEGER).matches];
  });
}

/** How many cases have a match. */
const casesWith = (matches: readonly Match<CaseEvent>[]): number =>
  new Set(matches.map(({ bound }) => Object.values(bound)[0]?.[0]?.caseId)).size;

const count = { initial: () => 0, add: (sum: number) => sum + 1, result: (sum: number) => sum };

function windowsOf(events: readonly CaseEvent[]): number {
  const windows = new Windowed<CaseEvent, number, number>({
    windowing: tumbling('1d'),
    aggregate: count,
    latenessMs: Number.POSITIVE_INFINITY,
    early: undefined,
    lateEvents: 1,
    firings: 'all',
  });
  for (const event of events) windows.add('', event.timeMs, event);
  return windows.advance(Number.MAX_SAFE_INTEGER).length;
}

describe('rules over real histories, in event time', () => {
  testSharedText(['log-sepsis/sepsis.csv', 'log-sepsis/answers.json'], (csv, answers) => {
    test('cases of sepsis in a hospital', () => {
      const cases = casesOf(csv);
      const all = [...cases.values()].flat();
      const triage = named('ER Sepsis Triage');
      const antibiotics = named('IV Antibiotics');
      const numbers = (activity: string, column: string) =>
        all
          .filter((event) => event.activity === activity && event.values[column] !== '')
          .map(({ values }) => Number(values[column]));
      const lactic = numbers('LacticAcid', 'LacticAcid');
      const soon = patternOf([one(triage), one(antibiotics)], { withinMs: 60 * MINUTE_MS });
      const absent = patternOf([
        one(triage),
        { kind: 'absent', absent: { absent: antibiotics.matches, forMs: 60 * MINUTE_MS } },
      ]);
      const lacticOf = ({ values }: CaseEvent) => Number(values['LacticAcid']);
      const rising = patternOf(
        [
          one(is('before', () => true)),
          one({
            name: 'after',
            matches: (event, { before = [] }) => before.every((last) => lacticOf(event) > lacticOf(last)),
          }),
        ],
        { every: [0, 0], order: 'next' },
      );
      const isRelease = (activity: string) => activity.startsWith('Release ');
      const returned = patternOf([one(is('release', isRelease)), one(named('Return ER'))], {
        every: [0, 0],
        order: 'next',
        withinMs: 28 * DAY_MS,
      });
      expect({
        'LacticAcid events': all.filter(({ activity }) => activity === 'LacticAcid').length,
        'LacticAcid readings > 2.0': lactic.filter((value) => value > 2).length,
        'LacticAcid readings >= 4.0': lactic.filter((value) => value >= 4).length,
        'LacticAcid events without a value': all.filter(
          ({ activity, values }) => activity === 'LacticAcid' && values['LacticAcid'] === '',
        ).length,
        'CRP readings > 100': numbers('CRP', 'CRP').filter((value) => value > 100).length,
        'cases with ER Sepsis Triage': casesWith(matchesIn(cases, patternOf([one(triage)]))),
        'an IV Antibiotics within 60 min after the first triage (0 <= d <= 3600 s)': casesWith(matchesIn(cases, soon)),
        'no IV Antibiotics within 60 min after the first triage (absence)': casesWith(matchesIn(cases, absent)),
        'LacticAcid reading greater than the previous one of the same case (file order)': matchesIn(
          cases,
          rising,
          ({ activity, values }) => activity === 'LacticAcid' && values['LacticAcid'] !== '',
        ).length,
        'Return ER within 28 days after last release': matchesIn(
          cases,
          returned,
          ({ activity }) => isRelease(activity) || activity === 'Return ER',
        ).length,
        events: all.length,
        cases: cases.size,
        'tumbling 1-day windows (UTC) with at least one event': windowsOf(all),
      }).toEqual(JSON.parse(answers));
    });
  });

  testSharedText(['log-road-fines/fines.csv', 'log-road-fines/answers.json'], (csv, answers) => {
    test('road traffic fines, over years', () => {
      const cases = casesOf(csv);
      const all = [...cases.values()].flat();
      const notified = named('Insert Fine Notification');
      const payment = named('Payment');
      const absence = (from: Wanted<CaseEvent>, of: Wanted<CaseEvent>, days: number) =>
        patternOf([one(from), { kind: 'absent', absent: { absent: of.matches, forMs: days * DAY_MS } }]);
      const years = new Windowed<CaseEvent, number, number>({
        windowing: tumbling('1d'),
        aggregate: count,
        latenessMs: 0,
        early: undefined,
        lateEvents: 1,
        firings: 'all',
      });
      const created = all.filter(({ activity }) => activity === 'Create Fine');
      for (const event of created) years.add('', event.timeMs, event);
      const byYear: Record<string, number> = {};
      for (const { startMs, result } of years.advance(Number.MAX_SAFE_INTEGER)) {
        const year = new Date(startMs).getUTCFullYear();
        byYear[year] = (byYear[year] ?? 0) + result;
      }
      const byActivity = [...Map.groupBy(all, ({ activity }) => activity)];
      expect({
        events: all.length,
        cases: cases.size,
        'by activity': Object.fromEntries(byActivity.map(([activity, { length }]) => [activity, length])),
        'payment within 60 days after Insert Fine Notification (t <= payment <= t+60d)': casesWith(
          matchesIn(cases, patternOf([one(notified), one(payment)], { withinMs: 60 * DAY_MS })),
        ),
        'no payment within 60 days after Insert Fine Notification': casesWith(
          matchesIn(cases, absence(notified, payment, 60)),
        ),
        'cases Add penalty then Send for Credit Collection': casesWith(
          matchesIn(cases, patternOf([one(named('Add penalty')), one(named('Send for Credit Collection'))])),
        ),
        'Create Fine not followed by Send Fine within 90 days': casesWith(
          matchesIn(cases, absence(named('Create Fine'), named('Send Fine'), 90)),
        ),
        'fines created a calendar year': byYear,
        'several payments in one case': casesWith(
          matchesIn(
            cases,
            patternOf([{ kind: 'count', event: payment, min: 2, max: 2 }]),
            ({ activity }) => activity === 'Payment',
          ),
        ),
        'appeals to judge': casesWith(matchesIn(cases, patternOf([one(named('Appeal to Judge'))]))),
      }).toEqual(JSON.parse(answers));
    });
  });
});
