import { setImmediate as nextTurn } from 'node:timers/promises';
import { writeImage } from '../../image/checked-image.ts';
import { Closed, StoreReadOnly, ThereuponError, WrongState } from '../../errors.ts';
import { assertNothingHeld } from '../../image/store-image.ts';
import type { ContentKind, ImageCounts, ImageRecord, StoreImage } from '../../image/store-image.ts';
import { Database, storeError } from './database.ts';
import { SqliteDeliveryStore } from './delivery-store.ts';
import type { GroupCommit } from './group-commit.ts';
import { ImageFiller } from './image-filler.ts';
import { ImageReader } from './image-reader.ts';
import { SqliteRowStore } from './row-store.ts';
import { SqliteTableStore } from './table-store.ts';
import { Session } from './session.ts';

/** While it is filled: entries of indexes go to any of their pages. */
const FILL_CACHE_BYTES = 64 * 1_024 * 1_024;

/** As of the writer: what was acknowledged is on the disk, and checkpoints are the business of WalKeeper alone. */
const FILL_PRAGMAS = 'PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0';

/** What a store holds that is not empty, by the tables that say so. */
const HELD: readonly (readonly [kind: ContentKind, condition: string])[] = [
  ['schema', 'EXISTS (SELECT 1 FROM schemas)'],
  ['stream', 'EXISTS (SELECT 1 FROM stream_floors)'],
  ['event', 'EXISTS (SELECT 1 FROM events)'],
  ['removed', 'EXISTS (SELECT 1 FROM retired)'],
  ['command', 'EXISTS (SELECT 1 FROM commands)'],
  ['link', 'EXISTS (SELECT 1 FROM chain_links)'],
  ['consumer', 'EXISTS (SELECT 1 FROM consumers)'],
  ['delivery', 'EXISTS (SELECT 1 FROM deliveries)'],
  ['row', 'EXISTS (SELECT 1 FROM rows)'],
];

export interface ImageParts {
  readonly store: string;
  readonly readOnly: boolean;
  readonly cacheBytes: number;
  readonly markEvery: number;
  readonly session: Session;
  readonly writes: Pick<GroupCommit, 'submit' | 'hold'>;
  /** Errors: StoreUnusable when another file is there by now. */
  assertInPlace(): void;
  /** Another connection has written up to this position: nothing that memory knows of the file counts. */
  filled(head: number): void;
}

/**
 * Reads and fills the file on connections of their own: readers see one state of it while writers go on, and what is filled in is seen by nobody before
 * it is whole. Other writes of this process wait meanwhile.
 *
 * States     idle; filling (one at a time).
 */
export class SqliteStoreImage implements StoreImage {
  readonly #parts: ImageParts;
  #filling: Database | undefined;

  constructor(parts: ImageParts) {
    this.#parts = parts;
  }

  async *read(): AsyncGenerator<readonly ImageRecord[], void, undefined> {
    const { session, cacheBytes } = this.#parts;
    session.assertOpen();
    const database = this.#connect({ readOnly: true, cacheBytes });
    try {
      database.begin();
      for (const page of new ImageReader(database).pages()) {
        yield page;
        // Whoever takes page after page without waiting for anything else does not keep the process from everything else.
        await nextTurn();
        session.assertOpen();
      }
    } catch (error) {
      throw this.#reason(error);
    } finally {
      database.close();
    }
  }

  async fill(records: AsyncIterable<readonly unknown[]>): Promise<ImageCounts> {
    const { store, readOnly, session, writes } = this.#parts;
    session.assertOpen();
    if (readOnly) throw new StoreReadOnly(store);
    if (this.#filling !== undefined) throw new WrongState(`store ${store} is being filled already`);
    const database = this.#connect({ readOnly: false, cacheBytes: FILL_CACHE_BYTES });
    this.#filling = database;
    const letGo = writes.hold();
    let filler: ImageFiller;
    let counts: ImageCounts;
    try {
      database.execute(FILL_PRAGMAS);
      database.begin();
      assertNothingHeld(store, heldIn(database));
      filler = this.#filler(database);
      counts = await writeImage(records, filler);
      this.#parts.assertInPlace();
      database.commit();
    } catch (error) {
      throw session.isOpen ? this.#reason(error) : new Closed(`store ${store}`);
    } finally {
      this.#end();
      letGo();
    }
    this.#parts.filled(filler.headPosition);
    return counts;
  }

  /** What is being filled in is given up. */
  close(): void {
    this.#end();
  }

  /** Closing a connection ends its transaction without a trace. */
  #end(): void {
    this.#filling?.close();
    this.#filling = undefined;
  }

  #connect(options: { readonly readOnly: boolean; readonly cacheBytes: number }): Database {
    try {
      this.#parts.assertInPlace();
      return new Database(this.#parts.store, options);
    } catch (error) {
      throw this.#reason(error);
    }
  }

  #filler(database: Database): ImageFiller {
    const { store, writes, markEvery } = this.#parts;
    const session = new Session(database, store, false);
    return new ImageFiller({
      database,
      markEvery,
      deliveries: new SqliteDeliveryStore(database, session),
      rows: new SqliteRowStore(database, writes, session, new SqliteTableStore(database, writes, session)),
    });
  }

  /** Errors of SQLite in the words of this package; others as they are: the records may come from anywhere. */
  #reason(error: unknown): unknown {
    const foreign = error instanceof ThereuponError || (error instanceof Error && !('errcode' in error));
    return foreign ? error : storeError(this.#parts.store, error);
  }
}

function heldIn(database: Database): readonly ContentKind[] {
  const sql = `SELECT ${HELD.map(([, condition]) => condition).join(', ')}`;
  const found = database.query<number[]>(sql).get() ?? [];
  return HELD.flatMap(([kind], index) => (found[index] === 1 ? [kind] : []));
}
