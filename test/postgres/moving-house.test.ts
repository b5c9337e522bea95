import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { postgres } from '../../src/backends/postgres/postgres.ts';
import { imageOf } from '../../src/contract/image-samples.ts';
import type { ImageRecord } from '../../src/index.ts';
import { createEnvironment } from '../../src/system/environment.ts';
import { programFolder, runCli, startCli, untilOutput } from '../cli/spawn-cli.ts';
import type { CliResult, ScratchFolder } from '../cli/spawn-cli.ts';
import { append, streamEvent, withStore } from '../sqlite/sqlite-bench.ts';
import { systemClock, waitFor } from '../../src/system/clock.ts';
import type { PostgresServer } from './server.ts';
import { startPostgres } from './server.ts';

const EXAMPLE = fileURLToPath(new URL('../../examples/shop', import.meta.url));
/** The shop of the examples; and somebody who calls the customers of large orders, once there is a telephone. */
const SHOP = `
import { existsSync } from 'node:fs';
import { defineAutomation, defineConfig, defineEvent } from 'thereupon';
import { z } from 'zod';
import shop from '${EXAMPLE}/thereupon.config.ts';
import { LargeOrderNoticed } from '${EXAMPLE}/events.ts';
const CustomerCalled = defineEvent({ type: 'shop.customer.called', stream: (data) => 'customer-' + data.customer, schema: z.object({ customer: z.string() }) });
export default defineConfig({
  ...shop,
  store: './data/shop.db',
  automations: [...shop.automations, defineAutomation({
    name: 'call-customers', on: LargeOrderNoticed, publishes: [CustomerCalled], retry: { attempts: 1 },
    async run({ event, publish }) {
      if (!existsSync('telephone')) throw new Error('there is no telephone');
      await publish(CustomerCalled, { customer: event.data.customer });
    },
  })],
  feed: shop.feed,
});
`;

let server: PostgresServer;
let program: ScratchFolder;

beforeAll(async () => {
  server = await startPostgres();
  program = programFolder(SHOP);
}, 120_000);

afterAll(async () => {
  program[Symbol.dispose]();
  await server.stop();
});

const atSchema = (schema: string) => ({ THEREUPON_STORE: `${server.url}?schema=${schema}` });

