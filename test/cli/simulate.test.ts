import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { programFolder, runCli } from './spawn-cli.ts';
import { SHOP } from './shop-program.ts';

/** Sends an invoice for what was ordered, and takes for granted that an order is known before it is paid. */
const HASTY = `
import { defineAutomation, defineConfig, defineEvent } from 'thereupon';
import { z } from 'zod';
const schema = z.object({ orderId: z.string(), total: z.number() });
const stream = (data) => 'order-' + data.orderId;
const OrderPlaced = defineEvent({ type: 'shop.order.placed', stream, schema });
const OrderPaid = defineEvent({ type: 'shop.order.paid', stream, schema: z.object({ orderId: z.string() }) });
const InvoiceSent = defineEvent({ type: 'shop.invoice.sent', stream, schema });
export default defineConfig({
  store: './data/hasty.db',
  events: [OrderPlaced, OrderPaid],
  automations: [defineAutomation({
    name: 'send-invoice', on: [OrderPlaced, OrderPaid], publishes: [InvoiceSent], state: { initial: () => ({ total: 0 }) },
    async run({ event, state, publish }) {
      if (event.type === 'shop.order.placed') state.set({ total: event.data.total });
      else await publish(InvoiceSent, { orderId: event.data.orderId, total: state.get().total });
    },
  })],
});
`;

const history = Array.from({ length: 30 }, (_, n) => {
  const orderId = String(n >> 1);
  return n % 2 === 0
    ? { specversion: '1.0', id: `e${n}`, source: '/till', type: 'shop.order.placed', data: { orderId, total: 10 + n } }
    : { specversion: '1.0', id: `e${n}`, source: '/till', type: 'shop.order.paid', data: { orderId } };
});
const lines = (events: readonly object[]) => events.map((event) => `${JSON.stringify(event)}\n`).join('');

describe('thereupon simulate', () => {
  it('shows the first run in which something else came out, with the two events that matter, and how to make it again', async () => {
    using folder = programFolder(HASTY);
    writeFileSync(folder.file('history.ndjson'), lines(history));
    const run = (...more: string[]) => runCli(['simulate', 'history.ndjson', ...more], { cwd: folder.path });
    const { code, stdout } = await run('--runs', '500');
    expect(code).toBe(1);
    expect(stdout).toMatch(/^✗ run \d+ \(seed \d+\) came out differently: send-invoice, fact shop\.invoice\.sent\n/);
    expect(stdout).toMatch(
      /told in order +\{"data":\{"orderId":"(\d+)","total":[1-9]\d*\},.*\n.*in this run +\{"data":\{"orderId":"\1","total":0\}/,
    );
    expect(stdout).toMatch(
      /still seen with 2 of 30 events.*\n.*#\d+ +shop\.order\.paid.*\n.*#\d+ +shop\.order\.placed/,
    );
    const named = await run('--runs', '500', '--config', 'thereupon.config.ts');
    expect(named.stdout).toContain(
      'the same again: thereupon simulate history.ndjson --config thereupon.config.ts --runs',
    );
    const again = /the same again: thereupon simulate history\.ndjson --runs 1 --seed (\d+)\n/.exec(stdout)?.[1] ?? '';
    const second = await run('--runs', '1', '--seed', again, '--json');
    expect(second.code).toBe(1);
    expect(JSON.parse(second.stdout)).toMatchObject({
      runs: 1,
      events: 30,
      divergence: { run: 1, events: 2, difference: { kind: 'fact', reaction: 'send-invoice' } },
    });
    // Where nothing comes in another order the program is right.
    const inOrder = await run('--runs', '100', '--fault', 'reorder=0', '--fault', 'delay=0');
    expect(inOrder.stdout).toBe('✓ 100 runs of 30 events (seed 1): the same came out in each\n');
    expect(inOrder.code).toBe(0);
  });

  it('tells what the store holds from outside, and leaves the store as it is', async () => {
    using folder = programFolder(SHOP);
    const cli = (...args: string[]) => runCli(args, { cwd: folder.path });
    expect((await cli('simulate')).stderr).toContain('there is no store at');
    for (const id of ['1', '2', '3'])
      expect((await cli('publish', '-t', 'shop.order.placed', '-d', `{"orderId":"${id}","total":3}`)).code).toBe(0);
    const before = (await cli('streams', '--json')).stdout;
    const { code, stdout, stderr } = await cli('simulate', '--runs', '20', '--last', '2');
    expect(code, stderr).toBe(0);
    expect(stdout).toBe('✓ 20 runs of 2 events (seed 1): the same came out in each\n');
    expect((await cli('streams', '--json')).stdout).toBe(before);
  });

  it('says what is wrong with how it is called', async () => {
    using folder = programFolder(HASTY);
    writeFileSync(folder.file('broken.ndjson'), `${lines(history.slice(0, 2))}{"specversion":"1.0"}\n`);
    writeFileSync(folder.file('none.ndjson'), '\n');
    const cases: readonly (readonly [args: readonly string[], code: number, stderr: string])[] = [
      [['--fault', 'crash=2'], 2, '--fault: expected duplicate, reorder, delay, drop or crash'],
      [['--runs', '0'], 2, '--runs: expected a whole number from 1'],
      [['nowhere.ndjson'], 1, 'nowhere.ndjson cannot be read'],
      [['broken.ndjson'], 1, 'broken.ndjson:3: event attribute id'],
      [['none.ndjson'], 1, 'none.ndjson holds no events that came from outside'],
      [['--config', 'no.ts'], 1, 'there is no such file'],
    ];
    for (const [args, code, stderr] of cases) {
      const result = await runCli(['simulate', ...args], { cwd: folder.path });
      expect({ code: result.code, stderr: result.stderr }).toEqual({
        code,
        stderr: expect.stringContaining(stderr) as string,
      });
    }
  });
});
