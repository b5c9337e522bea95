import { fileURLToPath } from 'node:url';
import { InvalidInput } from './errors.ts';
import type { StoreFactory } from './store.ts';

/** Names a store by text: `'memory:'`, the address of a PostgreSQL database, or the path of an SQLite file. */
export async function factoryOf(store: string): Promise<StoreFactory> {
  if (store === 'memory:') return (await import('./backends/memory/memory.ts')).memory();
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(store)?.[1];
  if (scheme !== undefined && /^postgres(?:ql)?$/i.test(scheme)) return postgresStore(store);
  if ((scheme !== undefined && scheme !== 'file') || /^postgres(?:ql)?:/i.test(store)) {
    const expected = "'memory:', postgres://… or the path of an SQLite file";
    throw new InvalidInput({ path: 'store', expected, found: withoutPassword(store) });
  }
  if (store === ':memory:')
    throw new InvalidInput({
      path: 'store',
      expected: "'memory:' for a store in memory, or the path of a file",
      found: store,
    });
  const file = /^file:/i.test(store) ? fileOfUrl(store) : store;
  return (await import('./backends/sqlite/sqlite.ts')).sqlite(file);
}

function withoutPassword(address: string): string {
  return address.replace(/^([^:]+:\/{0,2}[^:/?#]*):.*@/u, '$1:…@');
}

async function postgresStore(address: string): Promise<StoreFactory> {
  try {
    return (await import('./backends/postgres/postgres.ts')).postgres(address);
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    const expected = 'the package pg beside thereupon, for a store in PostgreSQL (npm install pg)';
    throw new InvalidInput({ path: 'store', expected, found: undefined }, { cause: error });
  }
}

/** The path in a file URL, absolute or not. */
function fileOfUrl(url: string): string {
  if (/^file:\/\//i.test(url)) {
    try {
      return fileURLToPath(url);
    } catch (error) {
      const expected = 'a file URL such as file:///var/lib/app.db, or a path';
      throw new InvalidInput({ path: 'store', expected, found: url }, { cause: error });
    }
  }
  return decodeURIComponent(url.slice('file:'.length));
}
