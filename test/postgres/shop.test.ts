import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { open, StoreUnavailable } from 'thereupon';
import type { Published, RecordedEvent } from 'thereupon';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OrderPlaced, PaymentReceived } from '../../examples/shop/events.ts';
import { shopFacts } from '../../examples/shop/generator.ts';
import type { ShopFact } from '../../examples/shop/generator.ts';
import config from '../../examples/shop/thereupon.config.ts';
import { silentLogger } from '../../src/system/logger.ts';
import { systemClock, waitFor } from '../../src/system/clock.ts';
import { runCli, startCli } from '../cli/spawn-cli.ts';
import { mulberry32 } from '../crash/mulberry.ts';
import { killed, Program, stopped, trouble } from './programs.ts';
import type { PostgresServer } from './server.ts';
import { startPostgres } from './server.ts';
import { CONSEQUENCES, countOfConsequences, verifyLog, viewsOf } from './shop-consequences.ts';
import type { Told } from './shop-consequences.ts';

const SHOP = fileURLToPath(new URL('../../examples/shop', import.meta.url));
const SEED = Number(process.env['SHOP_SEED'] ?? 5);
const NODES = 3;
const TROUBLES = 12;
const FACTS = 300;
const CALLERS = 4;
/** By `thereupon publish`, one after the other. */
const COMMANDS = 4;
/** A program that is stopped does not answer: its caller asks another one. */
const ANSWER_MS = 700;
const AGAIN_MS = 20;
/** By then nothing reacts any more, and the log tells what is missing. */
const REACTED_MS = 30_000;

let server: PostgresServer;
let store: string;
/** Publishes from this process, where nothing reacts. */
let publisher: Awaited<ReturnType<typeof openPublisher>>;
const programs: Program[] = [];

beforeAll(async () => {
  server = await startPostgres();
  store = `${server.url}?schema=shop&lease=1s`;
  publisher = await openPublisher();
  programs.push(...Array.from({ length: NODES }, () => new Program(SHOP, store)));
  await Promise.all(programs.map((program) => program.start()));
}, 120_000);

afterAll(async () => {
  // Also after a failure.
  for (const program of programs) await program.clear();
  await publisher.close();
  await server.stop();
});

function openPublisher() {
  return open({ ...config, store, consume: false, environment: { logger: silentLogger } });
}

/** A fact under the id by which it is told, again and again. */
interface Telling {
  readonly id: string;
  readonly fact: ShopFact;
}

const definitionOf = ({ kind }: ShopFact) => (kind === 'order' ? OrderPlaced : PaymentReceived);

function cloudEvent({ id, fact }: Telling): string {
  return JSON.stringify({ specversion: '1.0', id, source: '/till', type: definitionOf(fact).type, data: fact.data });
}

const headers = { 'content-type': 'application/cloudevents+json' };

/** Asks one program after another until one answers that the fact is durable. */
async function tellServer(telling: Telling, random: () => number): Promise<Published> {
  for (;;) {
    const { url } = programs[Math.floor(random() * NODES)] ?? {};
    const response =
      url === undefined
        ? undefined
        : await fetch(`${url}/events`, {
            method: 'POST',
            headers,
            body: cloudEvent(telling),
            signal: AbortSignal.timeout(ANSWER_MS),
          })
            .then(async (answer) => ({ ok: answer.ok, status: answer.status, body: await answer.text() }))
            // Killed or stopped while it was asked: nobody knows whether it is recorded.
            .catch(() => undefined);
    if (response?.ok === true) return JSON.parse(response.body) as Published;
    if (response !== undefined) expect([429, 503], response.body).toContain(response.status);
    await waitFor(systemClock, AGAIN_MS);
  }
}

async function tellLibrary({ id, fact }: Telling): Promise<Published> {
  for (;;) {
    try {
      return fact.kind === 'order'
        ? await publisher.publish(OrderPlaced, fact.data, { id })
        : await publisher.publish(PaymentReceived, fact.data, { id });
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
    }
  }
}

/** Killed before it may have answered, and given again. */
async function tellCommand({ id, fact }: Telling, random: () => number): Promise<Published> {
  const data = JSON.stringify(fact.data);
  const args = ['publish', '-t', definitionOf(fact).type, '-d', data, '--id', id, '--store', store, '--json'];
  const doomed = startCli(args);
  doomed.stdout.resume();
  const ended = once(doomed, 'exit');
  await waitFor(systemClock, 400 + random() * 1_200);
  doomed.kill('SIGKILL');
  await ended;
  const { code, stdout, stderr } = await runCli(args);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Published;
}

async function wholeLog(): Promise<readonly RecordedEvent[]> {
  const log: RecordedEvent[] = [];
  for (let after = 0; ;) {
    const page = await publisher.events.read({ after, limit: 1_000 });
    log.push(...page.events);
    if (page.next === undefined) return log;
    after = page.next;
  }
}

