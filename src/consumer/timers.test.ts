import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Timers } from './timers.ts';

const steps = fc.array(
  fc.oneof(
    fc.record({ key: fc.nat(80), dueMs: fc.option(fc.nat(50), { nil: undefined }) }),
    fc.record({ nowMs: fc.nat(50) }),
  ),
  { maxLength: 400 },
);

describe('timers', () => {
  test('know at any time which key is due next, however often each was put off, brought forward or given up', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const timers = new Timers(1);
        const model = new Map<string, number>();
        for (const step of all) {
          if ('key' in step) {
            timers.set(`k${step.key}`, step.dueMs);
            if (step.dueMs === undefined) model.delete(`k${step.key}`);
            else model.set(`k${step.key}`, step.dueMs);
          } else {
            const key = timers.take(step.nowMs);
            const least = Math.min(...model.values());
            if (least > step.nowMs) expect(key).toBeUndefined();
            else expect(model.get(key ?? '')).toBe(least);
            model.delete(key ?? '');
          }
          expect(timers.size).toBe(model.size);
          expect(timers.nextMs()).toBe(model.size === 0 ? undefined : Math.min(...model.values()));
        }
      }),
    );
  });
});
