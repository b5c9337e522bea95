import { DatabaseSync } from 'node:sqlite';
import { CapabilityMissing, InvalidInput } from '../errors.ts';
import type { Environment } from '../system/environment.ts';
import type { Outbox, OwnOutbox, PutEvents, TransactionQueries } from './outbox.ts';
import { Relay } from './relay.ts';

/** Where transactions of callers publish: in the database of the store, and in databases of their own. One relay serves each. */
export class Outboxes {
  readonly #backend: string;
  readonly #inStore: Outbox | undefined;
  readonly #own: ReadonlyMap<unknown, OwnOutbox>;
  readonly #storeRelay: Relay | undefined;
  readonly #ownRelays: readonly Relay[];

  constructor(
    store: { readonly backend: string; readonly outbox: Outbox | undefined; readonly readOnly: boolean },
    own: readonly OwnOutbox[],
    environment: Environment,
  ) {
    this.#backend = store.backend;
    this.#inStore = store.outbox;
    this.#own = new Map(own.map((outbox) => [outbox.database, outbox]));
    this.#storeRelay = store.outbox === undefined || store.readOnly ? undefined : new Relay(store.outbox, environment);
    this.#ownRelays = own.map((outbox) => new Relay(outbox, environment));
  }

  /** How to put events into a transaction as it is now. */
  within(transaction: TransactionQueries | DatabaseSync): PutEvents {
    const own = this.#own.get(transaction);
    if (own !== undefined) return own.within();
    if (transaction instanceof DatabaseSync)
      throw new InvalidInput({
        path: 'transaction',
        expected: 'a database that the system knows from its start (open({ outboxes: [database], … }))',
        found: transaction.isOpen ? (transaction.location() ?? ':memory:') : 'a closed one',
      });
    if (typeof (transaction as Partial<TransactionQueries> | null | undefined)?.query !== 'function')
      throw new InvalidInput({
        path: 'transaction',
        expected: 'a DatabaseSync of node:sqlite, or a connection with query(sql, params)',
        found: transaction,
      });
    if (isPool(transaction))
      throw new InvalidInput({
        path: 'transaction',
        expected: 'the connection of the transaction, such as a client of the pool',
        found: 'a pool, each of whose statements may run on another connection',
      });
    const inStore = this.#inStore;
    if (inStore === undefined) throw new CapabilityMissing('publishWithin', 'outbox', this.#backend);
    return (events) => inStore.put(transaction, events);
  }

  /** Resolves when what transactions of callers have committed is in the log, or cannot be brought there now. */
  async caughtUp(): Promise<void> {
    await Promise.all([this.#storeRelay?.caughtUp(), ...this.#ownRelays.map((relay) => relay.caughtUp())]);
  }

  async close(graceMs: number): Promise<void> {
    await Promise.all([this.#storeRelay?.close(), ...this.#ownRelays.map((relay) => relay.close(graceMs))]);
  }
}

/** As pools of `pg` are. */
function isPool(transaction: TransactionQueries): boolean {
  return 'totalCount' in transaction && 'idleCount' in transaction && 'waitingCount' in transaction;
}
