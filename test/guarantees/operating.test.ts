import { defineConsumer, open } from 'thereupon';
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
