import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runProgram } from '../../src/cli/program.ts';
import { memoryTerminal } from '../cli/memory-terminal.ts';
import { programFolder, runCli } from '../cli/spawn-cli.ts';
import type { ScratchFolder } from '../cli/spawn-cli.ts';

const PROGRAM = `
import { defineConfig, defineEvent, defineProjection } from 'thereupon';
import { z } from 'zod';
const Registered = defineEvent({
  type: 'shop.customer.registered',
  stream: (data) => 'customer-' + data.customer,
  schema: z.object({ customer: z.string(), email: z.email() }),
  personal: { subject: (data) => 'customer-' + data.customer, fields: ['email'] },
});
export default defineConfig({
  store: './app.db',
  events: [Registered],
  projections: [defineProjection({
    name: 'customers', key: (event) => event.data.customer, initial: () => ({ email: '' }),
    on: [[Registered, (_row, event) => ({ email: event.data.email })]],
    personal: { subject: (_row, key) => 'customer-' + key, fields: ['email'] },
  })],
});
`;

let folder: ScratchFolder;
beforeAll(() => {
  folder = programFolder(PROGRAM);
});
afterAll(() => folder[Symbol.dispose]());

const cli = (args: readonly string[]) => runCli(args, { cwd: folder.path });

/** At a terminal. It needs no program: keys are of the store. */
async function asked(args: readonly string[], input: string) {
  const terminal = memoryTerminal({ cwd: folder.path, columns: 100, input });
  const code = await runProgram([...args, '--store', 'app.db'], terminal);
  return { code, stderr: terminal.stderr() };
}

const publish = (customer: string) =>
  cli(['publish', '-t', 'shop.customer.registered', '-d', JSON.stringify({ customer, email: `c${customer}@x.org` })]);
const text = (name: string) => readFileSync(folder.file(name), 'utf8');

describe('the commands', () => {
  it('show and export personal fields, sealed unless asked otherwise', async () => {
    for (const customer of ['7', '8', '9']) expect(await publish(customer)).toMatchObject({ code: 0 });
    expect((await cli(['streams', 'show', 'customer-9', '--json'])).stdout).toContain('c9@x.org');
    expect(await cli(['export', '--out', 'sealed.ndjson'])).toMatchObject({ code: 0 });
    expect(text('sealed.ndjson')).toContain('$sealed');
    expect(text('sealed.ndjson')).not.toContain('@x.org');
    expect(await cli(['export', '--out', 'open.ndjson', '--personal', 'open'])).toMatchObject({ code: 0 });
    expect(text('open.ndjson')).toContain('c9@x.org');
    for (const [out, ...more] of [['image.ndjson'], ['keys.ndjson', '--with-keys']])
      expect(await cli(['export', '--exact', '--out', out ?? '', ...more])).toMatchObject({ code: 0 });
    expect(await cli(['export', '--with-keys'])).toMatchObject({ code: 2 });
  }, 60_000);

  it('forget a person only if that is meant: it is asked on a terminal, and has to be said elsewhere', async () => {
    expect(await cli(['forget', 'customer-9'])).toMatchObject({ code: 2 });
    const refused = await asked(['forget', 'customer-9'], 'no\n');
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('This cannot be undone') as string });
    expect((await cli(['streams', 'show', 'customer-9', '--json'])).stdout).toContain('c9@x.org');
    const forgotten = await asked(['forget', 'customer-9'], 'yes\n');
    expect(forgotten).toMatchObject({ code: 0, stderr: expect.stringContaining('1 key deleted') as string });
    const again = await cli(['forget', 'customer-9', '--yes', '--json']);
    expect(JSON.parse(again.stdout)).toEqual({ subject: 'customer-9', keys: 0 });
    const shown = (await cli(['streams', 'show', 'customer-9', '--json'])).stdout;
    expect(shown).not.toContain('c9@x.org');
    expect(shown).toContain('[erased]');
  }, 60_000);

  it('take a sealed export as it is: what was forgotten stays so, and the rest is as readable as there are keys', async () => {
    // Into the store that it is of: the same facts (G2).
    expect(await cli(['import', 'sealed.ndjson'])).toMatchObject({ code: 0 });
    expect(
      await cli(['import', 'sealed.ndjson', '--store', 'other.db', '--config', 'thereupon.config.ts']),
    ).toMatchObject({
      code: 0,
    });
    const other = await cli([
      'streams',
      'show',
      'customer-8',
      '--json',
      '--store',
      'other.db',
      '--config',
      'thereupon.config.ts',
    ]);
    expect(other.stdout).toContain('[erased]');
    for (const [image, store, customer, says] of [
      ['image.ndjson', 'without.db', 'customer-8', '[erased]'],
      ['keys.ndjson', 'with.db', 'customer-8', 'c8@x.org'],
    ] as const) {
      expect(await cli(['import', '--exact', image, '--store', store])).toMatchObject({ code: 0 });
      const shown = await cli([
        'streams',
        'show',
        customer,
        '--json',
        '--store',
        store,
        '--config',
        'thereupon.config.ts',
      ]);
      expect(shown.stdout).toContain(says);
    }
  }, 60_000);

  it('refuse a sealed value that was sealed elsewhere, naming the place', async () => {
    const lines = text('sealed.ndjson').trim().split('\n');
    const event = JSON.parse(lines[0] ?? '') as { data: { email: { $sealed: string } } };
    const token = event.data.email.$sealed;
    const forged = { customer: '7', email: { $sealed: `${token.slice(0, -2)}${token.endsWith('AA') ? 'BB' : 'AA'}` } };
    const refused = await cli(['publish', '-t', 'shop.customer.registered', '-d', JSON.stringify(forged), '--json']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('sealed value at data.email is not what was sealed there');
    const misplaced = { customer: event.data.email, email: 'c7@x.org' };
    const outside = await cli(['publish', '-t', 'shop.customer.registered', '-d', JSON.stringify(misplaced), '--json']);
    expect(outside.code).toBe(1);
  }, 60_000);
});
