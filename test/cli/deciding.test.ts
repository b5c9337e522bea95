import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { programFolder, runCli } from './spawn-cli.ts';
import type { ScratchFolder } from './spawn-cli.ts';

const PROGRAM = `
import { defineCommand, defineConfig, defineDecider, defineEvent, fact, refuse } from 'thereupon';
import { z } from 'zod';
const data = { stream: ({ account }) => 'account-' + account, schema: z.object({ account: z.string(), amount: z.int() }) };
const Deposited = defineEvent({ type: 'bank.deposited', ...data });
const Overdrawn = defineEvent({ type: 'bank.overdrawn', ...data });
export default defineConfig({
  store: './bank.db',
  deciders: [
    defineDecider({
      name: 'account',
      initial: () => ({ balance: 0 }),
      evolve: [[Deposited, (state, { data }) => ({ balance: state.balance + data.amount })]],
      publishes: [Deposited, Overdrawn],
      decide: [
        [defineCommand({ name: 'bank.deposit', ...data }), (_state, { data }) => fact(Deposited, data)],
        [defineCommand({ name: 'bank.withdraw', ...data }), (_state, { data }) => refuse('not-covered', 'there is less', { record: fact(Overdrawn, data) })],
        [defineCommand({ name: 'bank.break', ...data }), (state) => state.owner.name],
      ],
    }),
  ],
});
`;

let folder: ScratchFolder;
const cli = (...args: readonly string[]) => runCli(args, { cwd: folder.path });
const command = (name: string, ...args: readonly string[]) =>
  cli('command', name, '--data', '{"account":"a","amount":5}', ...args);

beforeAll(() => {
  folder = programFolder(PROGRAM);
});
afterAll(() => folder[Symbol.dispose]());

describe('thereupon command', () => {
  it('says what the decider threw, where there is no server whose log could say it', async () => {
    const failed = await command('bank.break');
    expect(failed).toMatchObject({ code: 1, stdout: '' });
    expect(failed.stderr).toMatch(
      /^error: the program failed: TypeError: Cannot read properties of undefined \(reading 'name'\)\n--verbose shows where\n$/,
    );
    expect((await command('bank.break', '--verbose')).stderr).toMatch(/thereupon\.config\.ts:\d+/);
  });
});
