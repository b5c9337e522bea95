import { defineConsumer, open } from 'thereupon';
import { memory } from 'thereupon/memory';
import { expect, test } from 'vitest';
import { interceptedFactory } from '../../src/testing/intercepted-store.ts';
import { Happened } from './things.ts';

/** A call of the store that is held back: before it happens, or after. */
class Held {
  readonly happens = Promise.withResolvers<void>();
  readonly goesOn = Promise.withResolvers<void>();

  async pass<T>(act: () => Promise<T>, when: 'after' | 'before'): Promise<T> {
    if (when === 'before') {
      this.happens.resolve();
      await this.goesOn.promise;
      return act();
    }
    const answer = await act();
    this.happens.resolve();
    await this.goesOn.promise;
    return answer;
  }
}

test('what comes back to a queue is in one live claim, also where the store shows it before it says that it is written (G5)', async () => {
  let look: Held | undefined;
  let write: Held | undefined;
  const store = interceptedFactory(memory(), async (call) => {
    const held = call.method === 'due' ? look : call.method === 'commit' ? write : undefined;
    if (held === undefined) return call.proceed();
    if (held === look) look = undefined;
    else write = undefined;
    return held.pass(() => call.proceed(), call.method === 'due' ? 'before' : 'after');
  });
  const queue = defineConsumer({ name: 'queue', on: Happened, mode: 'queue' });
  await using system = await open({ store, events: [Happened], consumers: [queue] });
  for (const n of [1, 2]) await system.publish(Happened, { thing: 'a', n });
  const numbers = (claims: Awaited<ReturnType<typeof system.consumers.receive>>) =>
    claims.map(({ event, attempt }) => `${(event.data as { n: number }).n}, attempt ${attempt}`);
  const [first] = await system.consumers.receive('queue');
  const [second] = await system.consumers.receive('queue');

  const looking = (look = new Held());
  await first?.nack({ delayMs: 0 });
  await looking.happens.promise;
  const writing = (write = new Held());
  const answered = second?.nack({ delayMs: 0 });
  await writing.happens.promise;
  // The look that began before the second was written sees it.
  looking.goesOn.resolve();
  const back = [...(await system.consumers.receive('queue'))];
  writing.goesOn.resolve();
  expect(await answered).toBe(true);
  back.push(...(await system.consumers.receive('queue')));
  await system.settled();
  back.push(...(await system.consumers.receive('queue', { max: 10, signal: AbortSignal.timeout(100) })));
  expect(numbers(back).sort()).toEqual(['1, attempt 2', '2, attempt 2']);
});
