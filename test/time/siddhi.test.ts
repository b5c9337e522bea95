import { describe, expect, test } from 'vitest';
import { matchEvent, newMatcher, passTime } from '../../src/time/matcher.ts';
import type { Match, MatcherState } from '../../src/time/matcher.ts';
import { assertCompositePattern } from '../../src/time/composite-pattern.ts';
import { parseSiddhi } from './siddhi-text.ts';
import type { SiddhiApp, SiddhiEvent } from './siddhi-text.ts';
import { testSharedText } from './shared-text.ts';

/** As ../../../shared/data/cep-siddhi/SOURCE.md describes them. */
interface Case {
  readonly name: string;
  readonly siddhi_app: string;
  readonly events: readonly { readonly t: number; readonly stream: string; readonly data: readonly unknown[] }[];
  readonly advance_to: number;
  readonly expected_rows: readonly (readonly unknown[] | null)[] | null;
  readonly expected_count: number;
}

const FILES = ['AbsentPattern', 'CountPattern', 'EveryPattern', 'LogicalPattern', 'Sequence', 'WithinPattern'];

/** What is not matched as there, and why. */
const DIFFERENT: Readonly<Record<string, string>> = {
  'AbsentPattern.testQueryAbsent41':
    'for a second nothing came, three times after each other: here that is three matches (CE1), there none is expected',
};

function run(app: SiddhiApp, { events, advance_to }: Case): readonly Match<SiddhiEvent>[] {
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
  testSharedText(
    FILES.map((name) => `cep-siddhi/${name}.json`),
    (...texts) => {
      const cases = texts.flatMap((text) => JSON.parse(text) as readonly Case[]);
      for (const one of cases) {
        const reason = DIFFERENT[one.name];
        if (reason !== undefined) {
          test.skip(`${one.name}: ${reason}`, () => undefined);
          continue;
        }
        test(one.name, () => {
          const app = parseSiddhi(one.siddhi_app);
          assertCompositePattern(app.pattern);
          const matches = run(app, one);
          const rows = matches.map(({ bound }) => app.select.map((shown) => shown(bound) ?? null));
          expect({ count: matches.length, rows }).toEqual({
            count: one.expected_count,
            rows:
              one.expected_rows === null
                ? expect.anything()
                : one.expected_rows.map((row) => row ?? (expect.anything() as unknown)),
          });
        });
      }
    },
  );
});
