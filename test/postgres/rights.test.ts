import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineConsumer, defineEvent, open } from '../../src/index.ts';
import { runCli, scratchFolder } from '../cli/spawn-cli.ts';
import type { CliResult, ScratchFolder } from '../cli/spawn-cli.ts';
import { SCHEMA_VERSION } from '../../src/backends/postgres/migrate.ts';
import { ownServer } from './own-server.ts';

const { server, newSchema } = ownServer('rights');
const ROLE = 'rights_app';
let elsewhere: ScratchFolder;

beforeAll(async () => {
  elsewhere = scratchFolder();
  await asOperator(`CREATE ROLE ${ROLE} LOGIN PASSWORD 'secret'`);
});

afterAll(async () => {
  await asOperator(`DROP OWNED BY ${ROLE}; DROP ROLE ${ROLE}`);
  elsewhere[Symbol.dispose]();
});

async function asOperator(sql: string): Promise<void> {
  const client = new Client({ connectionString: server.url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

function addressOf(schema: string, role?: string): string {
  const address = new URL(server.url);
  if (role !== undefined) Object.assign(address, { username: role, password: 'secret' });
  address.searchParams.set('schema', schema);
  return address.href;
}

const cli = (command: readonly string[], store: string): Promise<CliResult> =>
  runCli(command, { cwd: elsewhere.path, env: { THEREUPON_STORE: store } });

/** What `doctor` says of the store, in the eyes of this role. */
async function storeLine(schema: string, role?: string): Promise<string> {
  const { stdout } = await cli(['doctor'], addressOf(schema, role));
  return stdout.split('\n').find((line) => / store /.test(line)) ?? stdout;
}

describe('a role that lacks a right is told which, and how to get it', () => {
  test('where it may not make the schema, or tables in it; doctor knows before a program tries', async () => {
    const [schema, foreign] = [newSchema(), newSchema()];
    await asOperator(`CREATE SCHEMA ${foreign}`);
    const expected = [
      [schema, `CREATE SCHEMA "${schema}" AUTHORIZATION "${ROLE}"`],
      [foreign, `ALTER SCHEMA "${foreign}" OWNER TO "${ROLE}"`],
    ] as const;
    for (const [name, mend] of expected) {
      const { code, stderr } = await cli(['migrate'], addressOf(name, ROLE));
      expect(code).toBe(1);
      expect(stderr).toContain(mend);
      expect(await storeLine(name, ROLE)).toMatch(/^✗ store .*could not start/);
      await asOperator(mend);
      expect(await storeLine(name, ROLE)).toMatch(/^· store .*there is no store yet/);
      expect((await cli(['migrate'], addressOf(name, ROLE))).stdout).toBe(
        `migrated from version 0 to ${SCHEMA_VERSION}\n`,
      );
      expect(await storeLine(name, ROLE)).toMatch(/^✓ store .*, whole$/);
    }
  }, 60_000);

  test('where the store belongs to another one', async () => {
    const schema = newSchema();
    expect((await cli(['migrate'], addressOf(schema))).code).toBe(0);
    const mend = `ALTER SCHEMA "${schema}" OWNER TO "${ROLE}"`;
    expect(await storeLine(schema, ROLE)).toContain(`the role ${ROLE} may not use the schema ${schema}`);
    const { code, stderr } = await cli(['publish', '-t', 'a.happened'], addressOf(schema, ROLE));
    expect(code).toBe(1);
    expect(stderr).toContain(mend);
    await asOperator(
      `GRANT USAGE ON SCHEMA ${schema} TO ${ROLE}; GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO ${ROLE}`,
    );
    const reader = await storeLine(schema, ROLE);
    expect(reader).toMatch(
      /^✗ store .*lacks INSERT, UPDATE, DELETE on log_head, events, .*; .*lacks USAGE on lane_tokens/,
    );
    expect((await cli(['consumers', 'list'], addressOf(schema, ROLE))).code).toBe(0);
    await asOperator(`GRANT ALL ON ALL TABLES IN SCHEMA ${schema} TO ${ROLE}`);
    const writer = await storeLine(schema, ROLE);
    expect(writer).not.toContain('INSERT');
    expect(writer).toMatch(/lacks USAGE on lane_tokens, node_numbers; .*does not own the table events/);
  }, 60_000);
});

describe('doctor', () => {
  test('names every part of a store that is missing (G14)', async () => {
    const schema = newSchema();
    expect((await cli(['migrate'], addressOf(schema))).code).toBe(0);
    const drop = [
      ['TABLE', 'deliveries'],
      ['SEQUENCE', 'node_numbers'],
      ['FUNCTION', 'follow'],
      ['INDEX', 'events_by_type'],
    ] as const;
    for (const [kind, name] of drop) {
      await asOperator(`DROP ${kind} ${schema}.${name}`);
      expect(await storeLine(schema)).toContain(`the ${kind.toLowerCase()} ${name} is missing`);
    }
  }, 60_000);
});

describe('a store of which somebody took parts away', () => {
  const damages: readonly (readonly [what: string, sql: (schema: string) => string, said: string])[] = [
    [
      'a part of the log',
      (schema) => `DROP TABLE ${schema}.events_1`,
      'the table events_1 with a part of the log is missing',
    ],
    ['its end', (schema) => `DELETE FROM ${schema}.log_head`, 'log_head has 0 rows in place of one'],
    [
      'the place of its end',
      (schema) => `UPDATE ${schema}.log_head SET position = 0`,
      'the log ends at position 0, but has an event at 1',
    ],
    ['lanes', (schema) => `DELETE FROM ${schema}.lanes`, 'consumer watcher has 0 of its 64 lanes'],
    [
      'a primary key',
      (schema) => `ALTER TABLE ${schema}.identities DROP CONSTRAINT identities_pkey`,
      'the primary key of the table identities is missing',
    ],
    [
      'the right to add to it',
      (schema) => `REVOKE CREATE ON SCHEMA ${schema} FROM ${ROLE}`,
      `the role ${ROLE} lacks CREATE on the schema`,
    ],
  ];
  test.each(damages)(
    '%s: doctor says so (G14)',
    async (_what, sql, said) => {
      const schema = newSchema();
      await asOperator(`CREATE SCHEMA ${schema} AUTHORIZATION ${ROLE}`);
      const Happened = defineEvent({ type: 'a.happened', stream: () => 'a-1', schema: z.object({}) });
      const watcher = defineConsumer({ name: 'watcher', on: Happened, handle: () => undefined });
      const system = await open({ store: addressOf(schema, ROLE), events: [Happened], consumers: [watcher] });
      await system.publish(Happened, {});
      await system.close();
      expect(await storeLine(schema, ROLE)).toMatch(/, whole$/);
      await asOperator(sql(schema));
      expect(await storeLine(schema, ROLE)).toContain(said);
    },
    60_000,
  );

  test('a program does not start on it, and says what is missing', async () => {
    const schema = newSchema();
    expect((await cli(['migrate'], addressOf(schema))).code).toBe(0);
    // One that is slow starts all the same.
    await asOperator(`DROP INDEX ${schema}.events_by_type`);
    expect((await cli(['publish', '-t', 'a.happened'], addressOf(schema))).code).toBe(0);
    await asOperator(`DROP TABLE ${schema}.rows CASCADE; DROP FUNCTION ${schema}.count_listeners`);
    const { code, stderr } = await cli(['start', '--port', '0'], addressOf(schema));
    expect(code).toBe(1);
    expect(stderr).toContain('the function count_listeners is missing; the table rows is missing');
  }, 60_000);
});

describe('a name that SQL knows for a word of its own', () => {
  test('is the name of a schema like any other', async () => {
    const address = addressOf('order');
    await asOperator('DROP SCHEMA IF EXISTS "order" CASCADE');
    const dry = await cli(['migrate', '--dry-run'], address);
    await asOperator(dry.stdout);
    const published = await cli(['publish', '-t', 'a.happened', '--json'], address);
    expect(JSON.parse(published.stdout)).toMatchObject({ position: 1 });
    expect(await storeLine('order')).toMatch(/schema order: .*head 1, .*, whole$/);
    await asOperator('DROP SCHEMA "order" CASCADE');
  });
});
