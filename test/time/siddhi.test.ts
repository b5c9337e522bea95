import { describe, expect, test } from 'vitest';
import { matchEvent, newMatcher, passTime } from '../../src/time/matcher.ts';
import type { Match, MatcherState } from '../../src/time/matcher.ts';
import { assertCompositePattern } from '../../src/time/composite-pattern.ts';
import { casesOf, DIFFERENT, outcomeOf, SIDDHI_FILES } from './siddhi-cases.ts';
import type { SiddhiCase } from './siddhi-cases.ts';
import { parseSiddhi } from './siddhi-text.ts';
import type { SiddhiApp, SiddhiEvent } from './siddhi-text.ts';
import { testSharedText } from './shared-text.ts';

function run(app: SiddhiApp, { events, advance_to }: SiddhiCase): readonly Match<SiddhiEvent>[] {
  const states = new Map<string, MatcherState<SiddhiEvent>>();
  const matches: Match<SiddhiEvent>[] = [];
  if (app.partition === undefined) states.set('', newMatcher(app.pattern, 0));
  for (const { t, stream, data } of events) {
    const columns = app.streams[stream] ?? [];
    const value = { stream, values: Object.fromEntries(columns.map((name, index) => [name, data[index]])) };
    const key = app.partition?.(value) ?? '';
    const step = matchEvent(app.pattern, states.get(key) ?? newMatcher(app.pattern, t), { timeMs: t, value });
    states.set(key, step.state);
    matches.push(...step.matches);
  }
  for (const state of states.values()) matches.push(...passTime(app.pattern, state, advance_to).matches);
  return matches.filter(({ bound }) => app.having(bound));
}

describe('patterns match what they match in Siddhi (CE1 to CE3)', () => {
  testSharedText(SIDDHI_FILES, (...texts) => {
    for (const one of casesOf(texts)) {
      const different = DIFFERENT[one.name];
      if (different !== undefined) {
        test(`${one.name}: ${different.reason}`, () =>
          expect(run(parseSiddhi(one.siddhi_app), one)).toHaveLength(different.count));
        continue;
      }
      test(one.name, () => {
        const app = parseSiddhi(one.siddhi_app);
        assertCompositePattern(app.pattern);
        const matches = run(app, one);
        const rows = matches.map(({ bound }) => app.select.map((shown) => shown(bound) ?? null));
        expect({ count: matches.length, rows }).toEqual(outcomeOf(one, expect.anything()));
      });
    }
  });
});
