import { expect, test } from 'vitest';
import { NEW_MONITOR, readMonitor } from './monitor.ts';
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
