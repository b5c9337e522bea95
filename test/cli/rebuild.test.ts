import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineEvent, open } from '../../src/index.ts';
import { programFolder, runCli, startCli, untilOutput } from './spawn-cli.ts';
import type { ScratchFolder } from './spawn-cli.ts';

const Placed = defineEvent({
  type: 'shop.order.placed',
  stream: (data) => `order-${data.orderId}`,
  schema: z.object({ orderId: z.string(), total: z.int() }),
});

/** A program of one view; what it makes of an order is said by each test. */
const program = (options: { readonly row: string; readonly more?: string }) => `
import { existsSync } from 'node:fs';
import { defineConfig, defineEvent, defineProjection } from 'thereupon';
import { z } from 'zod';
const Placed = defineEvent({ type: 'shop.order.placed', stream: (data) => 'order-' + data.orderId, schema: z.object({ orderId: z.string(), total: z.int() }) });
export default defineConfig({
  store: './shop.db',
  events: [Placed],
  server: { port: 0 },
  projections: [defineProjection({ name: 'totals', key: (event) => event.data.orderId, initial: () => ({ total: 0 }), on: [[Placed, (row, event) => (${options.row})]], retry: { attempts: 1 }, ${options.more ?? ''} })],
});
`;
const SUM = '{ total: row.total + event.data.total }';
const DOUBLE = '{ total: row.total + 2 * event.data.total }';
/** As long as the file `hold` is there, so slow that a build does not come to its end. */
const SLOW = `(() => { const until = performance.now() + 8; while (existsSync('hold') && performance.now() < until); return ${DOUBLE}; })()`;
const ORDERS = 5_000;

let folder: ScratchFolder;
const cli = (...args: readonly string[]) => runCli(args, { cwd: folder.path });
const hold = () => writeFileSync(folder.file('hold'), '');
const letGo = () => rmSync(folder.file('hold'));
const write = (options: Parameters<typeof program>[0]) =>
  writeFileSync(folder.file('thereupon.config.ts'), program(options));
const total = async (order: string) => (await cli('views', 'show', 'totals', order, '--json')).stdout;

async function startProgram() {
  const child = startCli(['start'], { cwd: folder.path });
  child.stderr.resume();
  await untilOutput(child.stdout, /http:\/\/127\.0\.0\.1:\d+/);
  return child;
}

async function stopProgram(child: ReturnType<typeof startCli>, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  const ended = once(child, 'close');
  child.kill(signal);
  await ended;
}

beforeEach(async () => {
  folder = programFolder(program({ row: SUM }));
  await using system = await open({ store: folder.file('shop.db'), events: [Placed], consume: false });
  await system.publishAll(
    Array.from({ length: ORDERS }, (_, n) => ({
      event: Placed,
      data: { orderId: String(n % 100), total: 1 },
      options: { id: `o${n}` },
    })),
  );
});
afterEach(() => folder[Symbol.dispose]());

