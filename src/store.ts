import type { EventLog } from './channel/event-log.ts';
import type { LogChain } from './channel/log-chain.ts';
import type { CheckpointStore } from './consumer/checkpoint-store.ts';
import type { Cluster } from './consumer/cluster.ts';
import type { DeliveryStore } from './consumer/delivery-store.ts';
import type { InlineRows } from './consumer/inline-rows.ts';
import type { RowStore } from './consumer/row-store.ts';
import type { TableStore } from './consumer/table-store.ts';
import type { UnitOfWork } from './consumer/unit-of-work.ts';
import type { Outbox } from './producer/outbox.ts';
import type { SchemaStore } from './schema/schema-store.ts';
import type { StoreImage } from './image/store-image.ts';
import type { Environment } from './system/environment.ts';

/** What a backend can do beyond the ports themselves. A feature that needs a missing one is refused at start-up by name (G13). */
export interface Capabilities {
  /** Acknowledged writes survive the end of the process. */
  readonly durable: boolean;
  /** Log and state share one transaction. */
  readonly atomicUnits: boolean;
  /** Other processes can read the store while this one writes. */
  readonly sharedReading: boolean;
  /** Rows can be changed in the transaction that records an event. */
  readonly inlineProjections: boolean;
  /** Read models may have tables of their own, and SQL. */
  readonly tables: boolean;
}

/** Who writes to a store. */
export interface StoreHolder {
  readonly pid: number;
  readonly host: string;
  readonly sinceMs: number;
  /** Where its server answers, if it has one. */
  readonly url: string | undefined;
}

/** A process that works on a store beside others. */
export interface StoreNode {
  readonly pid: number;
  readonly host: string;
  /** Where its server answers, if it has one. */
  readonly url: string | undefined;
  /** Whether it runs where this process does, so that a loopback address is the same for both. */
  readonly isHere: boolean;
  /** Names of those that it takes part in. */
  readonly consumers: readonly string[];
}

/** How a store is doing, for `doctor`, health and metrics. */
export interface StoreReport {
  readonly backend: string;
  readonly location: string;
  readonly readOnly: boolean;
  readonly bytes: number;
  readonly schemaVersion: number;
  /** Findings of a check of the medium; empty when all is well. */
  readonly problems: readonly string[];
}

/** What is removed leaves nothing behind, as far as the medium lets one. */
export interface Erasure {
  /** From now on what is removed, or moved, is overwritten where it was. */
  begin(): void;
  /** What `act` removes is gone from what was written ahead, too. Errors: those of `act`. */
  emptied(act: () => Promise<void>): Promise<void>;
}

/** One opened backend: every port it fills. */
export interface Store {
  readonly backend: string;
  /** Where it is, in words for a person: a file, an address. */
  readonly location: string;
  readonly readOnly: boolean;
  readonly capabilities: Capabilities;
  readonly log: EventLog;
  /** What attests the log. */
  readonly chain: LogChain;
  readonly schemas: SchemaStore;
  readonly checkpoints: CheckpointStore;
  readonly deliveries: DeliveryStore;
  readonly rows: RowStore;
  readonly unitOfWork: UnitOfWork;
  /** Undefined where rows follow events afterwards only. */
  readonly inlineRows: InlineRows | undefined;
  /** Undefined where there is no SQL. */
  readonly tables: TableStore | undefined;
  /** All of it, for another store. */
  readonly image: StoreImage;
  /** Where several processes write and share the work; undefined: one process alone does. */
  readonly cluster: Cluster | undefined;
  /** Where callers' own transactions publish; undefined: the store takes no part in them. */
  readonly outbox: Outbox | undefined;
  /** Keeps what is removed from lingering on the medium. Undefined: nothing can be done about that here. */
  readonly erasure?: Erasure | undefined;
  /** Writes waiting for their turn, and the most that may wait (G10). */
  pressure(): { readonly waiting: number; readonly limit: number };
  /** Lets other processes know where this one's server answers; undefined: nowhere any more. */
  announce(url: string | undefined): Promise<void>;
  /** `thorough` reads the whole medium. */
  report(thorough: boolean): Promise<StoreReport>;
  /** Finishes what was accepted, then releases the medium. Idempotent. */
  close(): Promise<void>;
}

/** What brings a store to the form that this version of the package works with. */
export interface PendingMigrations {
  /** The version that it has; 0: there is no store yet. */
  readonly from: number;
  readonly to: number;
  /** What opening it for writing would run; empty when it has the present form. */
  readonly sql: string;
  /** Why whoever asks could not run it; undefined: nothing is known that hinders. */
  readonly hindrance?: string | undefined;
}

/** How to open a store: what `open` takes. */
export interface StoreFactory {
  readonly backend: string;
  readonly location: string;
  open(environment: Environment): Promise<Store>;
  /** The same store for reading, beside whoever writes to it. Undefined: it cannot be read by others. */
  readonly forReading?: (() => StoreFactory) | undefined;
  /** Looks, and changes nothing. Undefined: stores of this kind have no form of their own. Errors as of `open`. */
  readonly pendingMigrations?: ((environment: Environment) => Promise<PendingMigrations>) | undefined;
  /** The processes that work on it at the moment. Undefined: one alone does, and is found where the store is held. Errors as of `open`. */
  readonly nodes?: ((environment: Environment) => Promise<readonly StoreNode[]>) | undefined;
}
