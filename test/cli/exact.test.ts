import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sqlite } from '../../src/backends/sqlite/sqlite.ts';
import { runProgram } from '../../src/cli/program.ts';
import { holdingEverything, imageOf } from '../../src/contract/image-samples.ts';
import type { ImageRecord } from '../../src/index.ts';
import { withStore } from '../sqlite/sqlite-bench.ts';
import { memoryTerminal } from './memory-terminal.ts';
import { programFolder, runCli, scratchFolder, startCli, untilOutput } from './spawn-cli.ts';
import type { ScratchFolder } from './spawn-cli.ts';

let folder: ScratchFolder;
/** An exact export of a store that holds something of everything. */
let exported: string;

beforeAll(async () => {
  folder = scratchFolder();
  await withStore(folder.file('from.db'), holdingEverything);
  await cli(['export', '--exact', '--store', 'from.db', '--out', 'image.ndjson']);
  exported = readFileSync(folder.file('image.ndjson'), 'utf8');
});
afterAll(() => folder[Symbol.dispose]());

async function cli(args: readonly string[], options: { env?: Readonly<Record<string, string>>; input?: string } = {}) {
  const terminal = memoryTerminal({ cwd: folder.path, ...options });
  const code = await runProgram(args, terminal);
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
}

const imageAt = (name: string): Promise<readonly ImageRecord[]> => withStore(folder.file(name), imageOf);

