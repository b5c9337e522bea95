/** A program that waits for its system alone: `staying.ts <what> <store>`. What it waits for comes from timers that keep no process. */
import { defineConsumer, defineEvent, open } from 'thereupon';
import { z } from 'zod';

const [what = '', store = 'memory:'] = process.argv.slice(2);
const LATER_MS = 300;
const Noticed = defineEvent({ type: 'test.thing.noticed', stream: () => 'things-1', schema: z.object({}) });
const received = defineConsumer({ name: 'received', on: Noticed, mode: 'queue' });
let attempts = 0;
const failsAtFirst = defineConsumer({
  name: 'fails-at-first',
  on: Noticed,
  retry: { minDelay: LATER_MS, jitter: 0 },
  handle: () => {
    attempts += 1;
    if (attempts === 1) throw new Error('not yet');
    process.stdout.write('tried again\n');
    setImmediate(() => void system.close());
  },
});

const system = await open({ store, events: [Noticed], consumers: what === 'retry' ? [failsAtFirst] : [received] });
const publishLater = () => setTimeout(() => void system.publish(Noticed, {}), LATER_MS).unref();

if (what === 'subscribe') {
  publishLater();
  for await (const { type } of system.events.subscribe()) {
    process.stdout.write(`${type}\n`);
    break;
  }
  await system.close();
} else if (what === 'receive') {
  publishLater();
  for (const claim of await system.consumers.receive('received')) {
    process.stdout.write(`${claim.event.type}\n`);
    await claim.ack();
  }
  await system.close();
} else if (what === 'retry') await system.publish(Noticed, {});
else await system.close();
