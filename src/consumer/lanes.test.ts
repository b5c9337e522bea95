import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { position, START } from '../event/position.ts';
import { commonCheckpoint, isUnbalanced, LANES, laneOf, quotas, rebalanced, released, wholeGroup } from './lanes.ts';
import type { ClusterNode, LaneGroup } from './lanes.ts';

const WHOLE = wholeGroup({ low: START, done: [] }, 1);
const lanesIn = (groups: readonly LaneGroup[]) => groups.flatMap(({ lanes }) => lanes);
const heldBy = (groups: readonly LaneGroup[], id: number) =>
  lanesIn(groups.filter(({ holder }) => holder === id)).length;
const nodesOf = (ids: readonly number[]): readonly ClusterNode[] =>
  ids.map((id) => ({ id, consumers: ['c'], receiving: [] }));

/** One node acts on what it knows of the members, which need not be the truth. */
function turn(groups: readonly LaneGroup[], me: number, members: readonly number[]): readonly LaneGroup[] {
  const quota = quotas('c', nodesOf(members)).get(me) ?? 0;
  return rebalanced(groups, me, quota, (id) => members.includes(id));
}

describe('lanes', () => {
  test('whatever nodes do in whatever order, every lane is there once, and tokens rise with every change of hands', () => {
    const step = fc.record({
      me: fc.integer({ min: 1, max: 6 }),
      members: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { minLength: 1 }),
      seize: fc.boolean(),
      progress: fc.nat(50),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let groups: readonly LaneGroup[] = [WHOLE];
        for (const { me, members, seize, progress } of steps) {
          const before = groups;
          groups = seize ? released(groups) : turn(groups, me, [...members, me]);
          expect([...lanesIn(groups)].sort((left, right) => left - right)).toEqual(WHOLE.lanes);
          for (const group of groups) {
            for (const lane of group.lanes) {
              const earlier = before.find(({ lanes }) => lanes.includes(lane));
              if (earlier?.holder !== group.holder) expect(group.token).toBeGreaterThan(earlier?.token ?? 0);
              expect(group.checkpoint.low).toBe(earlier?.checkpoint.low);
            }
          }
          // Each holder gets further with what it has.
          groups = groups.map((group) =>
            group.holder === me
              ? { ...group, checkpoint: { low: position(group.checkpoint.low + progress), done: [] } }
              : group,
          );
        }
      }),
      { numRuns: 300 },
    );
  });

  test('nodes that know each other end with even shares, and then nothing moves any more', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 70 }),
        fc.array(fc.uniqueArray(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 8 }), { maxLength: 3 }),
        (members, earlier) => {
          let groups: readonly LaneGroup[] = [WHOLE];
          for (const others of earlier) for (const me of others) groups = turn(groups, me, others);
          for (let round = 0; round < 2; round += 1) for (const me of members) groups = turn(groups, me, members);
          const sizes = members.map((me) => heldBy(groups, me));
          expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(LANES);
          expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
          for (const me of members) {
            const quota = quotas('c', nodesOf(members)).get(me) ?? 0;
            expect(isUnbalanced(groups, me, quota, (id) => members.includes(id))).toBe(false);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test('the lanes of many consumers are spread over the nodes, also what does not divide', () => {
    const nodes = Array.from({ length: 5 }, (_, id) => ({
      id,
      consumers: Array.from({ length: 200 }, (__, consumer) => `consumer-${consumer}`),
      receiving: [],
    }));
    const sums = new Map<number, number>();
    for (const consumer of nodes[0]?.consumers ?? [])
      for (const [id, quota] of quotas(consumer, nodes)) sums.set(id, (sums.get(id) ?? 0) + quota);
    for (const sum of sums.values()) expect(Math.abs(sum - (LANES * 200) / 5)).toBeLessThan(100);
  });

  test('keys are spread over all lanes, and each stays in its own for ever', () => {
    const counts = new Map<number, number>();
    for (let n = 0; n < 64_000; n += 1) counts.set(laneOf(`order-${n}`), (counts.get(laneOf(`order-${n}`)) ?? 0) + 1);
    expect(counts.size).toBe(LANES);
    for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(250);
    expect(['', 'order-17', 'größer', '👍'].map(laneOf)).toMatchInlineSnapshot(`
      [
        5,
        14,
        62,
        44,
      ]
    `);
  });

  test('what several groups have in common is the lowest mark', () => {
    const at = (low: number) => ({ checkpoint: { low: position(low), done: [[position(90), position(91)]] as const } });
    expect(commonCheckpoint([at(7)])).toEqual(at(7).checkpoint);
    expect(commonCheckpoint([at(7), at(7)])).toEqual(at(7).checkpoint);
    expect(commonCheckpoint([at(7), at(5)])).toEqual({ low: 5, done: [] });
    expect(commonCheckpoint([])).toBeUndefined();
  });
});
