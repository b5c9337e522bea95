import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Clock } from '../system/clock.ts';
import { createVirtualClock } from '../testing/virtual-clock.ts';
import { Deadlines } from './deadlines.ts';
import type { Watched } from './deadlines.ts';

const LIMIT_MS = 100;

describe('deadlines', () => {
  test('whatever is over by its time does not expire, everything else does, once and at its time, and no timer is left behind (G7)', async () => {
    const step = fc.record({
      passMs: fc.nat(LIMIT_MS),
      begun: fc.nat(3),
      /** Which of those under way is over then. */
      over: fc.option(fc.nat(50), { nil: undefined }),
      /** What comes of the next that expires: another one ends, or begins. */
      effect: fc.constantFrom('nothing', 'ends', 'begins', 'ends and begins'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const clock = createVirtualClock();
        const deadlines = new Deadlines(clock, LIMIT_MS);
        const underWay = new Map<Watched, number>();
        const last = () => [...underWay.keys()].at(-1);
        let effect = 'nothing';
        const end = (watched: Watched | undefined) => {
          if (watched === undefined) return;
          underWay.delete(watched);
          deadlines.over(watched);
        };
        const begin = (): void => {
          const watched: Watched = deadlines.watch(() => {
            expect(clock.now(), 'when it expires').toBe(underWay.get(watched));
            underWay.delete(watched);
            if (effect.startsWith('ends')) end(last());
            if (effect.endsWith('begins')) begin();
            effect = 'nothing';
          });
          underWay.set(watched, clock.now() + LIMIT_MS);
        };
        for (const { passMs, begun, over, effect: next } of steps) {
          effect = next;
          await clock.advanceTo(clock.now() + passMs);
          for (const dueMs of underWay.values()) expect(dueMs).toBeGreaterThan(clock.now());
          for (let count = 0; count < begun; count += 1) begin();
          if (over !== undefined) end([...underWay.keys()][over % Math.max(1, underWay.size)]);
          expect(clock.waiting, 'timers').toBe(underWay.size > 0 ? 1 : 0);
        }
        effect = 'nothing';
        await clock.advanceTo(clock.now() + LIMIT_MS);
        expect([underWay.size, clock.waiting]).toEqual([0, 0]);
      }),
    );
  });

  test('a clock that is set back or forth changes nothing of when something expires (G7)', async () => {
    for (const setBy of [-3_600_000, 3_600_000]) {
      const virtual = createVirtualClock();
      let offsetMs = 0;
      const clock: Clock = {
        now: () => virtual.now() + offsetMs,
        elapsed: () => virtual.now(),
        setTimer: (delayMs, fire) => virtual.setTimer(delayMs, fire),
      };
      const deadlines = new Deadlines(clock, LIMIT_MS);
      const expired: string[] = [];
      deadlines.watch(() => expired.push('before'));
      await virtual.advanceTo(virtual.now() + 10);
      offsetMs = setBy;
      deadlines.watch(() => expired.push('after'));
      await virtual.advanceTo(virtual.now() + LIMIT_MS - 11);
      expect(expired).toEqual([]);
      await virtual.advanceTo(virtual.now() + 1);
      expect(expired).toEqual(['before']);
      await virtual.advanceTo(virtual.now() + 9);
      expect(expired).toEqual(['before']);
      await virtual.advanceTo(virtual.now() + 1);
      expect(expired).toEqual(['before', 'after']);
    }
  });

  test('of thousands that are over in another order than they began none is kept, and the last one expires', async () => {
    const clock = createVirtualClock();
    const deadlines = new Deadlines(clock, LIMIT_MS);
    const expired: number[] = [];
    const all = Array.from({ length: 5_000 }, (_, n) => deadlines.watch(() => expired.push(n)));
    for (const watched of all.slice(1, -1).toReversed()) deadlines.over(watched);
    await clock.advanceTo(clock.now() + LIMIT_MS);
    expect(expired).toEqual([0, 4_999]);
    expect(clock.waiting).toBe(0);
  });
});
