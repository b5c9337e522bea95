import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { programFolder, runCli, startCli, untilOutput } from '../cli/spawn-cli.ts';
import type { ScratchFolder } from '../cli/spawn-cli.ts';
import { ownServer } from './own-server.ts';

const PROGRAM = `
import { defineEvent, defineProjection } from 'thereupon';
import { z } from 'zod';

const Registered = defineEvent({
  type: 'crm.customer.registered',
  stream: ({ customer }) => customer,
  schema: z.object({ customer: z.string(), email: z.string() }),
  personal: { fields: ['email'], subject: ({ customer }) => customer },
});

export default {
  store: './data/crm.db',
  events: [Registered],
  projections: [
    defineProjection({
      name: 'contacts',
      key: ({ stream }) => stream,
      initial: () => ({ email: '' }),
      personal: { fields: ['email'], subject: (_row, key) => key },
      on: [[Registered, (_row, { data }) => ({ email: data.email })]],
    }),
  ],
};
`;

const { server, newSchema } = ownServer('forgetting');
let program: ScratchFolder;

beforeAll(() => {
  program = programFolder(PROGRAM);
});
afterAll(() => program[Symbol.dispose]());

describe('thereupon forget, on a store of several processes', () => {
  test('is done by the program that keeps rows of the person, where one runs, and else by the command; so are rows built anew', async () => {
    const options = {
      cwd: program.path,
      env: { THEREUPON_STORE: `${server.url}?schema=${newSchema()}`, NO_COLOR: '1' },
    };
    const cli = async (...args: string[]) => {
      const { code, stdout, stderr } = await runCli(args, options);
      expect(code, stderr).toBe(0);
      return stdout + stderr;
    };
    const tell = (customer: string) =>
      cli('publish', '-t', 'crm.customer.registered', '-d', JSON.stringify({ customer, email: `${customer}@x.org` }));
    const running = startCli(['start', '--port', '0', '--feed', 'off'], options);
    try {
      await untilOutput(running.stdout, /http:\/\/127\.0\.0\.1:\d+/);
      for (const customer of ['customer-a', 'customer-b']) await tell(customer);
      expect(await cli('views', 'rebuild', 'contacts', '--json')).toContain('"state":"switched"');
      expect(await cli('views', 'show', 'contacts', 'customer-a', '--json')).toContain('customer-a@x.org');
      expect(await cli('forget', 'customer-a', '--yes')).toContain('customer-a is forgotten: 1 key deleted');
      expect(await cli('views', 'show', 'contacts', 'customer-a', '--json')).not.toContain('customer-a@x.org');
    } finally {
      running.kill('SIGTERM');
      await once(running, 'exit');
    }
    expect(await cli('views', 'show', 'contacts', 'customer-b', '--json')).toContain('customer-b@x.org');
    expect(await cli('forget', 'customer-b', '--yes')).toContain('customer-b is forgotten: 1 key deleted');
    for (const customer of ['customer-a', 'customer-b'])
      expect(await cli('streams', 'show', customer, '--json')).not.toContain('@x.org');
  });
});
