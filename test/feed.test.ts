import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { memory } from '../src/backends/memory/memory.ts';
import { Feed } from '../src/channel/feed.ts';
import { compileSelection } from '../src/channel/selection.ts';
import { subscription } from '../src/channel/subscription.ts';
import { sampleEvent } from '../src/contract/samples.ts';
import { START } from '../src/event/position.ts';
import { createEnvironment } from '../src/system/environment.ts';
import { seededRandom } from '../src/system/random.ts';

const environment = createEnvironment();
const EVENTS = 6_000;
const READERS = 30;

/** Events of a few types, a log that counts how often it is read, and its feed. */
async function history(first: number) {
  const store = await memory().open(environment);
  const append = async (from: number, count: number) => {
    const events = Array.from({ length: count }, (_, index) =>
      sampleEvent(`e${from + index}`, {
        type: `kind.of.${(from + index) % 7}`,
        stream: `thing-${(from + index) % 50}`,
      }),
    );
    await store.log.append({ events, onDuplicate: 'verify' });
  };
  for (let from = 0; from < first; from += 1_000) await append(from, 1_000);
  const reads = { count: 0 };
  const log = new Proxy(store.log, {
    get(target, name) {
      if (name === 'read') reads.count += 1;
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
  const feed = await Feed.open(log, environment);
  return { store, feed, reads, append };
}

describe('readers that catch up side by side', () => {
  for (const seed of [1, 2, 3, 4])
    test(`G5 each gets all that it selects, in order, however fast it is and whatever comes meanwhile, seed ${seed}`, async () => {
      const chance = seededRandom(seed);
      const whole = (most: number) => Math.floor(chance.next() * most);
      const { store, feed, append } = await history(EVENTS);
      const total = EVENTS + 3_000;
      const readers = Array.from({ length: READERS }, async (_reader, reader) => {
        const types = Array.from({ length: 1 + whole(3) }, () => `kind.of.${whole(7)}`);
        const selection = compileSelection(reader % 5 === 0 ? {} : { types });
        const pace = whole(60);
        const found: string[] = [];
        const expected = Array.from({ length: total }, (_, index) => index)
          .filter((index) => reader % 5 === 0 || types.includes(`kind.of.${index % 7}`))
          .map((index) => `e${index}`);
        for await (const { id } of subscription({ feed, selection, after: START })) {
          found.push(id);
          if (pace > 0 && found.length % (pace * 5) === 0) await nextTurn();
          if (found.length === expected.length) break;
        }
        expect(found).toEqual(expected);
      });
      for (let from = EVENTS; from < total; from += 100) {
        await append(from, 100);
        await nextTurn();
      }
      await Promise.all(readers);
      feed.close();
      await store.close();
    });

  test('the log is read once for all of them', async () => {
    const { store, feed, reads } = await history(EVENTS);
    const selection = compileSelection({ types: ['kind.of.1'] });
    const all = Math.floor((EVENTS - 2) / 7) + 1;
    const each = async () => {
      let count = 0;
      for await (const _event of subscription({ feed, selection, after: START })) {
        count += 1;
        if (count === all) break;
      }
    };
    const before = reads.count;
    await each();
    const alone = reads.count - before;
    await Promise.all(Array.from({ length: READERS }, each));
    expect(reads.count - before - alone).toBeLessThan(alone * 4);
    feed.close();
    await store.close();
  });
});