async function cli(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CliResult> {
  const result = await runCli(args, { cwd: program.path, env });
  expect(result.code, `${args.join(' ')}: ${result.stderr}`).toBe(0);
  return result;
}

async function json(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Record<string, unknown>> {
  return JSON.parse((await cli([...args, '--json'], env)).stdout) as Record<string, unknown>;
}

interface Letters {
  readonly items: readonly { readonly id: string; readonly key: string }[];
}

async function started(feed: string, env: Readonly<Record<string, string>> = {}) {
  const child = startCli(['start', '--live', '--port', '0', '--feed', feed], { cwd: program.path, env });
  await untilOutput(child.stdout, /open\s+http/);
  return child;
}

async function stopped(child: Awaited<ReturnType<typeof started>>): Promise<void> {
  child.stdout.resume();
  child.kill('SIGTERM');
  expect(await once(child, 'close')).toEqual([0, null]);
}

/** The lines of an image with many events. */
function* imageOf30000(): Generator<string, void, undefined> {
  const hash = createHash('sha256');
  const line = (record: object) => `${JSON.stringify(record)}\n`;
  const data = JSON.stringify('x'.repeat(4_000));
  const counts = {
    schema: 0,
    stream: 1,
    event: 30_000,
    removed: 0,
    consumer: 0,
    delivery: 0,
    namespace: 0,
    row: 0,
    pending: 0,
  };
  const head = [
    { kind: 'head', format: 1, position: 30_000, recordedMs: 1 },
    { kind: 'stream', stream: 's-1', version: 30_000, deleted: false },
  ];
  const lines = function* () {
    for (const record of head) yield line(record);
    for (let n = 1; n <= 30_000; n += 1)
      yield line({ kind: 'event', ...streamEvent(`e${n}`, 's-1', { data }), position: n, version: n, recordedMs: 1 });
  };
  for (const one of lines()) {
    hash.update(one);
    yield one;
  }
  yield line({ kind: 'end', counts, sha256: hash.digest('hex') });
}

const imageAt = async (schema: string): Promise<readonly ImageRecord[]> => {
  const store = await postgres(`${server.url}?schema=${schema}`).open(createEnvironment());
  try {
    return await imageOf(store);
  } finally {
    await store.close();
  }
};

describe('the shop moves from a file to PostgreSQL', () => {
  test('and goes on exactly where it was (G2, G5, G6, G7)', async () => {
    const before = await started('200');
    before.stdout.resume();
    // Not by what is printed: of many lines a second the program shows some.
    const letterCount = async () => ((await json(['dead-letters', 'list'], {})) as unknown as Letters).items.length;
    while ((await letterCount()) < 6) await waitFor(systemClock, 100);
    await stopped(before);
    const file = program.file('data/shop.db');
    const removed = streamEvent('an-old-fact', 'old-1');
    const present = streamEvent('a-present-fact', 'new-1');
    const image = await withStore(file, async (store) => {
      await append(store, removed, present);
      await store.log.deleteStream('gone-1');
      await store.log.truncateStream('old-1', 2);
      return imageOf(store);
    });

    await cli(['export', '--exact', '--out', 'shop.ndjson']);
    const moved = await cli(['import', '--exact', 'shop.ndjson'], atSchema('shop'));
    expect(moved.stdout).toMatch(/^moved: [\d,]+ events, 1 identity of removed events, /);
    expect(await imageAt('shop')).toEqual(image);
    // To the letter, so that whoever moves can compare.
    await cli(['export', '--exact', '--out', 'moved.ndjson'], atSchema('shop'));
    expect(readFileSync(program.file('moved.ndjson'))).toEqual(readFileSync(program.file('shop.ndjson')));

    writeFileSync(program.file('telephone'), '');
    const head = (image[0] as { position: number }).position;
    const running = await started('off', atSchema('shop'));
    try {
      const letters = (await json(['dead-letters', 'list'], atSchema('shop'))) as unknown as Letters;
      expect(letters.items.length).toBeGreaterThan(5);
      const [letter] = letters.items;
      // What was handled is not handled again.
      expect(await json(['consumers', 'show', 'ship-order'], atSchema('shop'))).toMatchObject({ state: 'running' });
      const called = untilOutput(running.stdout, /⇒ call-customers: shop\.customer\.called/);
      await cli(['dead-letters', 'retry', letter?.id ?? ''], atSchema('shop'));
      await called;

      const fresh = {
        orderId: 'fresh',
        customer: 'c',
        totalCents: 1,
        lines: [{ sku: 'MUG', quantity: 1, priceCents: 1 }],
      };
      const shipping = untilOutput(running.stdout, /⇒ reserve-stock: shop\.stock\.reserved\s+order-fresh@2/);
      const placed = await json(
        ['publish', '-t', 'shop.order.placed', '-d', JSON.stringify(fresh), '--id', 'fresh-1'],
        atSchema('shop'),
      );
      expect(Number(placed['position'])).toBeGreaterThan(head);
      await shipping;
      const row = await json(
        ['views', 'show', 'order-status', 'fresh', '--after-position', String(placed['position'])],
        atSchema('shop'),
      );
      expect(row).toMatchObject({ row: { status: 'placed' } });
    } finally {
      await stopped(running);
    }

    const after = await imageAt('shop');
    const eventsOf = (records: readonly ImageRecord[]) => records.filter(({ kind }) => kind === 'event');
    // The history is as it was; each retry and each new fact came on top of it.
    expect(eventsOf(after).slice(0, eventsOf(image).length)).toEqual(eventsOf(image));
    const store = await postgres(`${server.url}?schema=shop`).open(createEnvironment());
    try {
      const again = await store.log.append({ events: [removed, present], onDuplicate: 'verify' });
      expect(again).toMatchObject({ ok: true, events: [{ duplicate: true }, { duplicate: true }] });
      const gone = await store.log.append({ events: [streamEvent('x', 'gone-1')], onDuplicate: 'verify' });
      expect(gone).toMatchObject({ ok: false, reason: 'stream-deleted' });
      expect((await store.report(true)).problems).toEqual([]);
    } finally {
      await store.close();
    }

    // And back again: a program that was stopped in order has its lanes at one place.
    await cli(['export', '--exact', '--out', 'back.ndjson'], atSchema('shop'));
    await cli(['import', '--exact', 'back.ndjson', '--store', 'back.db']);
    expect(await withStore(program.file('back.db'), imageOf)).toEqual(after);
  }, 240_000);

  test('takes a store of any size in bounded memory (G10)', async () => {
    const child = startCli(['import', '--exact', '-'], {
      cwd: program.path,
      env: atSchema('bounded'),
      nodeArgs: ['--max-old-space-size=64'],
    });
    child.stderr.resume();
    // 120 MB.
    await pipeline(imageOf30000(), child.stdin);
    const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
    expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/^moved: 30,000 events, /) as string });
  }, 240_000);

  test('into a schema where a program ran before: it is refused, and says what is there', async () => {
    await stopped(await started('off', atSchema('used')));
    const refused = await runCli(['import', '--exact', 'shop.ndjson'], { cwd: program.path, env: atSchema('used') });
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/it holds schemas.*consumers/) as string });
    // What a person sees names the place, never the password.
    expect(refused.stderr).not.toContain('postgres@');
  });

  test('an import that is killed in the middle leaves an empty schema, and can be run again (G3)', async () => {
    await withStore(program.file('large.db'), async (store) => {
      const data = JSON.stringify({ text: 'x'.repeat(4_000) });
      for (let batch = 0; batch < 8; batch += 1) {
        const events = Array.from({ length: 500 }, (_, index) =>
          streamEvent(`${batch}-${index}`, `s-${index}`, { data }),
        );
        await append(store, ...events);
      }
    });
    await cli(['export', '--exact', '--store', 'large.db', '--out', 'large.ndjson']);
    const bytes = readFileSync(program.file('large.ndjson'));
    const child = startCli(['import', '--exact', '-'], { cwd: program.path, env: atSchema('killed') });
    child.stdin.on('error', () => undefined);
    // All but the end is taken by then, for it is more than a pipe holds.
    await new Promise((resolve) => child.stdin.write(bytes.subarray(0, -1_000), resolve));
    child.kill('SIGKILL');
    expect(await once(child, 'close')).toEqual([null, 'SIGKILL']);
    expect(await imageAt('killed')).toHaveLength(2);
    const { code, stderr } = await runCli(['import', '--exact', 'large.ndjson'], {
      cwd: program.path,
      env: atSchema('killed'),
      nodeArgs: ['--max-old-space-size=64'],
    });
    expect(code, stderr).toBe(0);
    expect(await imageAt('killed')).toEqual(await withStore(program.file('large.db'), imageOf));
  });
});