describe('thereupon views rebuild', () => {
  it('builds a view in a store that no program holds, and says what came of it', async () => {
    const built = await cli('views', 'rebuild', 'totals');
    expect(built).toMatchObject({ code: 0, stderr: '' });
    expect(built.stdout).toMatch(/state\s+switched: its rows are those of the view/);
    expect(built.stdout).toMatch(/events\s+5,0\d\d of 5,0\d\d/);
    expect(JSON.parse(await total('7'))).toEqual({ key: '7', row: { total: 50 } });
    const status = await cli('views', 'rebuild', 'totals', '--status', '--json');
    expect(JSON.parse(status.stdout)).toMatchObject({ state: 'switched', switched: true, percent: 100 });
  });

  it('a dry run says which rows would be otherwise', async () => {
    await cli('views', 'rebuild', 'totals');
    write({ row: 'event.data.orderId === "7" ? undefined : { total: row.total + event.data.total }' });
    const compared = await cli('views', 'rebuild', 'totals', '--dry-run');
    expect(compared).toMatchObject({ code: 0 });
    expect(compared.stdout).toMatch(/differences\s+0 added, 1 removed, 0 changed/);
    expect(compared.stdout).toMatch(/removed\s+7/);
    expect(JSON.parse(await total('7'))).toEqual({ key: '7', row: { total: 50 } });
  });

  it('that begins later than the events drops what came before only when it is told to, says so, and it is known afterwards', async () => {
    await cli('views', 'rebuild', 'totals');
    const dry = await cli('views', 'rebuild', 'totals', '--from', '4951', '--dry-run');
    expect(dry.stdout).toMatch(/differences\s+0 added, 51 removed, 49 changed/);
    const cut = await cli('views', 'rebuild', 'totals', '--from', '4951', '--yes');
    expect(cut).toMatchObject({ code: 0 });
    expect(cut.stdout).toMatch(/from\s+after position 4,951; what came of events up to there is in no row any more/);
    expect((await cli('consumers', 'show', 'totals')).stdout).toMatch(/began\s+after position 4,951/);
    // From a date on, which is before all of them.
    expect(await cli('views', 'rebuild', 'totals', '--from', '2020-01-01', '--yes')).toMatchObject({ code: 0 });
    expect((await cli('consumers', 'show', 'totals')).stdout).not.toContain('began');
    expect(JSON.parse(await total('7'))).toEqual({ key: '7', row: { total: 50 } });
    const past = await cli('views', 'rebuild', 'totals', '--to', '2020-01-01', '--dry-run', '--json');
    expect(JSON.parse(past.stdout)).toMatchObject({ state: 'compared', total: 0 });
    const today = await cli(
      'views',
      'rebuild',
      'totals',
      '--to',
      new Date().toISOString().slice(0, 10),
      '--dry-run',
      '--json',
    );
    expect((JSON.parse(today.stdout) as { total: number }).total).toBeGreaterThanOrEqual(ORDERS);
  });

  it('a build that fails names the event, ends with 1, and goes on when the program is mended', async () => {
    const failing = '(() => { if (event.data.orderId === "7") throw new TypeError("no such order"); return row; })()';
    write({ row: failing });
    const failed = await cli('views', 'rebuild', 'totals', '--on-failure', 'fail');
    expect(failed).toMatchObject({ code: 1 });
    expect(failed.stdout).toMatch(/failed at\s+shop\.order\.placed o7 \(position 8, key 7\): TypeError: no such order/);
    expect(failed.stderr).toContain('it goes on with thereupon views rebuild totals');
    write({ row: SUM });
    expect(await cli('views', 'rebuild', 'totals')).toMatchObject({ code: 0 });
  });

  it('is refused with what is wrong about it', async () => {
    for (const [args, said] of [
      [['--to', '5'], '--to needs --dry-run'],
      [['--status', '--cancel'], 'give one of them'],
      [['--status', '--from', '5'], 'begins no build'],
      [['--from', 'soon'], '--from: expected a position, an RFC 3339 time or a date, found "soon"'],
      [['--on-failure', 'skip'], 'park, fail'],
      [
        ['--from', '100'],
        'what came of events before --from 100 will be in no row of view totals; nobody can be asked here',
      ],
    ] as const) {
      const refused = await cli('views', 'rebuild', 'totals', ...args);
      expect(refused.code).toBe(2);
      expect(refused.stderr).toContain(said);
    }
    expect(await cli('views', 'rebuild', 'none')).toMatchObject({ code: 1 });
    const idle = await cli('views', 'rebuild', 'totals', '--cancel');
    expect(idle).toMatchObject({ code: 1, stderr: expect.stringContaining('not being built') as string });
  });

  it('whoever is interrupted is told that the build goes on, and it does: also when its program is killed', async () => {
    await cli('views', 'rebuild', 'totals');
    write({ row: SLOW });
    hold();
    let child = await startProgram();
    const command = startCli(['views', 'rebuild', 'totals'], { cwd: folder.path });
    const said = untilOutput(command.stderr, /how far it is: thereupon views rebuild totals --status/);
    await expect
      .poll(async () => (await cli('views', 'rebuild', 'totals', '--status')).stdout, { timeout: 20_000 })
      .toMatch(/state\s+building/);
    const ended = once(command, 'close');
    command.kill('SIGINT');
    expect(await said).toContain('the build goes on');
    expect(await ended).toEqual([1, null]);
    await stopProgram(child, 'SIGKILL');
    expect(JSON.parse(await total('7'))).toEqual({ key: '7', row: { total: 50 } });
    const between = JSON.parse((await cli('views', 'rebuild', 'totals', '--status', '--json')).stdout) as object;
    expect(between).toMatchObject({ state: 'building', switched: false });
    letGo();
    child = await startProgram();
    await expect
      .poll(async () => (await cli('views', 'rebuild', 'totals', '--status')).stdout, { timeout: 30_000 })
      .toMatch(/state\s+switched/);
    expect(JSON.parse(await total('7'))).toEqual({ key: '7', row: { total: 100 } });
    await stopProgram(child);
  }, 90_000);

  it('a program with a higher version serves the old rows until the new ones are built, beside what is cancelled', async () => {
    await cli('views', 'rebuild', 'totals');
    write({ row: SLOW, more: 'version: 2' });
    hold();
    let child = await startProgram();
    const consumer = JSON.parse((await cli('consumers', 'show', 'totals', '--json')).stdout) as object;
    expect(consumer).toMatchObject({ state: 'building', build: { version: 2, state: 'building' } });
    expect(JSON.parse(await total('7'))).toEqual({ key: '7', row: { total: 50 } });
    const cancelled = await cli('views', 'rebuild', 'totals', '--cancel');
    expect(cancelled).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/state\s+cancelled: the view has the rows of before/) as string,
    });
    expect(JSON.parse(await total('7'))).toEqual({ key: '7', row: { total: 50 } });
    // It stays so until somebody asks for it.
    await stopProgram(child);
    child = await startProgram();
    expect(JSON.parse((await cli('consumers', 'show', 'totals', '--json')).stdout)).toMatchObject({
      state: 'build-cancelled',
    });
    letGo();
    expect(await cli('views', 'rebuild', 'totals')).toMatchObject({ code: 0 });
    expect(JSON.parse(await total('7'))).toEqual({ key: '7', row: { total: 100 } });
    await stopProgram(child);
  }, 90_000);

  it('a view that stands still because its build failed, or was cancelled, is found by the doctor, who says what to do', async () => {
    await cli('views', 'rebuild', 'totals');
    write({
      row: '(() => { if (event.data.orderId === "7") throw new TypeError("no such order"); return row; })()',
      more: `version: 2, onBuildFailure: 'fail'`,
    });
    const child = await startProgram();
    const listed = async () => (await cli('consumers', 'list')).stdout;
    await expect.poll(listed, { timeout: 20_000 }).toMatch(/totals +projection +build failed/);
    const failed = await cli('doctor');
    expect(failed).toMatchObject({ code: 1 });
    expect(failed.stdout).toMatch(
      /✗ consumers +the build of totals failed, and the view stands still, and serves older rows: event o7 at position 8 cannot be handled: TypeError: no such order/,
    );
    expect(failed.stdout).toContain('mend the program, then: thereupon views rebuild totals');
    const order = JSON.stringify({ orderId: '7', total: 1 });
    const { position } = JSON.parse(
      (await cli('publish', '--type', 'shop.order.placed', '--data', order, '--json')).stdout,
    ) as {
      position: number;
    };
    const waited = await cli('views', 'show', 'totals', '7', '--after-position', String(position));
    expect(waited.stderr).toContain('found it build-failed at position');
    await cli('views', 'rebuild', 'totals', '--cancel');
    expect(await listed()).toMatch(
      /build cancelled .*version 2 is to take the place of version 1, and its build was cancelled/,
    );
    const cancelled = await cli('doctor');
    expect(cancelled).toMatchObject({ code: 1 });
    expect(cancelled.stdout).toMatch(/✗ consumers +totals stands still, and serves older rows: .* was cancelled/);
    expect(cancelled.stdout).toContain('to build it: thereupon views rebuild totals');
    await stopProgram(child);
    write({ row: SUM, more: `version: 2` });
    expect(await cli('views', 'rebuild', 'totals')).toMatchObject({ code: 0 });
    expect((await cli('doctor')).stdout).toMatch(/✓ consumers/);
  }, 90_000);
});
