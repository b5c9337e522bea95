import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { programFolder, runCli, startCli, untilOutput } from './spawn-cli.ts';
import type { ScratchFolder } from './spawn-cli.ts';

const PROGRAM = `
import { defineAutomation, defineCommand, defineConfig, defineDecider, defineEvent, defineProjection, fact, refuse } from 'thereupon';
import { z } from 'zod';
const data = { stream: ({ account }) => 'account-' + account, schema: z.object({ account: z.string(), amount: z.int() }) };
const Deposited = defineEvent({ type: 'bank.deposited', ...data });
const Overdrawn = defineEvent({ type: 'bank.overdrawn', ...data });
const Flagged = defineEvent({ type: 'bank.flagged', ...data });
export default defineConfig({
  store: './bank.db',
  server: { port: 0 },
  automations: [defineAutomation({ name: 'flag-deposits', on: Deposited, publishes: [Flagged], run: ({ event, publish }) => void publish(Flagged, event.data) })],
  projections: [defineProjection({ name: 'balances', key: ({ data }) => data.account, initial: () => ({ balance: 0 }), on: [[Deposited, (row, { data }) => ({ balance: row.balance + data.amount })]] })],
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

describe('thereupon why', () => {
  it('tells of a run what came of it and what led to it, of a command what it led to, and what a name needs beside it', async () => {
    const program = startCli(['start'], { cwd: folder.path });
    await untilOutput(program.stdout, /http:\/\/127\.0\.0\.1:\d+/);
    const { events } = JSON.parse((await command('bank.deposit', '--id', 'd1', '--json')).stdout) as {
      events: readonly { id: string }[];
    };
    const id = events[0]?.id ?? '';
    const run = async () => (await cli('why', 'flag-deposits', id)).stdout;
    await expect
      .poll(run, { timeout: 10_000 })
      .toMatch(/^flag-deposits: handled\n.*published 1 because of it\n.*bank\.flagged/);
    expect(await run()).toMatch(/\n\nbank\.deposited .*\n  ↑ command bank\.deposit .*d1\n$/);
    expect(JSON.parse((await cli('why', 'flag-deposits', id, '--json')).stdout)).toMatchObject({
      consumer: 'flag-deposits',
      verdict: 'handled',
      event: { id },
      causes: [{ kind: 'command', id: 'd1' }],
    });
    expect((await cli('why', 'd1', '--effects')).stdout).toMatch(
      /^command bank\.deposit .*\n  ↳ bank\.deposited .*\n    ↳ bank\.flagged .*, by flag-deposits /,
    );
    expect((await cli('why', 'balances', 'a')).stdout).toContain('a of balances is made of 1 event');
    for (const [args, code, said] of [
      [
        ['flag-deposits'],
        2,
        'flag-deposits is a reaction (automation); give the event of a run: thereupon why flag-deposits EVENT',
      ],
      [['balances'], 2, 'balances is a view; give the key of a row (thereupon why balances KEY)'],
      [['nope'], 1, 'there is neither an event nor a command nope'],
      [['nope', '--effects'], 1, 'there is neither an event nor a command nope'],
      [['balances', 'nope'], 1, 'row of view balances "nope" does not exist'],
      [['flag-deposits', 'nope'], 1, 'event "nope" does not exist'],
      [['nope', 'x'], 1, '"nope" does not exist'],
    ] as const)
      expect(await cli('why', ...args)).toMatchObject({ code, stderr: expect.stringContaining(said) as string });
    program.kill('SIGTERM');
    await once(program, 'close');
  }, 30_000);
});
