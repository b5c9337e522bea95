import { once } from 'node:events';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SCHEMA_VERSION } from '../../src/backends/postgres/migrate.ts';
import { programFolder, runCli, scratchFolder, startCli, untilOutput } from '../cli/spawn-cli.ts';
import type { ScratchFolder } from '../cli/spawn-cli.ts';
import { SHOP } from '../cli/shop-program.ts';
import type { PostgresServer } from './server.ts';
import { startPostgres } from './server.ts';

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

describe('a program whose store is in PostgreSQL', () => {
  test('runs as with a file, is reached by commands through its store, and goes on where it was (G1, G13)', async () => {
    const store = `${server.url}?schema=program`;
    const options = { cwd: program.path, env: { THEREUPON_STORE: store } };
    const running = startCli(['start', '--live', '--port', '0', '--feed', '5'], options);
    try {
      await untilOutput(running.stdout, /⇒ reserve-stock: shop\.stock\.reserved\s+order-fed@2/);
      const data = '{"orderId":"17","total":3}';
      const published = await runCli(
        ['publish', '-t', 'shop.order.placed', '-d', data, '--id', 'one', '--json'],
        options,
      );
      expect(published.code, published.stderr).toBe(0);
      const shown = await runCli(['views', 'show', 'totals', '17', '--json'], options);
      expect(shown.stdout).toContain('"total":3');
    } finally {
      running.kill('SIGTERM');
      await once(running, 'exit');
    }
    // Nobody holds it any more: the same commands read the store themselves.
    const streams = await runCli(['streams', '--json'], options);
    expect(streams.code, streams.stderr).toBe(0);
    expect(streams.stdout).toContain('order-17');
    const again = await runCli(
      ['publish', '-t', 'shop.order.placed', '-d', '{"orderId":"17","total":3}', '--id', 'one', '--json'],
      options,
    );
    expect(again.stdout).toContain('"duplicate":true');
    // What a person sees names the place, never the password.
    expect(shownBy(again)).not.toContain('thereupon@');
  });
});

describe('a command without the configuration of programs that run', () => {
  test('asks one that runs on this machine, and so what it publishes is checked, and what reacts is steered', async () => {
    const store = `${server.url}?schema=through`;
    const running = startCli(['start', '--live', '--port', '0', '--feed', '5'], {
      cwd: program.path,
      env: { THEREUPON_STORE: store },
    });
    using elsewhere = scratchFolder();
    const command = (...args: string[]) =>
      runCli(args, { cwd: elsewhere.path, env: { THEREUPON_STORE: store, NO_COLOR: '1' } });
    try {
      await untilOutput(running.stdout, /⇒ reserve-stock: shop\.stock\.reserved\s+order-fed@2/);
      const asked = await command('consumers', 'list', '--verbose');
      expect(asked.stderr).toMatch(/^a program runs on this store; asking it at http:\/\/127\.0\.0\.1:\d+\n$/);
      expect(asked.stdout).toMatch(/reserve-stock\s+automation\s+running\s+0\s+[1-9]/);
      // Whoever answers there is asked only if it is the process that the store names.
      const client = new Client({ connectionString: server.url });
      await client.connect();
      await client.query('UPDATE through.nodes SET pid = pid + 1');
      const another = await command('consumers', 'list', '--verbose');
      expect([another.code, another.stderr]).toEqual([0, expect.not.stringContaining('asking it')]);
      await client.query('UPDATE through.nodes SET pid = pid - 1');
      await client.end();
      const wrong = await command('publish', '-t', 'shop.order.placed', '-d', '{"orderId":17}');
      expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('does not fit its schema') as string });
      const paused = await command('consumers', 'pause', 'totals', '--json');
      expect(JSON.parse(paused.stdout)).toMatchObject({ name: 'totals', kind: 'projection', state: 'paused' });
      const doctor = await command('doctor');
      expect(doctor.stdout).toMatch(/✓ program +process \d+ on .* \(http:\/\/127\.0\.0\.1:\d+\) answers and is ready/);
    } finally {
      running.kill('SIGTERM');
      await once(running, 'exit');
    }
    // What is paused, and what reacts there, the store remembers.
    const remembered = JSON.parse((await command('consumers', 'list', '--json')).stdout) as {
      readonly consumers: readonly object[];
    };
    expect(remembered.consumers).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: 'totals', kind: 'projection', state: 'paused' }),
        expect.objectContaining({ name: 'reserve-stock', kind: 'automation', state: 'stopped' }),
      ]),
    );
    expect((await command('doctor')).stdout).toMatch(/· program +none runs: nothing reacts now/);
  }, 60_000);

  test('where none answers, neither publishes what is not checked, nor forgets what reacts there; when they have ended it may', async () => {
    const store = `${server.url}?schema=beside&lease=1m`;
    const running = startCli(['start', '--live', '--port', '0', '--feed', '5'], {
      cwd: program.path,
      env: { THEREUPON_STORE: store },
    });
    using elsewhere = scratchFolder();
    const options = { cwd: elsewhere.path, env: { THEREUPON_STORE: store } };
    const publish = ['publish', '-t', 'shop.order.placed', '-d', '{"orderId":17}'];
    try {
      await untilOutput(running.stdout, /⇒ reserve-stock: shop\.stock\.reserved\s+order-fed@2/);
      running.kill('SIGSTOP');
      expect(await runCli(publish, options)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('has a schema in this store') as string,
      });
      const unknown = ['publish', '-t', 'shop.door.opened'];
      expect(await runCli(unknown, options)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('programs run on this store') as string,
      });
      const forgotten = await runCli(['consumers', 'forget', 'totals'], options);
      expect(forgotten.code).toBe(1);
      expect(forgotten.stderr).toContain('consumer totals is running in another process');
      const doctor = await runCli(['doctor'], options);
      expect(doctor).toMatchObject({ code: 1, stdout: expect.stringContaining('does not answer within') as string });
    } finally {
      running.kill('SIGCONT');
      running.kill('SIGTERM');
      await once(running, 'exit');
    }
    expect(await runCli(publish, options)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('has a schema in this store') as string,
    });
    expect(await runCli(['publish', '-t', 'shop.door.opened'], options)).toMatchObject({ code: 0 });
    expect(await runCli(['consumers', 'forget', 'totals'], options)).toMatchObject({ code: 0 });
  }, 60_000);
});

