import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { open } from '../index.ts';
import type { System } from '../index.ts';
import { isPostgres } from './limits.ts';
import { nodeConsumer } from './node-consumer.ts';
import type { NodeTask } from './node-consumer.ts';
import { fill } from './react.ts';
import { figure } from './workload.ts';
import type { Figure, Workload, WorkloadContext } from './workload.ts';

/** Each is measured so many times, in turns: a slow minute of the machine is everybody's. */
const TURNS = 4;
/** How often the store is asked how far the nodes are, when they have handled everything. */
const LOOK_AGAIN_MS = 2;

/** Two processes that share a consumer, beside one that has it alone: what coordination costs. */
export const catchUpOnNodes: Workload = {
  name: 'P3-nodes',
  what: 'P3 on two nodes (apart: two that share nothing); the limit is one node',
  run: (context) => onNodes(context, 'P3-nodes', 'plain', 200_000),
};

export const processQueueOnNodes: Workload = {
  name: 'P8-nodes',
  what: 'P8 on two nodes (apart: two that share nothing); the limit is one node',
  run: (context) => onNodes(context, 'P8-nodes', 'queue', 100_000),
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
  const whole = { place, events, kind, position: await fill(place, events) };
  const half = Math.ceil(events / 2);
  const halves = [];
  for (const name of ['left', 'right']) {
    const other = await storePath(`${workload}-${name}`);
    halves.push({ place: other, events: half, kind, position: await fill(other, half) });
  }
  let [one, two, apart] = [0, 0, 0];
  for (let turn = 0; turn < TURNS; turn += 1) {
    one += await share([{ ...whole, name: `one-${turn}` }]);
    two += await share(Array.from({ length: 2 }, () => ({ ...whole, name: `two-${turn}` })));
    apart += await share(halves.map((each) => ({ ...each, name: `apart-${turn}` })));
  }
  const limit = (TURNS * events) / one;
  const note = `from resuming the consumer to its last durable checkpoint, ${TURNS} times each in turns`;
  return [
    figure({ workload, events: TURNS * events, seconds: two, limit, note }),
    figure({
      workload: `${workload}-apart`,
      events: TURNS * 2 * half,
      seconds: apart,
      limit,
      note: `${note}: two programs with half of the events each, in stores of their own`,
    }),
  ];
}

/** Lets a process for each of these handle everything after a position, alone or with the others at its store. Answers the seconds. */
async function share(tasks: readonly NodeTask[]): Promise<number> {
  const stores = [...new Map(tasks.map((task) => [task.place, task])).values()];
  const operators = await Promise.all(
    stores.map((task) => open({ store: task.place, consumers: [nodeConsumer(task, () => undefined)], consume: false })),
  );
  const name = tasks[0]?.name ?? '';
  const events = stores.reduce((sum, task) => sum + task.events, 0);
  for (const operator of operators) await operator.consumers.pause(name, 'until all nodes are there');
  const running = await Promise.all(tasks.map(startNode));
  try {
    const heads = await Promise.all(operators.map((operator) => operator.events.head()));
    const handled = Promise.withResolvers<void>();
    let sum = 0;
    for (const { lines } of running)
      lines.on('line', (line) => {
        sum += Number(line);
        if (sum >= events) handled.resolve();
      });
    const begin = performance.now();
    await Promise.all(operators.map((operator) => operator.consumers.resume(name)));
    await handled.promise;
    for (const [index, operator] of operators.entries()) await untilSaved(operator, name, heads[index] ?? 0);
    return (performance.now() - begin) / 1_000;
  } finally {
    for (const { child } of running) await ended(child);
    for (const operator of operators) await operator.close();
  }
}

async function untilSaved(operator: System, name: string, head: number): Promise<void> {
  while ((await operator.consumers.status(name)).position < head)
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
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
