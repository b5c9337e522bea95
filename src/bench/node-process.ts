/** A node of a benchmark, until its standard input ends: `node-process.ts {"place":…}`. Prints how many events it has handled since the last line. */
import { once } from 'node:events';
import { open } from '../index.ts';
import { nodeConsumer } from './node-consumer.ts';
import type { NodeTask } from './node-consumer.ts';

const TELL_EVERY_MS = 5;
/**
 * So many consumers handle everything before, at once and so on several connections: nodes are measured as they are when they have run for a
 * while, and a connection that reads a table for the first time takes half as long again or more.
 */
const WARM_UPS = 4;

const task = JSON.parse(process.argv[2] ?? '{}') as NodeTask;
let handled = 0;
const warmedUp = Promise.withResolvers<void>();
let warmUps = 0;
const system = await open({
  store: task.place,
  consumers: [
    ...Array.from({ length: WARM_UPS }, (_, turn) =>
      nodeConsumer({ ...task, name: `warm-up-${process.pid}-${turn}` }, () => {
        warmUps += 1;
        if (warmUps === WARM_UPS * task.events) warmedUp.resolve();
      }),
    ),
    nodeConsumer(task, () => (handled += 1)),
  ],
});
await warmedUp.promise;
await system.settled();
process.stdout.write('0\n');
const telling = setInterval(() => {
  if (handled > 0) process.stdout.write(`${handled}\n`);
  handled = 0;
}, TELL_EVERY_MS);
process.stdin.resume();
await once(process.stdin, 'end');
clearInterval(telling);
await system.close();
