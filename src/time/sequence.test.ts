import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dueOfSequence, newSequence, passSequence, takeNumbered } from './sequence.ts';
import type { SequenceNotice, SequenceRules, SequenceState } from './sequence.ts';

const HOLD: SequenceRules = {
  waitMs: 10,
  first: undefined,
  maxEvents: 100,
  overflow: 'release',
  duplicates: 'drop',
  stepsBack: 'release',
  resets: true,
};

interface Told {
  readonly released: readonly string[];
  readonly notices: readonly string[];
}

/** Numbers as they come, one each millisecond: a text like `3b` is another event of number 3. */
function tell(rules: SequenceRules, numbers: readonly (readonly [text: string, atMs: number])[], endMs = 0): Told {
  let state: SequenceState<string> = newSequence();
  const released: string[] = [];
  const notices: string[] = [];
  const add = (step: ReturnType<typeof takeNumbered<string>>) => {
    state = JSON.parse(JSON.stringify(step.state)) as typeof state;
    released.push(...step.released);
    notices.push(...step.notices.map(shown));
  };
  for (const [text, atMs] of numbers) {
    add(passSequence(rules, state, atMs - 1));
    const number = Number.parseInt(text, 10);
    add(takeNumbered(rules, state, { number, digest: text.length, atMs, value: text }));
  }
  add(passSequence(rules, state, endMs));
  return { released, notices };
}

const each = (...texts: readonly string[]) => texts.map((text, index) => [text, index] as const);

function shown({ kind, from, to }: SequenceNotice): string {
  return from === to ? `${kind} ${from}` : `${kind} ${from}-${to}`;
}

