import { StoreUnusable } from '../../errors.ts';
import type { PendingMigrations } from '../../store.ts';
import type { Database } from './database.ts';
import { logAndState } from './migrations/0001-log-and-state.ts';
import { timeOfDeliveries } from './migrations/0002-time-of-deliveries.ts';
import { commandsAndTags } from './migrations/0003-commands-and-tags.ts';
import { hashChain } from './migrations/0004-hash-chain.ts';
import { tablesOfViews } from './migrations/0005-tables-of-views.ts';
import { valuesKeptApart } from './migrations/0006-values-kept-apart.ts';

/** "Thpn": in the header of every store, so that the file is told from databases of other programs. */
export const APPLICATION_ID = 0x5468706e;

/** In order; the number of a migration is its place in this list, from 1. */
const MIGRATIONS: readonly string[] = [
  logAndState,
  timeOfDeliveries,
  commandsAndTags,
  hashChain,
  tablesOfViews,
  valuesKeptApart,
];

export const SCHEMA_VERSION = MIGRATIONS.length;

/**
 * Reads whose file this is and how old. `undefined`: an empty database, which may become a store.
 *
 * Errors    StoreUnusable when it belongs to another program or to a newer version of this package; nothing was written.
 */
export function identify(database: Database, store: string): number | undefined {
  const application = database.number('application_id');
  const version = database.number('user_version');
  if (
    application === 0 &&
    version === 0 &&
    database.query('SELECT name FROM sqlite_schema LIMIT 1').get() === undefined
  )
    return undefined;
  if (application !== APPLICATION_ID)
    throw new StoreUnusable(store, 'the file is a SQLite database of another program; name another file');
  if (version > SCHEMA_VERSION) {
    throw new StoreUnusable(
      store,
      `the file has schema version ${version}, this version of thereupon knows up to ${SCHEMA_VERSION}; update thereupon`,
    );
  }
  return version;
}

/** What `migrate` would run. */
export function pendingMigrations(from: number): PendingMigrations {
  const parts = MIGRATIONS.flatMap((sql, index) =>
    index < from
      ? []
      : [
          'BEGIN;',
          sql.trim(),
          `PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${index + 1};`,
          'COMMIT;',
        ],
  );
  return { from, to: SCHEMA_VERSION, sql: parts.length === 0 ? '' : `${parts.join('\n')}\n` };
}

/** Brings a store, or an empty database, to the present form: each migration in a transaction of its own, so that none is half done. */
export function migrate(database: Database, from: number | undefined): void {
  for (const [index, sql] of MIGRATIONS.entries()) {
    const number = index + 1;
    if (number <= (from ?? 0)) continue;
    database.transaction(() => {
      database.execute(sql);
      database.execute(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${number};`);
    });
  }
}
