import { defineConsumer, open } from 'thereupon';
import type { Position } from 'thereupon';
import { memory } from 'thereupon/memory';
import { expect, it } from 'vitest';
import { Happened } from './things.ts';

it('shows how far a consumer has come, and that it is paused, where reactions do not run', async () => {
  const store = memory();
  const consumer = defineConsumer({ name: 'reader', on: Happened, handle() {} });
  const program = { store, events: [Happened], consumers: [consumer] };
  const running = await open(program);
  await running.publish(Happened, { thing: 'a', n: 1 });
  await running.settled();
  await running.consumers.pause('reader', 'for a test');
  const { position } = await running.consumers.status('reader');
  await running.close();
  await using looking = await open({ ...program, consume: false });
  expect(await looking.consumers.status('reader')).toMatchObject({ position, state: 'paused', reason: 'for a test' });
});

it('is steered where reactions do not run, and the process that runs them finds it so', async () => {
  const store = memory();
  const handled: number[] = [];
  const reader = defineConsumer({
    name: 'reader',
    on: Happened,
    handle: ({ event }) => void handled.push(event.data.n),
  });
  const program = { store, events: [Happened], consumers: [reader] };
  const running = await open(program);
  for (const n of [1, 2, 3]) await running.publish(Happened, { thing: 'a', n });
  await running.settled();
  await running.close();
  const steering = await open({ ...program, consume: false });
  await steering.consumers.replay('reader', { position: 2 as Position });
  await steering.consumers.pause('reader', 'not yet');
  await steering.close();
  const paused = await open(program);
  expect(await paused.consumers.status('reader')).toMatchObject({ state: 'paused', reason: 'not yet', position: 2 });
  expect(handled).toEqual([1, 2, 3]);
  await paused.close();
  const resuming = await open({ ...program, consume: false });
  await resuming.consumers.resume('reader');
  await resuming.close();
  await using again = await open(program);
  await again.settled();
  expect(handled).toEqual([1, 2, 3, 3]);
});

it('is paused before it ever ran, and then begins where its definition says', async () => {
  const store = memory();
  const handled: number[] = [];
  const reader = defineConsumer({
    name: 'reader',
    on: Happened,
    handle: ({ event }) => void handled.push(event.data.n),
  });
  const program = { store, events: [Happened], consumers: [reader] };
  const before = await open({ ...program, consume: false });
  await before.publish(Happened, { thing: 'a', n: 1 });
  await before.consumers.pause('reader');
  await before.close();
  await using running = await open(program);
  await running.settled();
  expect(handled).toEqual([]);
  await running.consumers.resume('reader');
  await running.settled();
  expect(handled).toEqual([1]);
});