/** As the server of a program shows it. */
async function viewAt(url: string, name: string, afterPosition: number): Promise<Readonly<Record<string, unknown>>> {
  const rows: Record<string, unknown> = {};
  for (let after: string | undefined; ;) {
    const query = new URLSearchParams({ limit: '1000', 'after-position': String(afterPosition) });
    if (after !== undefined) query.set('after', after);
    const response = await fetch(`${url}/views/${name}?${query.toString()}`);
    const page = (await response.json()) as { items: { key: string; row: unknown }[]; next?: string };
    expect(response.status, JSON.stringify(page)).toBe(200);
    for (const { key, row } of page.items) rows[key] = row;
    if (page.next === undefined) return rows;
    after = page.next;
  }
}

const facts = shopFacts(SEED, 'test');

describe(`the shop example on three processes (SHOP_SEED=${SEED})`, () => {
  const told: Told[] = [];
  const tell = async (ask: (telling: Telling) => Promise<Published>): Promise<Published> => {
    const fact = facts.next().value;
    const published = await ask({ id: `${fact.kind}-${fact.data.orderId}`, fact });
    told.push({ fact, published });
    return published;
  };

  test('a publisher whose request got no answer asks another process with the same id, and learns that it is a duplicate (G1, G2)', async () => {
    const [first, second] = programs;
    await tell(async (telling) => {
      const recorded = new AbortController();
      const subscribed = Promise.withResolvers<void>();
      const seeing = (async () => {
        const { signal } = recorded;
        for await (const event of publisher.events.subscribe({ signal, caughtUp: subscribed.resolve }))
          if (event.id === telling.id) return event;
        throw new Error('the subscription ended');
      })();
      await subscribed.promise;
      const { hostname, port } = new URL(first?.url ?? '');
      const body = cloudEvent(telling);
      // It says everything and never listens.
      const deaf = connect({ host: hostname, port: Number(port) });
      deaf.on('error', () => undefined);
      deaf.write(
        `POST /events HTTP/1.1\r\nHost: ${hostname}\r\nContent-Type: ${headers['content-type']}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      );
      const { position, stream, version } = await seeing;
      await first?.kill();
      deaf.destroy();
      const response = await fetch(`${second?.url ?? ''}/events`, { method: 'POST', headers, body });
      const answer = (await response.json()) as Published;
      expect([response.status, answer]).toMatchObject([200, { position, stream, version, duplicate: true }]);
      recorded.abort();
      return answer;
    });
    await first?.start();
  });

  test('every order has exactly the consequences that it must have, while processes are killed, stopped and started again (G1, G2, G5, G6)', async () => {
    let troubles = 0;
    const quiet = new AbortController();
    const suffering = programs.map((program, index) =>
      trouble(program, {
        faults: [killed, stopped],
        random: mulberry32(SEED + index),
        signal: quiet.signal,
        happened: () => (troubles += 1),
      }),
    );
    const isEnough = () => troubles >= TROUBLES && told.length >= FACTS;
    const callers = Array.from({ length: CALLERS }, async (_, caller) => {
      const random = mulberry32(SEED + 100 + caller);
      const ask = (telling: Telling) => (caller === 0 ? tellLibrary(telling) : tellServer(telling, random));
      while (!isEnough()) {
        await tell(async (telling) => {
          const published = await ask(telling);
          if (random() < 0.1) {
            const what = 'G2: a known fact has its first place';
            expect(await ask(telling), what).toEqual({ ...published, duplicate: true });
          }
          return published;
        });
        await waitFor(systemClock, random() * 60);
      }
    });
    const commanding = (async () => {
      const random = mulberry32(SEED + 200);
      for (let count = 0; count < COMMANDS; count += 1) await tell((telling) => tellCommand(telling, random));
    })();
    await Promise.all([...callers, commanding]);
    quiet.abort();
    await Promise.all(suffering);

    // The programs finish by themselves.
    const due = countOfConsequences(told.map(({ fact }) => fact));
    const signal = AbortSignal.timeout(REACTED_MS);
    const reactions = publisher.events.subscribe({ after: 'beginning', types: CONSEQUENCES, signal });
    for (let there = 0; there < due && (await reactions.next()).done !== true;) there += 1;
    await reactions.return();
    const head = await publisher.events.head();
    const log = await wholeLog();
    verifyLog(log, told);
    for (const { url = '' } of programs)
      for (const [name, rows] of Object.entries(viewsOf(log)))
        expect(await viewAt(url, name, head), `${name} at ${url}`).toEqual(rows);
    for (const program of programs) await program.kill('SIGTERM');

    // Nothing was left for a later start to do.
    await using later = await open({ ...config, store, environment: { logger: silentLogger } });
    await later.settled();
    expect(await later.deadLetters.list()).toMatchObject({ items: [] });
    expect((await wholeLog()).length).toBe(log.length);
  }, 180_000);
});
