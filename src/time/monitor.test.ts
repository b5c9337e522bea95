import { expect, test } from 'vitest';
import { NEW_MONITOR, passMonitor, readMonitor } from './monitor.ts';
import type { Measure, MonitorRules } from './monitor.ts';

const LARGEST = Number.MAX_VALUE;

test('what is measured stays a number that can be kept, however large the readings are (G6)', () => {
  for (const [kind, values, expected] of [
    [{ kind: 'average', over: { events: 2 } }, [LARGEST, LARGEST], LARGEST],
    [{ kind: 'average', over: { ms: 1_000 } }, [-LARGEST, -LARGEST], -LARGEST],
    [{ kind: 'rate', perMs: 60_000 }, [-LARGEST, LARGEST], LARGEST],
    [{ kind: 'average', over: { events: 2 } }, [1, 2], 1.5],
  ] as const satisfies readonly (readonly [Measure, readonly number[], number])[]) {
    const rules: MonitorRules = { measure: kind, fires: () => true, rearms: undefined, forMs: 0, times: 1 };
    let state = NEW_MONITOR;
    let measured: number | undefined;
    for (const [index, value] of values.entries()) {
      const step = readMonitor(rules, state, { timeMs: index * 10, value });
      state = JSON.parse(JSON.stringify(step.state)) as typeof state;
      measured = step.firing?.measured;
    }
    expect(measured).toBe(expected);
  }
});

test('what fires for every reading does so as long as its condition has held for so many readings and so long', () => {
  for (const [times, forMs, first] of [
    [1, 0, 1],
    [3, 0, 3],
    [1, 20, 3],
    [2, 30, 4],
  ] as const) {
    const rules: MonitorRules = {
      measure: { kind: 'value' },
      fires: (value) => value > 80,
      rearms: undefined,
      forMs,
      times,
    };
    let state = NEW_MONITOR;
    const told: unknown[] = [];
    for (const [index, value] of [70, 81, 82, 83, 84, 85, 70, 81].entries()) {
      const due = passMonitor(rules, state, index * 10);
      const step = readMonitor(rules, due.state, { timeMs: index * 10, value });
      ({ state } = step);
      for (const { firing } of [due, step])
        if (firing !== undefined) told.push([firing.timeMs, firing.sinceMs, firing.times]);
    }
    const whole = [1, 2, 3, 4, 5].filter((reading) => reading >= first).map((reading) => [reading * 10, 10, reading]);
    expect(told, JSON.stringify({ times, forMs })).toEqual(first === 1 ? [...whole, [70, 70, 1]] : whole);
  }
});