describe('a database in another encoding', () => {
  test('is refused before anything is made in it: it cannot hold every text', async () => {
    const client = new Client({ connectionString: server.url });
    await client.connect();
    await client.query(`CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`);
    const address = new URL(server.url);
    address.pathname = '/latin';
    const options = { cwd: program.path, env: { THEREUPON_STORE: address.href } };
    for (const command of [['migrate'], ['migrate', '--dry-run'], ['start', '--port', '0']]) {
      const { code, stderr } = await runCli(command, options);
      expect(code).toBe(1);
      expect(stderr).toContain('the database is encoded in LATIN1');
    }
    await client.query('DROP DATABASE latin');
    await client.end();
  });
});

describe('a command that reads', () => {
  test('makes no store where none is, and says so', async () => {
    const options = { cwd: program.path, env: { THEREUPON_STORE: `${server.url}?schema=nowhere` } };
    for (const command of [['consumers', 'list'], ['tail'], ['streams']]) {
      const { code, stderr } = await runCli(command, options);
      expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('there is no store') as string });
    }
    const client = new Client({ connectionString: server.url });
    await client.connect();
    const { rowCount } = await client.query(`SELECT FROM pg_namespace WHERE nspname = 'nowhere'`);
    await client.end();
    expect(rowCount).toBe(0);
  });

  test('tail ends when it is asked to, also while nothing comes', async () => {
    const options = { cwd: program.path, env: { THEREUPON_STORE: `${server.url}?schema=tailed` } };
    const published = await runCli(
      ['publish', '-t', 'shop.order.placed', '-d', '{"orderId":"1","total":3}', '--id', 'first'],
      options,
    );
    expect(published.code, published.stderr).toBe(0);
    const tail = startCli(['tail', '--last', '1'], options);
    await untilOutput(tail.stdout, /shop\.order\.placed/);
    tail.kill('SIGTERM');
    expect(await once(tail, 'exit')).toEqual([0, null]);
  });
});

describe('thereupon migrate', () => {
  test('prints the SQL and changes nothing; who runs it has the store, and so has who lets the command do it', async () => {
    const options = { cwd: program.path, env: { THEREUPON_STORE: `${server.url}?schema=migrated` } };
    const dry = await runCli(['migrate', '--dry-run'], options);
    expect(dry.code, dry.stderr).toBe(0);
    const client = new Client({ connectionString: server.url });
    await client.connect();
    const tables = async (schema: string) => {
      const sql = 'SELECT tablename::text AS name FROM pg_tables WHERE schemaname = $1 ORDER BY 1';
      return (await client.query<{ name: string }>(sql, [schema])).rows.map(({ name }) => name);
    };
    expect(await tables('migrated')).toEqual([]);
    await client.query(dry.stdout);
    const other = { cwd: program.path, env: { THEREUPON_STORE: `${server.url}?schema=by_command` } };
    expect((await runCli(['migrate'], other)).stdout).toBe(`migrated from version 0 to ${SCHEMA_VERSION}\n`);
    expect(await tables('migrated')).toEqual(await tables('by_command'));
    await client.end();
    expect((await runCli(['migrate', '--dry-run'], options)).stdout).toMatch(/^-- nothing to do/);
    const published = await runCli(['publish', '-t', 'shop.order.placed', '-d', '{"orderId":"1","total":3}'], options);
    expect(published.code, published.stderr).toBe(0);
  });
});

describe('thereupon doctor', () => {
  test('says of a server whether it answers, whether there is a store, and how it is (G14)', async () => {
    const doctor = (store: string) => runCli(['doctor'], { cwd: program.path, env: { THEREUPON_STORE: store } });
    const store = `${server.url}?schema=looked_at`;
    expect((await doctor(store)).stdout).toMatch(/store .*there is no store yet.*\n.*migrate --dry-run/);
    const options = { cwd: program.path, env: { THEREUPON_STORE: store } };
    const published = await runCli(['publish', '-t', 'shop.order.placed', '-d', '{"orderId":"1","total":3}'], options);
    expect(published.code, published.stderr).toBe(0);
    const well = await doctor(store);
    expect(well.stdout).toMatch(/store .*schema looked_at: .*head 1, schema version \d+, whole/);
    expect(well.code).toBe(0);
    const gone = await doctor('postgres://nobody@127.0.0.1:1/nothing');
    expect(gone.stdout).toMatch(/store .*ECONNREFUSED/);
    expect(gone.code).not.toBe(0);
  });
});

function shownBy({ stdout, stderr }: { stdout: string; stderr: string }): string {
  return stdout + stderr;
}
