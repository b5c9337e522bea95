/**
 * One node of the cluster under test: reacts, and publishes from several callers until it is told to stop. What was acknowledged is written
 * down. `node.ts <store> <acknowledgements> <seed> [foreseeable]`; with `verify` in place of a seed it waits until all is done, and checks everything.
 */
import { openSync, writeSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import {
  defineProjection,
  NotFound,
  open,
  StoreUnavailable,
  StreamVersionConflict,
  SystemFull,
  WrongState,
} from 'thereupon';
import type { Published } from 'thereupon';
import { Meter } from '../crash/meter.ts';
import { mulberry32 } from '../crash/mulberry.ts';
import { Moved, confirmations, definitions, happened, ledger } from '../crash/program.ts';
import { command, nextCommand } from '../crash/purses.ts';
import { verify } from '../crash/verify.ts';

const [store = '', ackFile = '', task = '0', form] = process.argv.slice(2);
const SOURCE = '/cluster';
const ACCOUNTS = 40;
const CALLERS = 4;
/** On ten streams, those of all nodes together. */
const COMMANDERS = 8;
/** So many of the callers also tell what a meter counts, which goes on counting in the next life of the node. */
const METERS = 2;
/** Of a publisher whose write failed: it tells the same facts again. */
const AGAIN_MS = 50;
const TELL_MS = 5_000;

/** The ledger without what a store can work out only where events are recorded: their versions. */
const foreseeable = defineProjection({
  name: ledger.name,
  mode: 'inline',
  key: (event) => String(event.data.account),
  initial: () => ({ movements: 0, balance: 0, lastVersion: 0 }),
  on: [
    [
      Moved,
      ({ movements, balance, lastVersion }, { data }) => ({
        movements: movements + 1,
        balance: balance + data.amount,
        lastVersion: lastVersion + 1,
      }),
    ],
  ],
  indexes: { balance: (row) => row.balance },
});
const projections = [
  ...definitions.projections.filter(({ name }) => name !== ledger.name),
  form === 'foreseeable' ? foreseeable : ledger,
];
const system = await untilReached(() =>
  open({ store, source: SOURCE, tamperEvidence: true, ...definitions, projections }),
);
say({ opened: true });
if (task === 'verify') {
  await caughtUp();
  say({ verified: await verify(system, ackFile, true) });
} else {
  const stopping = new AbortController();
  // Told to stop; or left alone, by a runner that was ended.
  createInterface({ input: process.stdin })
    .on('line', () => stopping.abort())
    .on('close', () => process.exit(1));
  const acks = openSync(ackFile, 'a');
  const random = mulberry32(Number(task));
  const below = (bound: number) => Math.floor(random() * bound);
  const commandAcks = openSync(`${ackFile}.commands`, 'a');
  await Promise.all([
    ...Array.from({ length: CALLERS }, (_, caller) => callUntil(stopping.signal, caller, below, acks)),
    ...Array.from({ length: COMMANDERS }, (_, caller) => commandUntil(stopping.signal, caller, below, commandAcks)),
    rebuildUntil(stopping.signal),
  ]);
}
say({ closing: true });
await system.close();
process.exit(0);

async function callUntil(
  signal: AbortSignal,
  caller: number,
  below: (bound: number) => number,
  acks: number,
): Promise<void> {
  const name = `${task}-${process.pid}-${caller}`;
  const meter = caller < METERS ? new Meter(`${path.basename(ackFile, '.tsv')}-${caller}`) : undefined;
  if (meter !== undefined) await untilReached(() => meter.resume(system));
  for (let n = 0; !signal.aborted; n += 1) {
    if (meter !== undefined) {
      const told = [meter.next()];
      acknowledge(acks, await untilReached(() => system.publishAll(told)));
    }
    const size = below(4) === 0 ? 1 + below(6) : 1;
    const account = below(ACCOUNTS);
    const withClaim = below(10) === 0;
    const publications = Array.from({ length: size }, (_, place) => ({
      event: Moved,
      data: {
        account: withClaim ? account : below(ACCOUNTS),
        amount: below(200) - 100,
        batch: `${name}-${n}`,
        size,
        failures: below(12) === 0 ? 1 + below(3) : 0,
      },
      options: { id: `${name}-${n}-${place}`, time: happened(below) },
    }));
    const publish = withClaim
      ? () => claimed(`account-${account}`, publications)
      : () => system.publishAll(publications);
    acknowledge(acks, await untilReached(publish));
    if (below(10) === 0) acknowledge(acks, await untilReached(() => system.publishAll(publications)));
  }
}

async function commandUntil(
  signal: AbortSignal,
  caller: number,
  below: (bound: number) => number,
  acks: number,
): Promise<void> {
  const name = `${task}-${process.pid}-c${caller}`;
  for (let n = 0; !signal.aborted; n += 1)
    await command(system, nextCommand(below, `${name}-${n}`), acks, waitForStore);
}

/** One view is always being built, by whichever nodes there are. */
async function rebuildUntil(signal: AbortSignal): Promise<void> {
  const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  while (!signal.aborted) {
    try {
      const rebuild = await system.views.rebuild(confirmations);
      await Promise.race([rebuild.ended(), stopped]);
    } catch (error) {
      // Another node was first, or ended it.
      if (!(error instanceof WrongState || error instanceof NotFound)) await waitForStore(error);
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

async function claimed(
  stream: string,
  publications: Parameters<typeof system.append>[1],
): Promise<readonly Published[]> {
  for (;;) {
    const { version } = await system.events.streamState(stream);
    try {
      return await system.append(stream, publications, { expectedVersion: version });
    } catch (error) {
      // Another caller was first.
      if (!(error instanceof StreamVersionConflict)) throw error;
    }
  }
}

/** Again until the store can be reached. A write that failed may have happened: the same facts again are the same facts. */
async function untilReached<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      await waitForStore(error);
    }
  }
}

async function waitForStore(error: unknown): Promise<void> {
  if (!(error instanceof StoreUnavailable || error instanceof SystemFull)) throw error;
  await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
}

function acknowledge(acks: number, published: readonly Published[]): void {
  const line = ({ source, id, stream, version, position }: Published) =>
    `${source}\t${id}\t${stream}\t${version}\t${position}\n`;
  writeSync(acks, published.map(line).join(''));
}

/** Retries included, and no number is waited for: nothing is left that time alone would change. Says now and then what is. */
async function caughtUp(): Promise<void> {
  const progress = setInterval(() => void tellProgress(), TELL_MS);
  for (;;) {
    await system.settled();
    const statuses = await system.consumers.list();
    const waits = statuses.filter(
      ({ name, retrying, waiting, time }) =>
        retrying > 0 || (waiting > 0 && name !== 'picky') || (name === 'read' && time?.held !== 0),
    );
    if (waits.length === 0) {
      clearInterval(progress);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

async function tellProgress(): Promise<void> {
  const statuses = await system.consumers.list();
  const busy = statuses.map(({ name, state, reason, position, lag, inFlight, buffered, retrying, waiting, figures }) =>
    [name, state, reason, position, lag.events, inFlight, buffered, retrying, waiting, figures.handled].join(' '),
  );
  process.stderr.write(`${await system.events.head()}: ${busy.join('; ')}\n`);
}

function say(message: object): void {
  writeSync(1, `${JSON.stringify(message)}\n`);
}
