import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assertCompositePattern } from './composite-pattern.ts';
import type { CompositePattern, Step, Wanted } from './composite-pattern.ts';
import { dueOfMatcher, matchEvent, newMatcher, passTime } from './matcher.ts';
import type { Match, MatcherState } from './matcher.ts';

interface Letter {
  readonly letter: string;
  readonly timeMs: number;
}

const letters = fc
  .array(fc.record({ letter: fc.constantFrom('a', 'b', 'c'), laterMs: fc.nat(4) }), { maxLength: 25 })
  .map((steps) => {
    let timeMs = 0;
    return steps.map(({ letter, laterMs }): Letter => ({ letter, timeMs: (timeMs += laterMs) }));
  });
const END_MS = 1_000;

const wanted = (letter: string, name = letter): Wanted<Letter> => ({
  name,
  matches: (event) => event.letter === letter,
});
const one = (letter: string, name = letter): Step<Letter> => ({
  kind: 'count',
  event: wanted(letter, name),
  min: 1,
  max: 1,
});

function pattern(
  steps: readonly Step<Letter>[],
  more: Partial<CompositePattern<Letter>> = {},
): CompositePattern<Letter> {
  return { steps, every: undefined, withinMs: Number.POSITIVE_INFINITY, order: 'some', ...more };
}

/** What is matched, a state being kept and read again after each event. */
function run(composite: CompositePattern<Letter>, events: readonly Letter[]): readonly Match<Letter>[] {
  let state = newMatcher(composite, 0);
  const matches: Match<Letter>[] = [];
  for (const event of events) {
    const step = matchEvent(composite, state, { timeMs: event.timeMs, value: event });
    matches.push(...step.matches);
    state = JSON.parse(JSON.stringify(step.state)) as MatcherState<Letter>;
  }
  return [...matches, ...passTime(composite, state, END_MS).matches];
}

const places = (matches: readonly Match<Letter>[], events: readonly Letter[]) =>
  matches.map(({ bound }) =>
    Object.values(bound)
      .flat()
      .map((event) => events.findIndex((other) => other.letter === event.letter && other.timeMs === event.timeMs)),
  );

/** Each letter once at an instant: so a place tells which it is. */
const apart = letters.map((events) =>
  events.filter(
    ({ letter, timeMs }, index) =>
      events.findIndex((other) => other.letter === letter && other.timeMs === timeMs) === index,
  ),
);

