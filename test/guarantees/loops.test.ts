import { defineAutomation } from 'thereupon';
import { testSystem } from 'thereupon/testing';
import { describe, expect, it } from 'vitest';
import { Answered, Happened } from './things.ts';

const toAnswer = (maxDepth?: number) =>
  defineAutomation({
    name: 'answer',
    on: Happened,
    publishes: [Answered],
    ...(maxDepth === undefined ? {} : { maxDepth }),
    run: async ({ event, publish }) => {
      await publish(Answered, event.data);
    },
  });

/** Answers every answer with a new happening: with `answer` a loop that never ends by itself. */
const echo = defineAutomation({
  name: 'echo',
  on: Answered,
  publishes: [Happened],
  run: async ({ event, publish }) => {
    await publish(Happened, { thing: event.data.thing, n: event.data.n + 1 });
  },
});

describe('no runaway (G12)', () => {
  it('stops a chain of reactions at its depth, parks the event and reports it', async () => {
    await using test = await testSystem({ events: [Happened, Answered], automations: [toAnswer(10), echo] });
    await test.when(Happened, { thing: 'a', n: 1 });
    await test.settled({ advance: true });
    expect(test.recorded(Happened)).toHaveLength(6);
    expect(await test.parked('answer')).toMatchObject([{ error: { code: 'loop-stopped' }, attempts: 1 }]);
    const [report, ...others] = test.reported('thereupon.loop.stopped');
    expect(others).toEqual([]);
    expect(report?.data).toMatchObject({ reaction: 'answer', limit: 'depth' });
  });

  it('would not end without the guard: the depth alone decides where it stops', async () => {
    const lengths: number[] = [];
    for (const maxDepth of [4, 20]) {
      await using test = await testSystem({ events: [Happened, Answered], automations: [toAnswer(maxDepth), echo] });
      await test.when(Happened, { thing: 'a', n: 1 });
      lengths.push(test.recorded(Happened).length);
    }
    expect(lengths).toEqual([3, 11]);
  });

  it('stops a conversation that runs too often, where the chain of causes was cut outside', async () => {
    const hasty = defineAutomation({ name: 'hasty', on: Happened, maxRate: { runs: 5, per: '1m' }, run: () => {} });
    await using test = await testSystem({ events: [Happened], automations: [hasty] });
    for (let n = 1; n <= 7; n += 1) await test.when(Happened, { thing: String(n), n }, { correlationid: 'one' });
    expect(await test.parked('hasty')).toHaveLength(2);
    expect(test.reported('thereupon.loop.stopped').map(({ data }) => (data as { limit: string }).limit)).toEqual([
      'rate',
      'rate',
    ]);
    await test.advance('1m');
    await test.when(Happened, { thing: '8', n: 8 }, { correlationid: 'one' });
    expect(await test.parked('hasty')).toHaveLength(2);
  });

  it('is no hindrance to many conversations at once', async () => {
    let runs = 0;
    const busy = defineAutomation({
      name: 'busy',
      on: Happened,
      maxRate: { runs: 5, per: '1m' },
      run: () => void (runs += 1),
    });
    await using test = await testSystem({ events: [Happened], automations: [busy] });
    await test.system.publishAll(
      Array.from({ length: 500 }, (_, n) => ({ event: Happened, data: { thing: String(n), n } })),
    );
    await test.settled();
    expect(runs).toBe(500);
  });
});
