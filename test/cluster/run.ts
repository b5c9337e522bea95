/**
 * `npm run test:cluster [-- --seed N --seconds S]`: three nodes on one PostgreSQL, each behind a network of its own, publish and react while
 * they are killed, stopped and woken, and their connections are cut, delayed and swallowed. In the end everything has to be as the guarantees
 * say (G1 to G7).
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { mulberry32 } from '../crash/mulberry.ts';
import type { Verified } from '../crash/verify.ts';
import { startPostgres } from '../postgres/server.ts';
import { Proxy } from './proxy.ts';

const { values } = parseArgs({ options: { seed: { type: 'string' }, seconds: { type: 'string', default: '120' } } });
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
const seconds = Number(values.seconds);
if (!Number.isInteger(seed) || !Number.isFinite(seconds) || seconds < 1) {
  process.stderr.write('usage: npm run test:cluster -- [--seed N] [--seconds S]\n');
  process.exit(2);
}

const NODES = 3;
const LEASE_MS = 1_000;
/** Longest that nodes may take to finish, and the last one to catch up and verify, before that itself is the failure. */
const HANG_MS = 90_000;
const random = mulberry32(seed);
const between = (from: number, to: number) => from + random() * (to - from);
const root = path.resolve(import.meta.dirname, '../..');
mkdirSync(path.join(root, '.tmp'), { recursive: true });
const folder = mkdtempSync(path.join(root, '.tmp', 'cluster-'));
const errors: string[] = [];

class Node {
  readonly name: string;
  readonly proxy: Proxy;
  readonly ackFile: string;
  readonly #store: string;
  #child: ChildProcess | undefined;
  #lives = 0;
  /** Those that are to end. */
  readonly #ending = new WeakSet<ChildProcess>();
  #log = '';
  stopped = false;

  constructor(name: string, proxy: Proxy, store: string) {
    this.name = name;
    this.proxy = proxy;
    this.ackFile = path.join(folder, `${name}.tsv`);
    this.#store = store;
    writeFileSync(this.ackFile, '');
    writeFileSync(`${this.ackFile}.commands`, '');
  }

