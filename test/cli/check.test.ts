/** `thereupon check` by real processes: what a build that runs it gets to see, and with which exit code. */
import { readdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { programFolder, runCli, scratchFolder, startCli, untilOutput } from './spawn-cli.ts';
import type { ScratchFolder } from './spawn-cli.ts';

/** A program with one event, of which nothing but the schema (and what is said beside it) differs. */
const program = (schema: string, { version = 1, more = '' }: { version?: number; more?: string } = {}): string => `
import { defineConfig, defineEvent } from 'thereupon';
import { z } from 'zod';
const Placed = defineEvent({ type: 'shop.order.placed', version: ${version}, stream: (data) => 'order-' + data.orderId, schema: ${schema} });
export default defineConfig({ store: './shop.db', source: '/shop', events: [Placed], ${more} });
`;
const FIRST = 'z.object({ orderId: z.string(), totalCents: z.int() })';
const STRICTER = 'z.object({ orderId: z.string(), totalCents: z.int(), customer: z.string() })';
const WIDER = 'z.object({ orderId: z.string(), totalCents: z.int(), customer: z.string().optional() })';

let folder: ScratchFolder;

async function cli(...args: string[]) {
  return runCli(args, { cwd: folder.path });
}

async function json(...args: string[]) {
  const { code, stdout } = await cli(...args, '--json');
  return { code, answer: JSON.parse(stdout) as Record<string, unknown> & { events: Record<string, unknown>[] } };
}

describe('schemas against those in the store', () => {
  beforeAll(async () => {
    folder = programFolder(program(FIRST));
    const data = JSON.stringify({ orderId: '1', totalCents: 4200 });
    const { code, stderr } = await cli('publish', '-t', 'shop.order.placed', '-d', data);
    expect(code, stderr).toBe(0);
    writeFileSync(folder.file('stricter.config.ts'), program(STRICTER, { version: 2 }));
    writeFileSync(folder.file('wider.config.ts'), program(WIDER, { version: 2 }));
    writeFileSync(folder.file('in-place.config.ts'), program(STRICTER));
    writeFileSync(
      folder.file('lenient.config.ts'),
      program(STRICTER, { version: 2, more: "compatibility: 'forward'" }),
    );
    writeFileSync(folder.file('other.config.ts'), program(FIRST).replace('shop.order.placed', 'shop.order.paid'));
    writeFileSync(folder.file('wrong.config.ts'), program(FIRST, { more: "compatibility: 'sideways'" }));
  });
  afterAll(() => folder[Symbol.dispose]());

  it('exits with 0 where nothing has changed', async () => {
    const { code, stdout } = await cli('check');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^✓ shop\.order\.placed  v1 {6}unchanged$/m);
    expect(stdout).toContain('✓ 1 event: nothing is wrong');
  });

  it('exits with 5 where the new version demands more, and says what, where and why', async () => {
    const { code, stdout } = await cli('check', '-c', 'stricter.config.ts', '--sample', '0');
    expect(code).toBe(5);
    expect(stdout).toBe(`✗ shop.order.placed  v1, v2  incompatible
    property-became-required  data.customer  v1 → v2, backward
      was ["orderId","totalCents"]  at #/required
      is  ["orderId","totalCents","customer"]  at #/required
      the old schema allows objects without this property, and the new schema demands it.

mode backward: what is recorded has to be readable with the new schemas
✗ 1 event of 1 with 1 finding
  → what is recorded stays as it is: change the new schema so that it fits, give the fact a new type, or demand less (--mode, or compatibility in the configuration)
  → each rule is explained in docs/guides/schemas.md
`);
  });

  it('changes nothing: it says the same again', async () => {
    expect((await cli('check', '-c', 'in-place.config.ts')).code).toBe(5);
    expect((await cli('check', '-c', 'in-place.config.ts')).code).toBe(5);
    expect((await cli('check')).code).toBe(0);
  });

  it('answers programs in JSON', async () => {
    const { code, answer } = await json('check', '-c', 'stricter.config.ts');
    expect(code).toBe(5);
    expect(answer).toMatchObject({
      ok: false,
      mode: 'backward',
      events: [
        {
          type: 'shop.order.placed',
          versions: [1, 2],
          state: 'incompatible',
          findings: [
            {
              rule: 'property-became-required',
              direction: 'backward',
              place: 'data.customer',
              olderVersion: 1,
              newerVersion: 2,
              newerPointer: '/required',
            },
          ],
        },
      ],
    });
  });

  it('lets an optional property come, in every mode, since what zod does not declare is not recorded', async () => {
    expect(await json('check', '-c', 'wider.config.ts', '--mode', 'full-transitive')).toMatchObject({
      code: 0,
      answer: { ok: true, mode: 'full-transitive', events: [{ state: 'compatible', versions: [1, 2] }] },
    });
  });

  it('sees a schema that was changed without a new version', async () => {
    const { code, stdout } = await cli('check', '-c', 'in-place.config.ts');
    expect(code).toBe(5);
    expect(stdout).toContain('v1 is not the v1 of the store: give a changed schema a new version');
    expect(stdout).toContain('v1 as recorded → as defined');
  });

  it('goes by the mode of the configuration, and by that of the command before it', async () => {
    expect(await json('check', '-c', 'lenient.config.ts')).toMatchObject({ code: 0, answer: { mode: 'forward' } });
    expect(await json('check', '-c', 'lenient.config.ts', '--mode', 'full')).toMatchObject({
      code: 5,
      answer: { mode: 'full' },
    });
    expect((await cli('check', '-c', 'stricter.config.ts', '--mode', 'none')).code).toBe(0);
  });

  it('says what is new, and what this program does not define', async () => {
    const { code, stdout, stderr } = await cli('check', '-c', 'other.config.ts');
    expect(code).toBe(0);
    expect(stdout).toContain('shop.order.paid  v1      new: not in the store yet');
    expect(stderr).toContain('not defined by this program, and so not compared: shop.order.placed');
  });

  it('compares the versions of a store with each other where there is no program', async () => {
    using elsewhere = scratchFolder();
    const { code, stdout } = await runCli(['check', '-s', folder.file('shop.db')], { cwd: elsewhere.path });
    expect(code).toBe(0);
    expect(stdout).toContain('shop.order.placed  v1      unchanged');
  });

  it('asks the server of a running program', async () => {
    const running = startCli(['start', '--port', '0'], { cwd: folder.path });
    try {
      const output = await untilOutput(running.stdout, /open\s+http:\S+/);
      const url = /open\s+(http:\S+)/.exec(output)?.[1] ?? '';
      expect((await cli('check', '-c', 'stricter.config.ts')).code).toBe(5);
      const remote = await json('check', '-c', 'stricter.config.ts', '--url', url);
      expect(remote).toMatchObject({ code: 5, answer: { events: [{ state: 'incompatible' }] } });
      expect((await cli('check', '-c', 'wider.config.ts', '--url', url)).code).toBe(0);
    } finally {
      running.kill('SIGKILL');
    }
  });

  it.each([
    [['check', '--mode', 'sideways'], 2, /--mode.*sideways.*backward-transitive/s],
    [['check', '--mode', 'full', '--design'], 2, /give one of them/],
    [
      ['check', '-c', 'wrong.config.ts'],
      1,
      /wrong\.config\.ts: compatibility: expected one of none, backward, .*found "sideways"/,
    ],
    [['check', '-s', 'nowhere.db'], 1, /there is no store at .*nowhere\.db yet/],
  ])('%j exits with %i', async (args, code, words) => {
    const result = await cli(...args);
    expect(result.code).toBe(code);
    expect(result.stderr).toMatch(words);
  });
});

