import { expect, test } from 'vitest';
import { z } from 'zod';
import { InvalidDefinition } from '../errors.ts';
import { defineEvent } from '../event/define-event.ts';
import { byCount, session, tumbling } from '../time/windowing.ts';
import { defineWindow } from './define-window.ts';

const Told = defineEvent({ type: 'test.thing.told', schema: z.object({ n: z.number() }) });
const aggregate = { initial: () => 0, add: (n: number) => n + 1, result: (n: number) => ({ n }) };
const Summed = defineEvent({ type: 'test.things.summed', schema: z.object({ n: z.number() }) });
const sound = { name: 'w', on: Told, key: () => 'k', windows: tumbling('1m'), aggregate, publishes: Summed } as const;

test('a window is refused, by the name of the option, that would not do what it says', () => {
  expect(defineWindow(sound).kind).toBe('window');
  for (const [wrong, named] of [
    [{ windows: byCount(2), early: { events: 1 } }, 'early'],
    [{ windows: byCount(2), aggregate: { ...aggregate, remove: (n: number) => n - 1 } }, 'aggregate.remove'],
    [{ windows: session('1m') }, 'aggregate.merge'],
    [{ windows: {} }, 'windows'],
    [{ windows: undefined }, 'windows'],
    [{ publishes: undefined }, 'publishes'],
    [{ publishes: Told }, 'it is on test.thing.told, which it publishes'],
    [{ aggregate: { ...aggregate, merge: 5 } }, 'aggregate.merge'],
    [{ aggregate: { ...aggregate, add: undefined } }, 'aggregate.add'],
    [{ early: null }, 'early'],
    [{ early: { events: 0 } }, 'early.events'],
    [{ early: { every: 'soon' } }, 'window "w": early.every must be milliseconds or a duration'],
    [{ early: { every: 0.5 } }, 'early.every'],
    [{ late: { correct: 0 } }, 'late.correct'],
    [{ late: { correct: '1 day' } }, 'window "w": late.correct must be'],
    [{ time: { disorder: -1 } }, 'window "w": time.disorder must be'],
    [{ late: 'keep' }, 'window "w": late must be'],
    [{ time: null }, 'time'],
    [{ time: { at: 'x' } }, 'time.at'],
    [{ time: { sources: [''] } }, 'time.sources'],
    [{ key: undefined }, 'key'],
  ] as const) {
    const define = () => defineWindow({ ...sound, ...wrong } as never);
    expect(define, named).toThrow(InvalidDefinition);
    expect(define).toThrow(named);
  }
});
