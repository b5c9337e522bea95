import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { programFolder, runCli, startCli, untilOutput } from './spawn-cli.ts';
import type { ScratchFolder } from './spawn-cli.ts';

const PROGRAM = `
import { defineAutomation, defineCommand, defineConfig, defineConsumer, defineDecider, defineEvent, defineProjection, fact, refuse } from 'thereupon';
import { z } from 'zod';
const data = { stream: ({ account }) => 'account-' + account, schema: z.object({ account: z.string(), amount: z.int() }) };
const Deposited = defineEvent({ type: 'bank.deposited', ...data });
const Overdrawn = defineEvent({ type: 'bank.overdrawn', ...data });
const Flagged = defineEvent({ type: 'bank.flagged', ...data });
export default defineConfig({
  store: './bank.db',
  server: { port: 0 },
  consumers: [defineConsumer({ name: 'wordy', on: Flagged, retry: { attempts: 1 }, handle() { throw new Error('no '.repeat(100)); } })],
  automations: [defineAutomation({ name: 'flag-deposits', on: Deposited, publishes: [Flagged], run: ({ event, publish }) => void publish(Flagged, event.data) })],
  projections: [defineProjection({ name: 'balances', key: ({ data }) => data.account, initial: () => ({ balance: 0 }), on: [[Deposited, (row, { data }) => ({ balance: row.balance + data.amount })]], indexes: { balance: (row) => row.balance } })],
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
      /^error: the program failed: decider account, command bank\.break: decide threw TypeError: Cannot read properties of undefined \(reading 'name'\)\n--verbose shows where\n$/,
    );
    expect((await command('bank.break', '--verbose')).stderr).toMatch(/thereupon\.config\.ts:\d+/);
  });
});

describe('a refusal on the command line', () => {
  it('has its id, by which why tells of it, the facts that it recorded, and says that it is the first outcome again', async () => {
    const refused = await command('bank.withdraw');
    expect(refused.code).toBe(1);
    const [, id = ''] =
      /^(\S+) refused: not-covered \(there is less\)\n  bank\.overdrawn account-a@\d+, position \d+\n$/.exec(
        refused.stdout,
      ) ?? [];
    expect((await cli('why', id)).stdout).toMatch(/^command bank\.withdraw.*, refused: not-covered/);
    const again = await command('bank.withdraw', '--id', id);
    expect(again.stdout).toMatch(/ was executed before and refused: not-covered \(there is less\)\n  bank\.overdrawn /);
    expect(JSON.parse((await command('bank.withdraw', '--id', id, '--json')).stdout)).toMatchObject({
      accepted: false,
      id,
      reason: 'not-covered',
      events: [{ type: 'bank.overdrawn' }],
    });
  });
});

describe('thereupon command, used wrongly', () => {
  it('says which option is wrong', async () => {
    const refused = await command('bank.deposit', '--expected-version', 'x');
    expect(refused).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(
        '--expected-version: expected a whole number from 0, none, exists or any, found "x"',
      ) as string,
    });
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
      /^command bank\.deposit .*\n  ↳ bank\.deposited .*\n    ↳ row a of balances\n    ↳ bank\.flagged .*, by flag-deposits /,
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
    const letters = async () => (await cli('dead-letters')).stdout;
    // An error has a line, and is whole in what is said of one letter.
    await expect.poll(letters, { timeout: 10_000 }).toMatch(/wordy~\d+ .* Error: (?:no )+(?:n|no)?…\n/);
    for (const line of (await letters()).split('\n')) expect(line.length).toBeLessThan(220);
    program.kill('SIGTERM');
    await once(program, 'close');
  }, 30_000);
});

describe('the past, on the command line', () => {
  const told = (account: string, amount: number, time: string) =>
    cli('publish', '-t', 'bank.deposited', '--time', time, '-d', JSON.stringify({ account, amount }));

  it('shows a row as of an instant, of what had happened or was recorded by then, or of a position', async () => {
    await told('b', 2, '2021-01-01T00:00:00Z');
    await told('b', 1, '2020-01-01T00:00:00Z');
    const balance = async (...args: readonly string[]) =>
      JSON.parse((await cli('views', 'show', 'balances', 'b', '--json', ...args)).stdout || 'null') as unknown;
    expect(await balance('--at', '2020-06-01')).toEqual({ key: 'b', row: { balance: 1 } });
    expect(await balance('--at', '2021-06-01')).toEqual({ key: 'b', row: { balance: 3 } });
    expect(await balance('--at', '2021-06-01', '--recorded')).toBeNull();
    const { events } = JSON.parse((await cli('streams', 'show', 'account-b', '--json')).stdout) as {
      events: readonly { position: number }[];
    };
    expect(await balance('--at', `p${events[0]?.position}`)).toEqual({ key: 'b', row: { balance: 2 } });
    for (const [args, said] of [
      [['b', '--at', 'v1'], 'a row has no versions'],
      [['b', '--recorded'], '--recorded: expected --at beside it'],
      [['b', '--at', '2026-13-45'], '--at: expected an instant'],
      [['--at', '2020-01-01'], '--at: expected the key of a row before it'],
      [['--filter', 'name=1'], '--filter: expected an index of view balances (balance), found "name"'],
    ] as const)
      expect(await cli('views', 'show', 'balances', ...args)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(said) as string,
      });
  }, 30_000);

  it('shows of a history when each event happened, with its date, and when it was recorded where that is another time', async () => {
    const { stdout } = await cli('streams', 'show', 'account-b');
    expect(stdout).toMatch(/^2021-01-01 00:00:00 {2}recorded \d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}bank\.deposited /);
    expect(stdout).toMatch(/\n2020-01-01 00:00:00 {2}recorded /);
    await cli('publish', '-t', 'bank.deposited', '-d', '{"account":"c","amount":1}');
    expect((await cli('streams', 'show', 'account-c')).stdout).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}bank\.deposited /,
    );
  });

  it('says of a state at an instant what it is made of, where that is not all up to its version', async () => {
    expect((await cli('streams', 'show', 'account-b', '--at', '2020-06-01')).stdout).toMatch(
      /^account-b, made of 1 event, the last is version 2, as of 2020-01-01T00:00:00Z \(account\)\n/,
    );
    expect((await cli('streams', 'show', 'account-b', '--at', 'v2')).stdout).toMatch(/^account-b, version 2, as of /);
  });
});
