import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { open } from '../index.ts';
import type { Position } from '../index.ts';
import { isPostgres } from './limits.ts';
import { nodeConsumer } from './node-consumer.ts';
import type { NodeTask } from './node-consumer.ts';
import { fill } from './react.ts';
import { figure } from './workload.ts';
import type { Figure, Workload, WorkloadContext } from './workload.ts';

/** How often the store is asked how far the nodes are, when they have handled everything. */
const LOOK_AGAIN_MS = 2;

/** Two processes that share a consumer, beside one that has it alone: what coordination costs. */
export const catchUpOnNodes: Workload = {
  name: 'P3-nodes',
  what: 'P3 on two nodes; the limit is one node',
  run: (context) => onNodes(context, 'P3-nodes', 'plain', 200_000),
};

export const processQueueOnNodes: Workload = {
  name: 'P8-nodes',
  what: 'P8 on two nodes; the limit is one node',
  run: (context) => onNodes(context, 'P8-nodes', 'queue', 50_000),
};

async function onNodes(
  { storePath, scale }: WorkloadContext,
  workload: string,
  kind: NodeTask['kind'],
  most: number,
): Promise<readonly Figure[]> {
  const place = await storePath(workload);
  // Only such a store has several nodes.
  if (!isPostgres(place)) return [];
  const events = Math.ceil(most * scale);
  const position = await fill(place, events);
  const rateOf = async (nodes: number, name: string) => {
    const seconds = await share({ place, events, kind, name, position }, nodes);
    return { seconds, rate: events / seconds };
  };
  // In turn, so that a slow minute of the machine is both of theirs.
  const ones = [await rateOf(1, 'one-a')];
  const twos = [await rateOf(2, 'two-a')];
  ones.push(await rateOf(1, 'one-b'));
  twos.push(await rateOf(2, 'two-b'));
  const best = (runs: readonly { readonly seconds: number; readonly rate: number }[]) =>
    runs.reduce((fastest, run) => (run.rate > fastest.rate ? run : fastest));
  const note = 'from resuming the consumer to its last durable checkpoint, the better of two runs of each in turn';
  return [figure({ workload, events, seconds: best(twos).seconds, limit: best(ones).rate, note })];
}

/** Lets so many processes handle everything after a position. Answers the seconds from the word go to the last durable checkpoint. */
async function share(task: NodeTask, nodes: number): Promise<number> {
  const definition = nodeConsumer(task, () => undefined);
  await using operator = await open({ store: task.place, consumers: [definition], consume: false });
  await operator.consumers.pause(task.name, 'until all nodes are there');
  const running = await Promise.all(Array.from({ length: nodes }, () => startNode(task)));
  try {
    const last: Position = await operator.events.head();
    const handled = Promise.withResolvers<void>();
    let sum = 0;
    for (const { lines } of running)
      lines.on('line', (line) => {
        sum += Number(line);
        if (sum >= task.events) handled.resolve();
      });
    const begin = performance.now();
    await operator.consumers.resume(task.name);
    await handled.promise;
    while ((await operator.consumers.status(task.name)).position < last)
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    return (performance.now() - begin) / 1_000;
  } finally {
    for (const { child } of running) await ended(child);
  }
}

async function startNode(
  task: NodeTask,
): Promise<{ readonly child: ChildProcess; readonly lines: ReturnType<typeof createInterface> }> {
  const script = new URL(import.meta.url.endsWith('.ts') ? './node-process.ts' : './node-process.js', import.meta.url);
  const child = spawn(process.execPath, [...process.execArgv, fileURLToPath(script), JSON.stringify(task)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  await Promise.race([
    once(lines, 'line'),
    once(child, 'exit').then(() => {
      throw new Error('a node of the benchmark ended before it was ready');
    }),
  ]);
  return { child, lines };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exit = once(child, 'exit');
  child.stdin?.end();
  await exit;
}