describe('a program that has no store yet', () => {
  it('is in order by itself, and its catalog is that of its definitions; no store comes of it', async () => {
    using own = programFolder(program(FIRST));
    const at = { cwd: own.path };
    for (const args of [[], ['--store', 'memory:']]) {
      const checked = await runCli(['check', ...args], at);
      expect(checked).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('new: not in the store yet') as string,
      });
      expect(checked.stderr.includes('there is no store at ')).toBe(args.length === 0);
      const types = await runCli(['catalog', '--format', 'types', ...args], at);
      expect(types).toMatchObject({ code: 0, stdout: expect.stringContaining('ShopOrderPlacedV1') as string });
    }
    expect(await runCli(['catalog', '--store', 'nowhere.db'], at)).toMatchObject({ code: 1 });
    expect(readdirSync(own.path).filter((name) => name.includes('.db'))).toEqual([]);
  }, 60_000);
});

describe('the design of events', () => {
  beforeAll(() => {
    folder = programFolder(program(FIRST));
    writeFileSync(
      folder.file('bad.config.ts'),
      program('z.object({ weight: z.number() })').replace('shop.order.placed', 'shop.send-email'),
    );
    const all = 'z.object({ orderId: z.string(), a: z.string(), b: z.string(), c: z.string() })';
    writeFileSync(folder.file('warned.config.ts'), program(all).replace('shop.order.placed', 'shop.order.updated'));
    const off = "design: { rules: { identity: 'off' }, types: { 'shop.order.placed': { units: 'warn' } } }";
    writeFileSync(folder.file('switched.config.ts'), program('z.object({ weight: z.number() })', { more: off }));
    writeFileSync(
      folder.file('gone.config.ts'),
      program(FIRST, { more: "design: { types: { 'shop.order.gone': {} } }" }),
    );
    writeFileSync(folder.file('wrong.config.ts'), program(FIRST, { more: "design: { rules: { unit: 'off' } }" }));
  });
  afterAll(() => folder[Symbol.dispose]());

  it('needs no store, and exits with 0 where there is nothing to say', async () => {
    expect(await cli('check', '--design')).toMatchObject({
      code: 0,
      stdout: '✓ 1 event: nothing to say of their design\n',
    });
  });

  it('exits with 5 on an error, and shows the reason and an example', async () => {
    const { code, stdout } = await cli('check', '--design', '-c', 'bad.config.ts');
    expect(code).toBe(5);
    expect(stdout).toMatch(
      /^shop\.send-email\n  ✗ past-tense  its name\n {4}"email" does not say that something has happened/,
    );
    expect(stdout).toContain('    → shop.email.sent\n');
    expect(stdout).toContain('  ✗ units  data.weight\n');
    expect(stdout).toContain('✗ 1 event: 4 errors\n');
    const { answer } = await json('check', '--design', '-c', 'bad.config.ts');
    expect(answer).toMatchObject({ ok: false, events: 1 });
    expect(answer['findings']).toMatchObject([
      { rule: 'past-tense', severity: 'error', type: 'shop.send-email', version: 1, example: 'shop.email.sent' },
      { rule: 'business-fact' },
      { rule: 'identity' },
      { rule: 'units', place: 'data.weight' },
    ]);
  });

  it('exits with 0 on warnings, and goes by what the configuration switches', async () => {
    const warned = await cli('check', '--design', '-c', 'warned.config.ts');
    expect(warned).toMatchObject({ code: 0, stdout: expect.stringContaining('! generic-change  its name') as string });
    const switched = await cli('check', '--design', '-c', 'switched.config.ts');
    expect(switched).toMatchObject({ code: 0, stdout: expect.stringContaining('! units  data.weight') as string });
    expect(switched.stdout).not.toContain('identity');
    const gone = await cli('check', '--design', '-c', 'gone.config.ts');
    expect(gone.stderr).toBe('design.types names what this program does not define: shop.order.gone\n');
  });

  it('refuses by name a rule that there is not', async () => {
    const { code, stderr } = await cli('check', '--design', '-c', 'wrong.config.ts');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /wrong\.config\.ts: design\.rules\.unit: expected one of the rules past-tense, .*found "unit"/,
    );
  });
});
