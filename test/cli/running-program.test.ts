import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { programFolder, runCli, startCli, untilOutput } from './spawn-cli.ts';
import type { ScratchFolder } from './spawn-cli.ts';
import { SHOP } from './shop-program.ts';

let program: ScratchFolder;
beforeAll(() => {
  program = programFolder(SHOP);
});
afterAll(() => program[Symbol.dispose]());

async function cli(...args: string[]) {
  const result = await runCli(args, { cwd: program.path });
  return {
    ...result,
    json:
      args.includes('--json') && result.stdout !== ''
        ? (JSON.parse(result.stdout) as Record<string, unknown>)
        : undefined,
  };
}

describe('a running program', () => {
  let running: ReturnType<typeof startCli>;
  let output = '';
  let log = '';
  let url = '';

  beforeAll(async () => {
    running = startCli(['start', '--live', '--port', '0', '--feed', '5'], { cwd: program.path });
    running.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
    running.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await untilOutput(running.stdout, /order-fed@2/).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${log}`);
    });
    url = /open\s+(http:\S+)/.exec(output)?.[1] ?? '';
  });
  afterAll(() => running.kill('SIGKILL'));

  it('says what runs, which store, where to look and what to try, and shows what happened and what reacted', () => {
    expect(output).toMatch(/^thereupon \d+\.\d+\.\d+ on Node \d+/m);
    expect(output).toMatch(/program\s+thereupon\.config\.ts/);
    expect(output).toMatch(/store\s+data\/shop\.db \(empty\)/);
    expect(output).toMatch(/reacts\s+2 automations, 1 projection/);
    expect(output).toMatch(/feed\s+5 events a second/);
    expect(output).toMatch(/shop\.order\.placed\s+order-fed@1\s+\{"orderId":"fed","total":5\}/);
    expect(output).toMatch(/⇒ reserve-stock: shop\.stock\.reserved\s+order-fed@2/);
    // Nothing of this is for a terminal.
    expect(output).not.toContain('\u001b');
  });

  it('gives a curl line that works as it is', async () => {
    const [, body = ''] = /-d '(.*)'$/m.exec(output) ?? [];
    const response = await fetch(`${url}/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json' },
      body,
    });
    expect(response.status).toBe(201);
    // A name that is made of the thing and its id says the thing once.
    expect(await response.json()).toMatchObject({ stream: 'order-1' });
  });

  it('is reached by every command through its store', async () => {
    const published = await cli(
      'publish',
      '-t',
      'shop.order.placed',
      '-d',
      '{"orderId":"17","total":3}',
      '--id',
      'e-17',
      '--json',
      '--verbose',
    );
    expect(published).toMatchObject({
      code: 0,
      json: { stream: 'order-17', version: 1, duplicate: false },
      stderr: expect.stringContaining(`asking it at ${url}`) as string,
    });
    const again = await cli('publish', '-t', 'shop.order.placed', '-d', '{"orderId":"17","total":3}', '--id', 'e-17');
    expect(again).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('was recorded before: order-17@1') as string,
    });

    const position = String(published.json?.['position']);
    const rows = await cli(
      'views',
      'show',
      'totals',
      '--filter',
      'total>=3',
      '--filter',
      'total<5',
      '--after-position',
      position,
      '--json',
    );
    expect(rows.json).toEqual({ items: [{ key: '17', row: { total: 3 } }] });
    expect((await cli('views', 'show', 'totals', '17')).stdout).toBe('key    17\ntotal  3\n');
    expect((await cli('catalog')).stdout).toMatch(
      /reserve-stock\s+automation\s+shop\.order\.placed\s+shop\.stock\.reserved/,
    );
    const asyncapi = JSON.parse((await cli('catalog', '--format', 'asyncapi', '--title', 'Shop')).stdout) as unknown;
    expect(asyncapi).toMatchObject({
      asyncapi: '3.0.0',
      info: { title: 'Shop' },
      servers: { this: { host: new URL(url).host, protocol: 'http' } },
      components: { messages: { 'shop.order.placed.v1': { name: 'shop.order.placed', summary: 'An order' } } },
    });
    expect(await cli('catalog', '--format', 'types', '--out', 'events.d.ts')).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'wrote events.d.ts\n',
    });
    expect(readFileSync(program.file('events.d.ts'), 'utf8')).toContain('export type ShopOrderPlacedV1 = {');
    const schemas = JSON.parse((await cli('catalog', '--format', 'json-schema')).stdout) as unknown;
    expect(schemas).toMatchObject({ $defs: { 'shop.stock.reserved.v1': { required: ['orderId'] } } });
    const shown = await cli('streams', 'show', 'order-17');
    expect(shown.stdout.split('\n')).toEqual([
      expect.stringMatching(/ {2}shop\.order\.placed +order-17@1 +\{/),
      expect.stringMatching(/ {2}↳ shop\.stock\.reserved +order-17@2 +\{"orderId":"17"\}/),
      '',
    ]);
  });

  it('is steered: pause, resume, replay', async () => {
    expect((await cli('consumers', 'pause', 'reserve-stock', '--reason', 'stocktaking', '--json')).json).toMatchObject({
      state: 'paused',
      reason: 'stocktaking',
    });
    expect((await cli('consumers')).stdout).toMatch(/reserve-stock\s+automation\s+paused .*stocktaking/);
    expect((await cli('consumers', 'resume', 'reserve-stock')).stdout).toMatch(/state\s+running/);
    expect((await cli('consumers', 'replay', 'totals', '--from', 'beginning', '--json')).json).toMatchObject({
      name: 'totals',
      state: 'running',
    });
    expect(await cli('consumers', 'replay', 'totals', '--from', '1')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('replay it from the beginning') as string,
    });
    expect(await cli('consumers', 'forget', 'totals')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is running') as string,
    });
    expect(await cli('consumers', 'show', 'nobody')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: consumer "nobody" does not exist; there are: /) as string,
    });
  });

  it('sets events aside, which the doctor finds, and which are retried, edited and discarded', async () => {
    for (const total of [-1, -2, -3])
      await cli('publish', '-t', 'shop.order.placed', '-d', `{"orderId":"d${total}","total":${total}}`);
    const letters = async () =>
      (await cli('dead-letters', 'list', '--json')).json as { items: { id: string; event: { data: unknown } }[] };
    while ((await letters()).items.length < 3);
    const [first, second] = (await letters()).items.map(({ id }) => id);
    expect((await cli('dead-letters')).stdout).toMatch(/refuse-debts~\d+\s+shop\.order\.placed.*Error: we owe nobody/);
    expect((await cli('dead-letters', 'show', first ?? '')).stdout).toMatch(/error\s+Error: we owe nobody/);
    const ill = await cli('doctor', '--json');
    expect(ill).toMatchObject({ code: 1, json: { ok: false } });
    expect(ill.stdout).toContain('refuse-debts has 3 dead letters');

    expect(await cli('dead-letters', 'discard', first ?? '', '--reason', 'a joke', '--json')).toMatchObject({
      code: 0,
      json: { discarded: 1 },
    });
    expect(
      await cli('dead-letters', 'retry', second ?? '', '--data', '{"orderId":"d","total":-9}', '--json'),
    ).toMatchObject({ code: 0, json: { released: 1 } });
    expect(await cli('dead-letters', 'discard', first ?? '')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('does not exist') as string,
    });
    while ((await letters()).items.length < 2);
    expect(await cli('dead-letters', 'discard', '--all', '--json')).toMatchObject({ code: 0, json: { discarded: 2 } });
    expect(await cli('doctor')).toMatchObject({ code: 0, stdout: expect.stringContaining('all is well') as string });
    expect(output).toMatch(/✗ refuse-debts: delivery parked {2}we owe nobody/);
  });

  it('is followed live, by filters, from where one likes', async () => {
    const tail = startCli([
      'tail',
      '--where',
      '{"data":{"total":[{"numeric":[">",1000]}]}}',
      '--json',
      '--after',
      'beginning',
      '--url',
      url,
    ]);
    const seen = untilOutput(tail.stdout, /big-2.*\n/);
    for (const [order, total] of [
      ['big-1', 2_000],
      ['small', 1],
      ['big-2', 3_000],
    ])
      await cli('publish', '-t', 'shop.order.placed', '-d', JSON.stringify({ orderId: order, total }));
    expect(
      (await seen)
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { stream: string }).stream),
    ).toEqual(['order-big-1', 'order-big-2']);
    tail.kill('SIGINT');
    expect(await once(tail, 'close')).toEqual([0, null]);
    const last = await cli('tail', '--type', 'shop.order.placed', '-n', '2', '--no-follow');
    expect(last.stdout.split('\n')).toEqual([
      expect.stringContaining('order-small@1'),
      expect.stringContaining('order-big-2@1'),
      '',
    ]);
  });

  it('closes in order when it is asked to', async () => {
    running.kill('SIGTERM');
    expect(await once(running, 'close')).toEqual([0, null]);
    expect(log).toMatch(/closing …\nclosed\n$/);
    expect(await cli('doctor')).toMatchObject({ code: 0, stdout: expect.stringContaining('not running') as string });
  });

  it('leaves a store that is published to, and reacts when it starts again', async () => {
    expect(await cli('publish', '-t', 'shop.order.placed', '-d', '{"orderId":"later","total":1}')).toMatchObject({
      code: 0,
    });
    expect((await cli('streams', 'show', 'order-later', '--json')).json).toMatchObject({ version: 1 });
    const again = startCli(['start', '--live', '--port', '0', '--feed', 'off'], { cwd: program.path });
    await untilOutput(again.stdout, /⇒ reserve-stock: shop\.stock\.reserved\s+order-later@2/);
    again.kill('SIGINT');
    expect(await once(again, 'close')).toEqual([0, null]);
  });
});
