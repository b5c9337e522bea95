import { InvalidInput } from '../index.ts';
import { rawAppendRate, sqliteAppendRate, sqliteFoldRate, validatedAppendRate } from './raw-limit.ts';

/** What the medium of a store can do at most, in events a second; measured in the same run, without anything of this package. */
export interface Limits {
  readonly appendNote: string;
  /** Durable appends, so many events at a time, one caller, for a second or as long as is said. */
  append(batch: number, seconds?: number): Promise<number>;
  /** Durable appends of one event each by many callers at once, where the medium serves more than one. */
  appendByMany(callers: number): Promise<number>;
  /** Remarks on appends in batches, as figures in words. */
  remarks(batch: number): Promise<string>;
  /** Reading events in order, a page at a time, with their JSON parsed. Undefined: nobody has asked for it. */
  readonly page: ((events: number) => Promise<number>) | undefined;
  /** The same, and a count for each customer kept in rows, in the transaction of each page. */
  readonly project: ((events: number) => Promise<number>) | undefined;
  /** Streams a second, each of so many events, read one after the other with their JSON parsed and added up. Undefined: nobody has asked for it. */
  readonly fold: ((streams: number, events: number) => Promise<number>) | undefined;
  /** What the medium does now for what was written before, so that it does not come in the middle of a measurement; in words. */
  calm(): Promise<string>;
  /** A place for a fresh store. */
  storePath(name: string): Promise<string>;
  close(): Promise<void>;
}

/** A plain file: append and fdatasync. */
export function fileLimits(file: (name: string) => string): Limits {
  return {
    appendNote: 'append + fdatasync',
    append: async (batch, seconds) => rawAppendRate(file('raw'), batch, seconds),
    appendByMany: async (callers) => rawAppendRate(file('raw'), callers),
    async remarks(batch) {
      const validated = Math.round(validatedAppendRate(file('validated'), batch));
      const alone = Math.round(sqliteAppendRate(file('alone'), batch));
      return `; validated and written as JSON first: ${validated}/s; node:sqlite alone, rows and an index of identities: ${alone}/s`;
    },
    page: undefined,
    project: undefined,
    fold: async (streams, events) => sqliteFoldRate(file('fold'), streams, events),
    calm: async () => '',
    storePath: async (name) => file(`${name}.db`),
    close: async () => {},
  };
}

/** Whether a store is named by the address of a PostgreSQL database. */
export function isPostgres(store: string | undefined): store is string {
  return store !== undefined && /^postgres(?:ql)?:\/\//i.test(store);
}

/** Plain statements of `pg` on the same server. */
export async function postgresLimits(store: string): Promise<Limits> {
  const { openRawTable } = await import('./postgres-limit.ts').catch((error: unknown) => {
    const expected = 'the package pg beside thereupon, to measure PostgreSQL (npm install pg)';
    throw new InvalidInput({ path: 'store', expected, found: store }, { cause: error });
  });
  const table = await openRawTable(store);
  return {
    appendNote: 'statements of pg alone, prepared',
    append: (batch, seconds) => table.append(batch, seconds),
    appendByMany: (callers) => table.appendByMany(callers),
    remarks: async () => '',
    page: (events) => table.page(events),
    project: (events) => table.project(events),
    fold: undefined,
    calm: async () => ((await table.checkpoint()) ? '; after a checkpoint of the server' : ''),
    storePath: (name) => table.freshSchema(name),
    close: () => table.close(),
  };
}
