/** A node of a benchmark, until its standard input ends: `node-process.ts {"place":…}`. Prints how many events it has handled since the last line. */
import { once } from 'node:events';
import { open } from '../index.ts';
import { nodeConsumer } from './node-consumer.ts';
import type { NodeTask } from './node-consumer.ts';

const TELL_EVERY_MS = 5;

const task = JSON.parse(process.argv[2] ?? '{}') as NodeTask;
let handled = 0;
await warmUp();
const system = await open({ store: task.place, consumers: [nodeConsumer(task, () => (handled += 1))] });
process.stdout.write('0\n');
const telling = setInterval(() => {
  if (handled > 0) process.stdout.write(`${handled}\n`);
  handled = 0;
}, TELL_EVERY_MS);
process.stdin.resume();
await once(process.stdin, 'end');
clearInterval(telling);
await system.close();

/** Handles everything once by itself, as P3 and P8 do before they are measured. */
async function warmUp(): Promise<void> {
  const consumer = nodeConsumer({ ...task, name: `warm-up-${process.pid}` }, () => undefined);
  await using alone = await open({ store: task.place, consumers: [consumer] });
  await alone.settled();
}