describe('composite patterns', () => {
  test('every a, and some b after it in time: each a with the first b after it (CE2, CE3)', () => {
    fc.assert(
      fc.property(apart, fc.integer({ min: 1, max: 10 }), (events, withinMs) => {
        const found = places(run(pattern([one('a'), one('b')], { every: [0, 0], withinMs }), events), events);
        const expected = events.flatMap(({ letter, timeMs }, index) => {
          if (letter !== 'a') return [];
          const next = events.findIndex((other, place) => place > index && other.letter === 'b');
          return next !== -1 && (events[next]?.timeMs ?? 0) - timeMs <= withinMs ? [[index, next]] : [];
        });
        expect(found.toSorted(byPlace)).toEqual(expected);
      }),
    );
  });

  test('every a whose very next event is b (CE2)', () => {
    fc.assert(
      fc.property(apart, (events) => {
        const found = places(run(pattern([one('a'), one('b')], { every: [0, 0], order: 'next' }), events), events);
        const expected = events.flatMap(({ letter }, index) =>
          letter === 'a' && events[index + 1]?.letter === 'b' ? [[index, index + 1]] : [],
        );
        expect(found).toEqual(expected);
      }),
    );
  });

  test('what breaks a strict order may begin the next match: every a, b, c that nothing comes between (CE2, CE3)', () => {
    fc.assert(
      fc.property(apart, fc.constantFrom('ab', 'abc'), (events, word) => {
        const steps = Array.from(word, (letter) => one(letter));
        const whole = pattern(steps, { every: [0, steps.length - 1], order: 'next' });
        const expected = events.flatMap((_event, index) => {
          const stretch = events.slice(index, index + word.length);
          return stretch.map(({ letter }) => letter).join('') === word
            ? [stretch.map((_one, place) => index + place)]
            : [];
        });
        expect(places(run(whole, events), events)).toEqual(expected);
        expect(places(run(pattern(steps, { order: 'next' }), events), events)).toEqual(expected.slice(0, 1));
      }),
    );
  });

  test('pairs of a, again and again: each event in one of them (CE3)', () => {
    fc.assert(
      fc.property(apart, (events) => {
        const found = places(run(pattern([one('a', 'first'), one('a', 'second')], { every: [0, 1] }), events), events);
        const all = events.flatMap(({ letter }, index) => (letter === 'a' ? [index] : []));
        const expected = Array.from({ length: Math.floor(all.length / 2) }, (_, pair) =>
          all.slice(pair * 2, pair * 2 + 2),
        );
        expect(found).toEqual(expected);
      }),
    );
  });

  test('every a after which there is no b for so long, the last instant included; known when that is over (CE1)', () => {
    fc.assert(
      fc.property(apart, fc.integer({ min: 1, max: 6 }), (events, forMs) => {
        const absent: Step<Letter> = { kind: 'absent', absent: { absent: wanted('b').matches, forMs } };
        const matches = run(pattern([one('a'), absent], { every: [0, 0] }), events);
        const expected = events.flatMap(({ letter, timeMs }, index) => {
          const comes = events.some(
            (other, place) => place > index && other.letter === 'b' && other.timeMs <= timeMs + forMs,
          );
          return letter === 'a' && !comes ? [timeMs + forMs] : [];
        });
        expect(matches.map(({ timeMs }) => timeMs).toSorted((left, right) => left - right)).toEqual(expected);
      }),
    );
  });

  test('a pattern that is not repeated matches once at most, and keeps nothing then (CE3, G10)', () => {
    fc.assert(
      fc.property(apart, fc.constantFrom<'next' | 'some'>('next', 'some'), (events, order) => {
        const composite = pattern([one('a'), one('b')], { order });
        let state = newMatcher(composite, 0);
        let matches = 0;
        for (const event of events) {
          const step = matchEvent(composite, state, { timeMs: event.timeMs, value: event });
          ({ state } = step);
          matches += step.matches.length;
          expect(state.runs.length).toBeLessThanOrEqual(1);
        }
        expect(matches).toBeLessThanOrEqual(1);
        if (matches === 1) expect(state).toEqual({ runs: [], over: true });
      }),
    );
  });

  test('a beginning that an event forbids is waited for anew, also where steps follow at once (CE1, CE2)', () => {
    const both: Step<Letter> = { kind: 'all', sides: [{ absent: wanted('a').matches, forMs: undefined }, wanted('b')] };
    const events = ['a', 'a', 'b', 'c'].map((letter, timeMs) => ({ letter, timeMs }));
    for (const order of ['next', 'some'] as const)
      expect(places(run(pattern([both, one('c')], { order }), events), events)).toEqual([[2, 3]]);
  });

  test('an absence after so many is counted from the last of them, as many as come, and ends with the first that is not to be (CE1)', () => {
    const absent: Step<Letter> = { kind: 'absent', absent: { absent: wanted('b').matches, forMs: 3 } };
    const some: Step<Letter> = { kind: 'count', event: wanted('a'), min: 2, max: Number.POSITIVE_INFINITY };
    fc.assert(
      fc.property(apart, (events) => {
        let taken: Letter[] = [];
        let expected: Letter[] | undefined;
        for (const event of [...events, { letter: 'c', timeMs: END_MS }]) {
          if (taken.length >= 2 && (taken.at(-1)?.timeMs ?? 0) + 3 < event.timeMs) {
            expected = taken;
            break;
          }
          if (event.letter === 'a') taken.push(event);
          if (event.letter === 'b' && taken.length >= 2) taken = [];
        }
        const matches = run(pattern([some, absent]), events);
        expect(matches.map(({ bound, timeMs }) => [bound['a'], timeMs])).toEqual(
          expected === undefined ? [] : [[expected, (expected.at(-1)?.timeMs ?? 0) + 3]],
        );
      }),
    );
  });

  test('so many within a time are found wherever they are, not only from the first one on; what was matched is over', () => {
    fc.assert(
      fc.property(letters, fc.integer({ min: 2, max: 4 }), fc.integer({ min: 1, max: 8 }), (events, min, withinMs) => {
        const many: Step<Letter> = { kind: 'count', event: wanted('a'), min, max: Number.POSITIVE_INFINITY };
        let taken: Letter[] = [];
        const expected: Letter[][] = [];
        for (const event of events.filter(({ letter }) => letter === 'a')) {
          taken = [...taken.filter(({ timeMs }) => timeMs + withinMs >= event.timeMs), event];
          if (taken.length < min) continue;
          expected.push(taken);
          taken = [];
        }
        for (const every of [undefined, [0, 0]] as const) {
          const matches = run(pattern([many], { every, withinMs }), events).map(({ bound }) => bound['a']);
          expect(matches).toEqual(every === undefined ? expected.slice(0, 1) : expected);
        }
      }),
    );
  });

  test('what comes after so many is in time for those that are near enough, however many were before', () => {
    const many: Step<Letter> = { kind: 'count', event: wanted('a'), min: 2, max: Number.POSITIVE_INFINITY };
    fc.assert(
      fc.property(letters, fc.integer({ min: 1, max: 8 }), (events, withinMs) => {
        let taken: Letter[] = [];
        let expected: Letter[] | undefined;
        for (const event of events) {
          taken = taken.filter(({ timeMs }) => timeMs + withinMs >= event.timeMs);
          if (event.letter === 'a') taken.push(event);
          if (event.letter !== 'b' || taken.length < 2) continue;
          expected = [...taken, event];
          break;
        }
        const [match] = run(pattern([many, one('b')], { withinMs }), events);
        expect(match === undefined ? undefined : [...(match.bound['a'] ?? []), ...(match.bound['b'] ?? [])]).toEqual(
          expected,
        );
      }),
    );
  });

  test('an absence that is known at the last instant is known in time; a longer one is refused', () => {
    const absent: Step<Letter> = { kind: 'absent', absent: { absent: wanted('b').matches, forMs: 3 } };
    const composite = pattern([one('a'), absent], { withinMs: 3 });
    expect(run(composite, [{ letter: 'a', timeMs: 5 }]).map(({ timeMs }) => timeMs)).toEqual([8]);
    expect(() => assertCompositePattern({ ...composite, withinMs: 2 })).toThrow(
      'pattern.within: expected no less than the 3 ms of an absence in it, which would never be known, found 2',
    );
  });

  test('nothing happens before it is due, however time comes: in steps or at once', () => {
    const composite = pattern(
      [one('a'), { kind: 'absent', absent: { absent: wanted('b').matches, forMs: 3 } }, one('c')],
      { every: [0, 0], withinMs: 8 },
    );
    fc.assert(
      fc.property(apart, (events) => {
        let state = newMatcher(composite, 0);
        let stepped = state;
        for (const event of events) {
          for (let ms = stepped === state ? 0 : event.timeMs; ms <= event.timeMs; ms += 1)
            stepped = passTime(composite, stepped, ms).state;
          const dueMs = dueOfMatcher(composite, state);
          expect(passTime(composite, state, dueMs)).toEqual({ state, matches: [] });
          const [left, right] = [state, stepped].map((before) =>
            matchEvent(composite, before, { timeMs: event.timeMs, value: event }),
          );
          expect(right).toEqual(left);
          if (left === undefined || right === undefined) return;
          state = left.state;
          stepped = right.state;
        }
      }),
    );
  });
});

function byPlace(left: readonly number[], right: readonly number[]): number {
  return (left[0] ?? 0) - (right[0] ?? 0);
}