  start(): void {
    this.#lives += 1;
    const life = this.#lives;
    const child = run([this.#store, this.ackFile, String(seed + this.#lives)]);
    this.#child = child;
    this.#log = '';
    const keep = (chunk: Buffer) => (this.#log = (this.#log + chunk.toString()).slice(-20_000));
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    child.on('exit', (code, signal) => {
      if (this.#child === child) this.#child = undefined;
      if (!this.#ending.has(child))
        errors.push(`${this.name}, life ${life}, ended by itself (${code ?? signal}):\n${this.#log}`);
    });
  }

  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    if (signal === 'SIGKILL' && this.#child !== undefined) this.#ending.add(this.#child);
    this.stopped = signal === 'SIGSTOP';
    this.#child?.kill(signal);
  }

  get runs(): boolean {
    return this.#child !== undefined;
  }

  /** Lets it end in order. */
  async finish(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#ending.add(child);
    const code = new Promise<number | null>((resolve) => child.once('exit', resolve));
    child.stdin?.write('stop\n');
    const ended = await Promise.race([code, wait(HANG_MS, 'hangs', { ref: false })]);
    if (ended !== 0) throw new Error(`${this.name} did not end in order: ${ended}\n${this.#log}`);
  }
}

function run(task: readonly string[]): ChildProcess {
  const script = path.join(import.meta.dirname, 'node.ts');
  // Of half of the runs the rows are worked out before events are recorded.
  const form = seed % 2 === 0 ? ['foreseeable'] : [];
  return spawn(process.execPath, ['--conditions=thereupon-source', script, ...task, ...form], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

/** Each lasts as long as its promise. */
const FAULTS: Record<string, (node: Node) => Promise<void>> = {
  async killed(node) {
    node.signal('SIGKILL');
    await wait(between(0, 3 * LEASE_MS));
    node.start();
  },
  async stopped(node) {
    node.signal('SIGSTOP');
    await wait(between(0.2, 4) * LEASE_MS);
    node.signal('SIGCONT');
  },
  async cut(node) {
    node.proxy.cut();
    await wait(between(0, LEASE_MS));
  },
  async slow(node) {
    node.proxy.set('slow');
    await wait(between(0.5, 3) * LEASE_MS);
    node.proxy.set('well');
  },
  async silent(node) {
    node.proxy.set('silent');
    await wait(between(0.5, 4) * LEASE_MS);
    node.proxy.set('well');
  },
};

const counts = new Map<string, number>();
const begin = performance.now();
const elapsed = () => (performance.now() - begin) / 1_000;
const server = await startPostgres();
const nodes: Node[] = [];
try {
  for (let number = 1; number <= NODES; number += 1) {
    const proxy = await Proxy.before(server.url);
    nodes.push(new Node(`node-${number}`, proxy, `${proxy.address}?schema=cluster&lease=${LEASE_MS}ms`));
  }
  for (const node of nodes) node.start();
  // Each node has its own troubles; at times several at once.
  await Promise.all(nodes.map(trouble));
  for (const node of nodes) await node.finish();
  if (errors.length > 0) throw new Error(errors.join('\n'));
  await verifyAll();
} catch (error) {
  for (const node of nodes) node.signal('SIGKILL');
  process.stderr.write(
    `${[error instanceof Error ? error.message : String(error), ...errors].join('\n')}\ncluster test failed; again with: npm run test:cluster -- --seed ${seed} --seconds ${seconds}\n`,
  );
  process.exitCode = 1;
} finally {
  for (const node of nodes) await node.proxy.close();
  await server.stop();
  rmSync(folder, { recursive: true });
}

async function trouble(node: Node): Promise<void> {
  await wait(between(1_000, 4_000));
  while (elapsed() < seconds && errors.length === 0) {
    const names = Object.keys(FAULTS);
    const name = names[Math.floor(random() * names.length)] ?? 'cut';
    counts.set(name, (counts.get(name) ?? 0) + 1);
    await FAULTS[name]?.(node);
    await wait(between(200, 4_000));
  }
}

async function verifyAll(): Promise<void> {
  const acknowledgements = path.join(folder, 'all.tsv');
  writeFileSync(acknowledgements, nodes.map(({ ackFile }) => readFileSync(ackFile, 'utf8')).join(''));
  const ofCommands = nodes.map(({ ackFile }) => readFileSync(`${ackFile}.commands`, 'utf8')).join('');
  writeFileSync(`${acknowledgements}.commands`, ofCommands);
  const child = run([`${server.url}?schema=cluster&lease=${LEASE_MS}ms`, acknowledgements, 'verify']);
  let log = '';
  let verified: Verified | undefined;
  child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()));
  if (child.stdout !== null)
    createInterface({ input: child.stdout }).on('line', (line) => {
      verified = (JSON.parse(line) as { verified?: Verified }).verified ?? verified;
    });
  const hang = setTimeout(() => {
    log += `it did not catch up and verify within ${HANG_MS} ms`;
    child.kill('SIGKILL');
  }, HANG_MS);
  await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(hang);
  if (verified === undefined) throw new Error(`the end is not as promised:\n${log.slice(-20_000)}`);
  const faults = [...counts]
    .map(([name, count]) => `${count} ${name}`)
    .sort()
    .join(', ');
  const compared = Object.entries(verified.orderly ?? {})
    .map(([what, count]) => `${count} ${what}`)
    .sort();
  process.stdout.write(
    `cluster test: ${NODES} nodes, ${faults}; ${verified.acknowledged} acknowledgements, ${verified.commands} of commands, ${verified.switches} views rebuilt, ${verified.events} events, all as promised (seed ${seed}, ${elapsed().toFixed(0)} s)\n  as in an orderly run: ${compared.join(', ')}\n`,
  );
}
