/**
 * One node of the cluster under test: reacts, and publishes from several callers until it is told to stop. What was acknowledged is written
 * down. `node.ts <store> <acknowledgements> <seed>`; with `verify` in place of a seed it waits until all is done, and checks everything.
 */
import { openSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { open, StoreUnavailable, StreamVersionConflict, SystemFull } from 'thereupon';
import type { Published } from 'thereupon';
import { mulberry32 } from '../crash/mulberry.ts';
import { Moved, definitions, happened } from '../crash/program.ts';
import { verify } from '../crash/verify.ts';

const [store = '', ackFile = '', task = '0'] = process.argv.slice(2);
const SOURCE = '/cluster';
const ACCOUNTS = 40;
const CALLERS = 4;
/** Of a publisher whose write failed: it tells the same facts again. */
const AGAIN_MS = 50;
const TELL_MS = 5_000;

const system = await untilReached(() => open({ store, source: SOURCE, ...definitions }));
say({ opened: true });
if (task === 'verify') {
  await caughtUp();
  say({ verified: await verify(system, ackFile) });
} else {
  const stopping = new AbortController();
  // Told to stop; or left alone, by a runner that was ended.
  createInterface({ input: process.stdin })
    .on('line', () => stopping.abort())
    .on('close', () => process.exit(1));
  const acks = openSync(ackFile, 'a');
  const random = mulberry32(Number(task));
  await Promise.all(
    Array.from({ length: CALLERS }, (_, caller) =>
      callUntil(stopping.signal, `${task}-${process.pid}-${caller}`, (bound) => Math.floor(random() * bound), acks),
    ),
  );
}
say({ closing: true });
await system.close();
process.exit(0);

async function callUntil(
  signal: AbortSignal,
  name: string,
  below: (bound: number) => number,
  acks: number,
): Promise<void> {
  for (let n = 0; !signal.aborted; n += 1) {
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
      if (!(error instanceof StoreUnavailable || error instanceof SystemFull)) throw error;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

function acknowledge(acks: number, published: readonly Published[]): void {
  const line = ({ source, id, stream, version, position }: Published) =>
    `${source}\t${id}\t${stream}\t${version}\t${position}\n`;
  writeSync(acks, published.map(line).join(''));
}

/** Retries included: nothing is left that time alone would change. Says now and then what is. */
async function caughtUp(): Promise<void> {
  const progress = setInterval(() => void tellProgress(), TELL_MS);
  for (;;) {
    await system.settled();
    const statuses = await system.consumers.list();
    const waits = statuses.filter(({ name, retrying, waiting }) => retrying > 0 || (waiting > 0 && name !== 'picky'));
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