describe('a producer’s sequence (G8)', () => {
  test('what is missing is waited for, and what waited goes on in order when it came', () => {
    expect(tell(HOLD, each('1', '2', '5', '4', '3', '6'))).toEqual({
      released: ['1', '2', '3', '4', '5', '6'],
      notices: ['gap 3-4', 'filled 4', 'filled 3'],
    });
  });

  test('after a while it is lost, and what comes of it still is told as filled', () => {
    const numbers = [['1', 0] as const, ['3', 1] as const, ['4', 2] as const, ['2', 30] as const, ['2b', 31] as const];
    expect(tell(HOLD, numbers)).toEqual({
      released: ['1', '3', '4', '2', '2b'],
      notices: ['gap 2', 'lost 2', 'filled 2', 'stepped-back 2'],
    });
  });

  test('the numbers before the one that came first are no new count, as long as they may still be on their way', () => {
    expect(tell(HOLD, each('2', '1', '3', '4'))).toEqual({
      released: ['2', '1', '3', '4'],
      notices: ['stepped-back 1'],
    });
    expect(tell(HOLD, each('500', '501', '1', '2'))).toEqual({
      released: ['500', '501', '1', '2'],
      notices: ['reset 1'],
    });
  });

  test('what waits does so no longer than it may, however often something comes that fills a gap before it', () => {
    const numbers = [
      ['1', 0],
      ['20', 1],
      ['19', 9],
      ['18', 10],
      ['17', 12],
    ] as const;
    expect(tell(HOLD, numbers).released.slice(0, 4)).toEqual(['1', '18', '19', '20']);
  });

  test('where nothing is waited for, a gap is told and everything goes on at once', () => {
    expect(tell({ ...HOLD, waitMs: 0 }, each('1', '4', '2', '5', '3'))).toEqual({
      released: ['1', '4', '2', '5', '3'],
      notices: ['gap 2-3', 'filled 2', 'filled 3'],
    });
  });

  test('the same again is a duplicate and does not go on; something else under a number steps back; from one on it is a reset', () => {
    expect(tell(HOLD, each('1', '2', '3', '2', '2b', '1b', '2', '3', '9', '9'))).toEqual({
      released: ['1', '2', '3', '2b', '1b', '2', '3'],
      notices: ['duplicate 2', 'stepped-back 2', 'reset 1', 'gap 4-8', 'duplicate 9'],
    });
  });

  test('duplicates, steps back and resets go on or do not, as the rules say, and are told of either way', () => {
    const numbers = each('1', '2', '3', '2', '2b', '1b', '2');
    const notices = ['duplicate 2', 'stepped-back 2', 'reset 1'];
    expect(tell({ ...HOLD, duplicates: 'release' }, numbers)).toEqual({
      released: ['1', '2', '3', '2', '2b', '1b', '2'],
      notices,
    });
    expect(tell({ ...HOLD, stepsBack: 'drop' }, numbers)).toEqual({ released: ['1', '2', '3', '1b', '2'], notices });
    expect(tell({ ...HOLD, resets: false, stepsBack: 'drop' }, numbers)).toEqual({
      released: ['1', '2', '3'],
      notices: ['duplicate 2', 'stepped-back 2', 'stepped-back 1', 'duplicate 2'],
    });
  });

  test('the first of a count that is told again after many others is a duplicate, and no count that begins again', () => {
    const numbers = Array.from({ length: 80 }, (_, index) => String(index + 1));
    expect(tell(HOLD, each(...numbers, '1', '81'))).toEqual({
      released: [...numbers, '81'],
      notices: ['duplicate 1'],
    });
    expect(tell(HOLD, each(...numbers, '1b', '2')).notices).toEqual(['reset 1']);
  });

  test('of a declared first number what is missing before the first that comes is noticed', () => {
    expect(tell({ ...HOLD, first: 1 }, each('3', '1', '2')).notices).toEqual(['gap 1-2', 'filled 1', 'filled 2']);
  });

  test('when too many wait, what is missing is given up, or the event is refused', () => {
    const full = { ...HOLD, maxEvents: 2 };
    expect(tell(full, each('1', '3', '4', '5', '6')).notices).toEqual(['gap 2', 'lost 2']);
    let state = takeNumbered({ ...full, overflow: 'refuse' }, newSequence<string>(), numbered(1)).state;
    for (const number of [3, 4]) state = takeNumbered({ ...full, overflow: 'refuse' }, state, numbered(number)).state;
    expect(takeNumbered({ ...full, overflow: 'refuse' }, state, numbered(5)).refused).toBe(true);
    expect(takeNumbered({ ...full, overflow: 'refuse' }, state, numbered(2)).released).toEqual(['2', '3', '4']);
  });

  test('whatever order they come in, every number goes on once, and in order where none is late for longer than it is waited for', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(8), { maxLength: 40 }), (delays) => {
        const numbers = delays
          .map((delay, index) => [String(index + 1), index + delay] as const)
          .toSorted(([, left], [, right]) => left - right);
        const { released, notices } = tell({ ...HOLD, first: 1 }, numbers, 1_000);
        expect(released).toEqual(delays.map((_delay, index) => String(index + 1)));
        expect(notices.every((notice) => /^(gap|filled)/.test(notice))).toBe(true);
      }),
    );
  });

  test('what is below the number that was said to be the first steps back, and the first one begins the count again', () => {
    const counted = { ...HOLD, first: 7, stepsBack: 'drop' as const };
    expect(tell(counted, each('7', '8', '9', '3', '10', '7b', '8b'))).toEqual({
      released: ['7', '8', '9', '10', '7b', '8b'],
      notices: ['stepped-back 3', 'reset 7'],
    });
  });

  test('of more gaps than are known the oldest are lost, and what comes of the others still fills them', () => {
    const numbers = Array.from({ length: 1_003 }, (_, index) => [String(2 * index + 1), index] as const);
    const { released, notices } = tell({ ...HOLD, waitMs: 0, stepsBack: 'drop' }, [
      ...numbers,
      ['2', 2_000],
      ['6', 2_001],
    ]);
    expect(released.slice(-2)).toEqual(['2005', '6']);
    expect(notices.filter((notice) => !notice.startsWith('gap'))).toEqual([
      'lost 2',
      'lost 4',
      'stepped-back 2',
      'filled 6',
    ]);
  });

  test('nothing is due when nothing waits, and what waits is due when it has waited long enough', () => {
    expect(dueOfSequence(HOLD, newSequence())).toBe(Number.POSITIVE_INFINITY);
    const { state } = takeNumbered({ ...HOLD, first: 1 }, newSequence<string>(), { ...numbered(3), atMs: 5 });
    expect(dueOfSequence(HOLD, state)).toBe(15);
  });
});

function numbered(number: number) {
  return { number, digest: 1, atMs: 0, value: String(number) };
}
