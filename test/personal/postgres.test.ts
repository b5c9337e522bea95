import { Client } from 'pg';
import type { BenchMedium } from '../../src/contract/bench.ts';
import { serverOfThisFile } from '../postgres/medium.ts';
import { forgettingOn } from './properties.ts';

const newMedium = serverOfThisFile();

const addresses = new WeakMap<BenchMedium, ReturnType<typeof newMedium>['address']>();

function newSchema(): BenchMedium {
  const medium = newMedium();
  addresses.set(medium, medium.address);
  return medium;
}

forgettingOn('postgres', 8, newSchema, (medium) => async () => {
  const { url, schema } = addresses.get(medium) ?? { url: '', schema: '' };
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const tables = await client.query<{ name: string }>(
      'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = $1',
      [schema],
    );
    const dumped = [];
    for (const { name } of tables.rows) {
      const { rows } = await client.query<{ text: string }>(`SELECT t::text AS text FROM ${schema}.${name} AS t`);
      dumped.push({ name, bytes: Buffer.from(rows.map(({ text }) => text).join('\n')) });
    }
    if (dumped.length === 0) throw new Error('no table was found to look into');
    return dumped;
  } finally {
    await client.end();
  }
});
