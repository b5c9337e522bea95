import type { Store } from '../store.ts';
import { checkpointStoreSuite } from './checkpoint-store.ts';
import { clusterSuite } from './cluster.ts';
import type { ContractSuite } from './contract-case.ts';
import { deliveryStoreSuite } from './delivery-store.ts';
import { eventLogSuite } from './event-log.ts';
import { inlineRowsSuite } from './inline-rows.ts';
import { logChainSuite } from './log-chain.ts';
import { rowStoreSuite } from './row-store.ts';
import { schemaStoreSuite } from './schema-store.ts';
import { storeImageSuite } from './store-image.ts';
import { storeSuite } from './store.ts';
import { tableStoreSuite } from './table-store.ts';
import { unitOfWorkSuite } from './unit-of-work.ts';

/** A port that backends fill, and what every one of them must do. */
export interface PortSuite {
  readonly port: string;
  readonly suite: ContractSuite;
  /** Whether a store fills the port; where it does not, the suite says nothing about it. Absent: every store does. */
  readonly isFilledBy?: (store: Store) => boolean;
}

/** Every port with its suite; a backend that passes all of those that it fills is a backend (G13). */
export const contractSuites: readonly PortSuite[] = [
  { port: 'event-log', suite: eventLogSuite },
  { port: 'log-chain', suite: logChainSuite },
  { port: 'schema-store', suite: schemaStoreSuite },
  { port: 'checkpoint-store', suite: checkpointStoreSuite },
  { port: 'delivery-store', suite: deliveryStoreSuite },
  { port: 'row-store', suite: rowStoreSuite },
  { port: 'unit-of-work', suite: unitOfWorkSuite },
  { port: 'inline-rows', suite: inlineRowsSuite, isFilledBy: ({ inlineRows }) => inlineRows !== undefined },
  { port: 'table-store', suite: tableStoreSuite, isFilledBy: ({ tables }) => tables !== undefined },
  { port: 'cluster', suite: clusterSuite, isFilledBy: ({ cluster }) => cluster !== undefined },
  { port: 'store-image', suite: storeImageSuite },
  { port: 'store', suite: storeSuite },
];
