import { expect, test } from 'vitest';
import { defineAutomation, defineEvent, definePattern, defineSequence, one } from 'thereupon';
import type { Publication } from 'thereupon';
import { DEFAULT_START_MS, testSystem } from 'thereupon/testing';
import { z } from 'zod';
import { Happened } from './things.ts';

/** What time alone brings on is the same whether it runs before the next event of its key comes or together with that. */

const Told = defineEvent({
  type: 'test.thing.told',
  stream: (data) => `thing-${data.thing}`,
  schema: z.object({ thing: z.string(), what: z.enum(['first', 'second']) }),
});

function toldAt(atMs: number, thing: string, what: 'first' | 'second'): Publication<typeof Told> {
  return { event: Told, data: { thing, what }, options: { time: new Date(DEFAULT_START_MS + atMs) } };
}

/** What was matched and what was late. */
async function pairs(atOnce: boolean): Promise<readonly string[]> {
  const found: string[] = [];
  const pattern = definePattern({
    sequence: [
      one('first', Told).where({ data: { what: ['first'] } }),
      one('second', Told).where({ data: { what: ['second'] } }),
    ],
    within: '1s',
    key: (event) => event.data.thing,
    time: { disorder: '100ms' },
  });
  const run = ({ key, time }: { key: string; time: string }) => void found.push(`${key} at ${time}`);
  const automations = [defineAutomation({ name: 'pairs', on: pattern, run })];
  // The second of b tells of time, and nothing is under way of a any more.
  const facts = [
    toldAt(1_000, 'a', 'second'),
    toldAt(1_200, 'b', 'second'),
    toldAt(500, 'a', 'first'),
    toldAt(1_150, 'a', 'second'),
    toldAt(1_400, 'b', 'second'),
  ];
  await using t = await testSystem({ events: [Told], automations });
  for (const together of atOnce ? [facts] : facts.map((fact) => [fact])) {
    await t.system.publishAll(together);
    await t.settled();
  }
  return [...found, ...t.reported('thereupon.event.late').map(({ time }) => `late at ${time}`)];
}

test('what was late of a key of which nothing is under way is forgotten (G6, G8)', async () => {
  expect(await pairs(false)).toEqual(['a at 2026-01-01T00:00:01.150Z']);
  expect(await pairs(true)).toEqual(['a at 2026-01-01T00:00:01.150Z']);
});

/** The events that lost numbers are reported of. */
async function losses(atOnce: boolean): Promise<readonly unknown[]> {
  const counts = defineSequence({ name: 'counts', on: Happened, sequence: { onGap: 'hold', wait: '10s' } });
  await using t = await testSystem({ events: [Happened], monitors: [counts] });
  const tell = (thing: string, n: number) =>
    t.system.publish(Happened, { thing, n }, { id: `${thing}-${n}`, sequence: n });
  if (atOnce) await t.consumers.pause('counts', 'what comes is to be handled together');
  await tell('a', 1);
  await tell('a', 3);
  await t.advance('10500ms');
  await tell('b', 1);
  await t.settled();
  await tell('a', 4);
  if (atOnce) await t.consumers.resume('counts');
  await t.settled();
  return t.reported('thereupon.sequence.lost').map(({ data }) => (data as { id: string }).id);
}

test('what time brings on is reported of the last event before it (G11)', async () => {
  expect(await losses(false)).toEqual(['a-3']);
  expect(await losses(true)).toEqual(['a-3']);
});
