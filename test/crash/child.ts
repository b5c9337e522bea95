/** One life of the program under test: catches up, verifies everything, then publishes until it is killed. */
import { openSync, writeSync } from 'node:fs';
import { StreamVersionConflict, open } from 'thereupon';
import type { Published } from 'thereupon';
import { Meter } from './meter.ts';
import { mulberry32 } from './mulberry.ts';
import { Moved, confirmations, definitions, happened } from './program.ts';
import { command, nextCommand } from './purses.ts';
import { verify } from './verify.ts';

const [store = '', ackFile = '', seedText = '0', mode = 'publish'] = process.argv.slice(2);
const random = mulberry32(Number(seedText));
const below = (bound: number) => Math.floor(random() * bound);
const life = `${seedText}-${process.pid}`;
const SOURCE = '/crash';
const ACCOUNTS = 40;
const CALLERS = 24;
/** On ten streams. */
const COMMANDERS = 64;
/** So many of the callers also tell what a meter counts. */
const METERS = 8;

const system = await open({ store, source: SOURCE, tamperEvidence: true, ...definitions });
say({ opened: true });
await caughtUp();
say({ verified: await verify(system, ackFile, mode === 'verify') });
if (mode === 'publish') {
  const acks = openSync(ackFile, 'a');
  const commandAcks = openSync(`${ackFile}.commands`, 'a');
  await Promise.all([
    ...Array.from({ length: CALLERS }, (_, caller) => callForEver(caller, acks)),
    ...Array.from({ length: COMMANDERS }, (_, caller) => commandForEver(caller, commandAcks)),
    rebuildForEver(),
  ]);
}
await system.close();

async function callForEver(caller: number, acks: number): Promise<void> {
  const meter = caller < METERS ? new Meter(String(caller)) : undefined;
  await meter?.resume(system);
  for (let n = 0; ; n += 1) {
    if (meter !== undefined) acknowledge(acks, await system.publishAll([meter.next(), meter.next(), meter.next()]));
    const size = below(4) === 0 ? 1 + below(12) : 1;
    const batch = `${life}-${caller}-${n}`;
    const publications = Array.from({ length: size }, (_, place) => ({
      event: Moved,
      data: {
        account: below(ACCOUNTS),
        amount: below(200) - 100,
        batch,
        size,
        failures: below(12) === 0 ? 1 + below(3) : 0,
      },
      options: { id: `${batch}-${place}`, time: happened(below) },
    }));
    const kind = below(10);
    if (kind === 0) await appendWithClaim(publications, acks);
    else {
      acknowledge(acks, await system.publishAll(publications));
      // Told twice, recorded once: the answer has to be the same place.
      if (kind === 1) acknowledge(acks, await system.publishAll(publications));
    }
  }
}

async function commandForEver(caller: number, acks: number): Promise<void> {
  for (let n = 0; ; n += 1) await command(system, nextCommand(below, `${life}-c${caller}-${n}`), acks, refused);
}

/** One view is always being built, so that whatever kills the program kills a build, or a switch. */
async function rebuildForEver(): Promise<void> {
  for (;;) {
    const { state } = await (await system.views.rebuild(confirmations, { onFailure: 'fail' })).ended();
    if (state !== 'switched') throw new Error(`the rebuild ended as ${state}`);
  }
}

function refused(error: unknown): Promise<void> {
  throw error;
}

async function appendWithClaim(
  publications: readonly {
    event: typeof Moved;
    data: { account: number; amount: number; batch: string; size: number; failures: number };
    options: { id: string; time: Date };
  }[],
  acks: number,
): Promise<void> {
  const account = below(ACCOUNTS);
  const stream = `account-${account}`;
  const { version } = await system.events.streamState(stream);
  try {
    const mine = publications.map((publication) => ({ ...publication, data: { ...publication.data, account } }));
    acknowledge(acks, await system.append(stream, mine, { expectedVersion: version }));
  } catch (error) {
    // Another caller was first; nothing of this batch may be in the log then, which verify() checks by its size.
    if (!(error instanceof StreamVersionConflict)) throw error;
  }
}

function acknowledge(acks: number, published: readonly Published[]): void {
  writeSync(
    acks,
    published
      .map(({ source, id, stream, version, position }) => `${source}\t${id}\t${stream}\t${version}\t${position}\n`)
      .join(''),
  );
}

/** Retries included: nothing is left that time alone would change. In the end no number is waited for either. */
async function caughtUp(): Promise<void> {
  for (;;) {
    await system.settled();
    const statuses = await system.consumers.list();
    const isHeld = mode === 'verify' && statuses.some(({ name, time }) => name === 'read' && time?.held !== 0);
    const waits = statuses.some(({ name, retrying, waiting }) => retrying > 0 || (waiting > 0 && name !== 'picky'));
    if (!waits && !isHeld) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function say(message: object): void {
  writeSync(1, `${JSON.stringify(message)}\n`);
}