describe('an exact export', () => {
  it('is taken by an exact import, into a store that is then the same, and says what moved', async () => {
    expect(await cli(['import', '--exact', 'image.ndjson', '--store', 'to.db'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /^moved: 55 events, 153 identities of removed events, 1 command, \d links of the hash chain, 6 streams, 2 schemas, 2 consumers, 3 deliveries, 2 namespaces, 3 rows \(/,
      ) as string,
    });
    expect(await imageAt('to.db')).toEqual(await imageAt('from.db'));
    const out = await cli(['export', '--exact', '--store', 'to.db']);
    expect({ ...out, stdout: out.stdout === exported }).toEqual({ code: 0, stdout: true, stderr: '' });
  });

  it('goes from one command to the other, and answers in JSON', async () => {
    const there = await cli(['import', '--exact', '-', '--store', 'piped.db', '--json'], { input: exported });
    expect(JSON.parse(there.stdout)).toMatchObject({ counts: { event: 55, removed: 153, row: 3 } });
    const back = await cli(['export', '--exact', '--store', 'piped.db', '--out', 'again.ndjson', '--json']);
    expect(JSON.parse(back.stdout)).toMatchObject({ file: 'again.ndjson', counts: { event: 55 } });
    expect(readFileSync(folder.file('again.ndjson'), 'utf8')).toBe(exported);
    expect(readdirSync(folder.path).filter((name) => name.includes('.part'))).toEqual([]);
  });

  it('opens the store itself, wherever THEREUPON_URL points', async () => {
    const env = { THEREUPON_URL: 'http://127.0.0.1:1', THEREUPON_STORE: folder.file('from.db') };
    expect(await cli(['export', '--exact'], { env })).toMatchObject({ code: 0, stdout: exported });
  });

  it('makes no store for reading, and no file of what is none', async () => {
    expect(await cli(['export', '--exact', '--store', 'nothing.db', '--out', 'none.ndjson'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('there is no store at') as string,
    });
    writeFileSync(folder.file('other.db'), 'not a database, but long enough to be taken for one by its size alone');
    expect(await cli(['export', '--exact', '--store', 'other.db', '--out', 'none.ndjson'])).toMatchObject({ code: 1 });
    expect(existsSync(folder.file('nothing.db'))).toBe(false);
    expect(readdirSync(folder.path).filter((name) => name.startsWith('none.ndjson'))).toEqual([]);
  });

  it('that is stopped leaves no file', async () => {
    const terminal = memoryTerminal({ cwd: folder.path });
    terminal.stop();
    const code = await runProgram(['export', '--exact', '--store', 'from.db', '--out', 'stopped.ndjson'], terminal);
    expect({ code, stderr: terminal.stderr() }).toEqual({ code: 1, stderr: 'stopped; nothing was written\n' });
    expect(readdirSync(folder.path).filter((name) => name.startsWith('stopped'))).toEqual([]);
  });
});

/** Lines with a last one that fits them. */
function summed(before: readonly string[]): string {
  const text = before.map((line) => `${line}\n`).join('');
  const end = JSON.parse(exported.trimEnd().split('\n').at(-1) ?? '') as object;
  return `${text}${JSON.stringify({ ...end, sha256: createHash('sha256').update(text).digest('hex') })}\n`;
}

describe('an exact import refuses', () => {
  const lines = () => exported.trimEnd().split('\n');
  const wrong: Readonly<Record<string, readonly [text: () => string, message: RegExp]>> = {
    'a file without its last line': [() => `${lines().slice(0, -1).join('\n')}\n`, /is cut off after 23\d lines/],
    'a file that ends within a line': [() => exported.slice(0, -300), /:23\d: is not JSON .*cut off/],
    'an empty file': [() => '', /is cut off after 0 lines/],
    'a file that was altered': [() => exported.replace('\\"n\\":1', '\\"n\\":2'), /:23\d: .*another SHA-256.*altered/],
    'a file that lacks a line': [() => lines().toSpliced(100, 1).join('\n'), /another SHA-256/],
    'a file whose sum was altered': [() => exported.replace('"sha256":"', '"sha256":"0'), /another SHA-256/],
    'a file with more after its end': [() => `${exported}{"kind":"row"}\n`, /there is more after the last line/],
    'events that export has written': [() => '{"specversion":"1.0","id":"1"}\n', /written by export --exact\?/],
    'an image of another format': [
      () => summed([lines()[0]?.replace('"format":1', '"format":2') ?? '', ...lines().slice(1, -1)]),
      /record 1 of the image, format: expected 1, .*found 2/,
    ],
    'what another program wrote, and summed': [
      () => summed([...lines().slice(0, 1), '{"kind":"stream","stream":"a","version":-1,"deleted":false}']),
      /record 2 of the image \(stream\)\.version: expected a whole number from 0, found -1/,
    ],
  };
  it.each(Object.entries(wrong))('%s; nothing of it is in the store (G3)', async (_what, [text, message]) => {
    writeFileSync(folder.file('wrong.ndjson'), text());
    const { code, stderr } = await cli(['import', '--exact', 'wrong.ndjson', '--store', 'refused.db']);
    expect(stderr).toMatch(message);
    expect(code).toBe(1);
    expect(await imageAt('refused.db')).toHaveLength(2);
  });

  it('a store that holds something, and names what', async () => {
    const before = await imageAt('from.db');
    expect(await cli(['import', '--exact', 'image.ndjson', '--store', 'from.db'])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /not empty, it holds schemas, streams, events, .*consumers, deliveries, rows; .*name another one/,
      ) as string,
    });
    expect(await imageAt('from.db')).toEqual(before);
  });

  it('a store that a program holds, and names the program', async () => {
    await withStore(folder.file('held.db'), async () => {
      expect(await cli(['import', '--exact', 'image.ndjson', '--store', 'held.db'])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining(`held by process ${process.pid}`) as string,
      });
    });
  });

  it.each([
    [['export', '--exact', '--type', 'a', '--store', 'x.db'], '--type does not go with --exact'],
    [['export', '--exact', '--category', 'a', '--store', 'x.db'], '--category'],
    [['export', '--exact', '--where', '{}', '--store', 'x.db'], '--where'],
    [['export', '--exact', '--after', '3', '--store', 'x.db'], '--after'],
    [['export', '--exact', '--restart', '--store', 'x.db'], '--restart'],
    [['export', '--exact', '--url', 'http://127.0.0.1:1'], '--url does not go with --exact: it opens the store itself'],
    [['import', '--exact', 'f', '--mapping', 'm', '--store', 'x.db'], '--mapping'],
    [['import', '--exact', 'f', '--dry-run', '--store', 'x.db'], '--dry-run'],
    [['import', '--exact', 'f', '--batch', '500', '--store', 'x.db'], '--batch'],
    [['import', '--exact', 'f', '--api-key', 'k', '--store', 'x.db'], '--api-key'],
    [['import', '--exact', 'f', 'g', '--store', 'x.db'], 'one file'],
  ])('what makes no sense beside it: %j', async (args, message) => {
    expect(await cli(args)).toMatchObject({ code: 2, stderr: expect.stringContaining(message) as string });
    expect(existsSync(folder.file('x.db'))).toBe(false);
  });

  it('a store in memory, and a file that is not there', async () => {
    expect(await cli(['export', '--exact', '--store', 'memory:'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('lives in its program') as string,
    });
    expect(await cli(['import', '--exact', 'nowhere.ndjson', '--store', 'x.db'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('there is no such file') as string,
    });
  });
});

/** Publishes and folds without end. */
const RESTLESS = `
import { defineConfig, defineConsumer, defineEvent, defineProjection } from 'thereupon';
import { z } from 'zod';
const Counted = defineEvent({ type: 'things.counted', stream: (data) => 'thing-' + data.n % 50, schema: z.object({ n: z.int() }) });
const Answered = defineEvent({ type: 'things.answered', stream: (data) => 'answer-' + data.n % 50, schema: z.object({ n: z.int() }) });
export default defineConfig({
  store: './restless.db',
  events: [Counted, Answered],
  consumers: [defineConsumer({ name: 'answering', on: Counted, publishes: [Answered], handle: ({ event, publish }) => publish(Answered, { n: event.data.n }) })],
  projections: [defineProjection({ name: 'counts', key: (event) => String(event.data.n % 50), initial: () => ({ counted: 0, answered: 0 }), on: [
    [Counted, (row) => ({ ...row, counted: row.counted + 1 })],
    [Answered, (row) => ({ ...row, answered: row.answered + 1 })],
  ] })],
  async feed({ system, signal }) {
    for (let n = 0; !signal.aborted; n += 1) await system.publish(Counted, { n }, { id: 'e' + n });
  },
});
`;

describe('beside a program that publishes and reacts all the time', () => {
  it('an exact export is of one instant: rows, checkpoints and what was published fit together (G3, G6)', async () => {
    using program = programFolder(RESTLESS);
    const running = startCli(['start', '--live', '--port', '0', '--feed', '1'], { cwd: program.path });
    try {
      await untilOutput(running.stdout, /things\.answered/);
      running.stdout.resume();
      let head = 0;
      for (let turn = 0; turn < 4; turn += 1) {
        const out = await runCli(['export', '--exact', '--out', 'image.ndjson'], { cwd: program.path });
        expect(out.code, out.stderr).toBe(0);
        const image = readFileSync(program.file('image.ndjson'), 'utf8')
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as ImageRecord);
        expect((image[0] as { position: number }).position).toBeGreaterThan(head);
        head = (image[0] as { position: number }).position;
        assertFitting(image);
      }
      running.kill('SIGKILL');
      await once(running, 'close');
      const moved = await runCli(['import', '--exact', 'image.ndjson', '--store', 'moved.db'], { cwd: program.path });
      expect(moved.code, moved.stderr).toBe(0);
      // What was exported in the middle of everything goes on from there, and comes to what the log says.
      const again = startCli(['start', '--live', '--port', '0', '--feed', 'off', '--store', 'moved.db'], {
        cwd: program.path,
      });
      await untilOutput(again.stdout, /open\s+http/);
      await runCli(['views', 'show', 'counts', '1', '--after-position', String(head), '--store', 'moved.db'], {
        cwd: program.path,
      });
      again.kill('SIGTERM');
      expect(await once(again, 'close')).toEqual([0, null]);
      await withStore(program.file('moved.db'), async (store) => assertFitting(await imageOf(store)));
    } finally {
      running.kill('SIGKILL');
    }
  }, 240_000);
});

/** What the projection counted is what the log holds up to its checkpoint; what was answered, what the consumer is done with. */
function assertFitting(image: readonly ImageRecord[]): void {
  const doneBy = (name: string) => {
    const record = image.find((one) => one.kind === 'consumer' && one.consumer === name);
    if (record?.kind !== 'consumer') throw new Error(`no consumer ${name}`);
    const { low, done } = record.checkpoint;
    return (at: number) => at <= low || done.some(([from, to]) => from <= at && at <= to);
  };
  const events = image.flatMap((one) => (one.kind === 'event' ? [one] : []));
  const ofType = (type: string) => events.filter((event) => event.type === type);
  const rows = image.flatMap((one) =>
    one.kind === 'row' && one.namespace === 'view:counts' ? [one.value as { counted: number; answered: number }] : [],
  );
  const counted = doneBy('counts');
  const sum = (part: 'counted' | 'answered') => rows.reduce((total, row) => total + row[part], 0);
  expect([sum('counted'), sum('answered')]).toEqual(
    ['things.counted', 'things.answered'].map((type) => ofType(type).filter((one) => counted(one.position)).length),
  );
  const answered = doneBy('answering');
  expect(
    ofType('things.answered')
      .map(({ causationid = '' }) => causationid)
      .sort(),
  ).toEqual(
    ofType('things.counted')
      .filter(({ position }) => answered(position))
      .map(({ id }) => id)
      .sort(),
  );
}

describe('an exact import that is killed', () => {
  it('leaves an empty store, and can be run again (G3)', async () => {
    await withStore(folder.file('large.db'), async (store) => {
      for (let batch = 0; batch < 20; batch += 1) {
        const events = Array.from({ length: 500 }, (_, index) => largeEvent(`${batch}-${index}`, index));
        await store.log.append({ events, onDuplicate: 'verify' });
      }
    });
    await cli(['export', '--exact', '--store', 'large.db', '--out', 'large.ndjson']);
    const text = readFileSync(folder.file('large.ndjson'));
    const child = startCli(['import', '--exact', '-', '--store', 'killed.db'], { cwd: folder.path });
    child.stdin.on('error', () => undefined);
    // All but the end is taken by then, for it is more than a pipe holds.
    await new Promise((resolve) => child.stdin.write(text.subarray(0, -1_000), resolve));
    child.kill('SIGKILL');
    expect(await once(child, 'close')).toEqual([null, 'SIGKILL']);
    expect(await imageAt('killed.db')).toHaveLength(2);
    expect(await cli(['import', '--exact', 'large.ndjson', '--store', 'killed.db'])).toMatchObject({ code: 0 });
    expect(await imageAt('killed.db')).toEqual(await imageAt('large.db'));
  });

  it('and one that is asked to stop, says so and leaves an empty store', async () => {
    const child = startCli(['import', '--exact', '-', '--store', 'stopped.db'], { cwd: folder.path });
    child.stdin.on('error', () => undefined);
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const text = readFileSync(folder.file('large.ndjson'));
    await new Promise((resolve) => child.stdin.write(text.subarray(0, -2_000_000), resolve));
    child.kill('SIGTERM');
    child.stdin.end(text.subarray(-2_000_000));
    expect(await once(child, 'close')).toEqual([1, null]);
    expect(stderr.replaceAll(/^.* records\n/gm, '')).toBe('stopped; the store is empty as before\n');
    expect(await imageAt('stopped.db')).toHaveLength(2);
  });

  it('takes a file of any size in bounded memory (G10)', async () => {
    const { code, stdout, stderr } = await runCli(
      ['import', '--exact', 'large.ndjson', '--store', 'bounded.db', '--json'],
      { cwd: folder.path, nodeArgs: ['--max-old-space-size=40'] },
    );
    // On a slow machine there are lines of progress.
    expect({ code, said: stderr.replaceAll(/^.* records\n/gm, '') }).toEqual({ code: 0, said: '' });
    expect(JSON.parse(stdout)).toMatchObject({ counts: { event: 10_000 } });
    const out = await runCli(['export', '--exact', '--store', 'bounded.db', '--out', 'bounded.ndjson'], {
      cwd: folder.path,
      nodeArgs: ['--max-old-space-size=40'],
    });
    expect(out.code, out.stderr).toBe(0);
    expect(readFileSync(folder.file('bounded.ndjson')).equals(readFileSync(folder.file('large.ndjson')))).toBe(true);
  });
});

function largeEvent(id: string, index: number) {
  return {
    id,
    source: '/test',
    type: 'test.thing.happened',
    schemaVersion: 1,
    stream: `s-${index}`,
    subject: undefined,
    time: '2026-01-01T00:00:00Z',
    correlationid: id,
    causationid: undefined,
    encoding: 'json' as const,
    data: JSON.stringify({ text: 'x'.repeat(4_000) }),
    attributes: undefined,
  };
}

it('a store that is given as a factory is read beside its writer too', async () => {
  const { readImage } = await import('../../src/index.ts');
  await withStore(folder.file('from.db'), async () => {
    let records = 0;
    for await (const page of readImage(sqlite(folder.file('from.db')))) records += page.length;
    expect(records).toBeGreaterThan(200);
  });
});
