import { checkpointStoreSuite } from './checkpoint-store.ts';
import type { ContractSuite } from './contract-case.ts';
import { deliveryStoreSuite } from './delivery-store.ts';
import { eventLogSuite } from './event-log.ts';
import { rowStoreSuite } from './row-store.ts';
import { schemaStoreSuite } from './schema-store.ts';
import { storeImageSuite } from './store-image.ts';
import { storeSuite } from './store.ts';
import { unitOfWorkSuite } from './unit-of-work.ts';

/** Every port with its suite; a backend that passes all of them is a backend (G13). */
export const contractSuites: readonly { readonly port: string; readonly suite: ContractSuite }[] = [
  { port: 'event-log', suite: eventLogSuite },
  { port: 'schema-store', suite: schemaStoreSuite },
  { port: 'checkpoint-store', suite: checkpointStoreSuite },
  { port: 'delivery-store', suite: deliveryStoreSuite },
  { port: 'row-store', suite: rowStoreSuite },
  { port: 'unit-of-work', suite: unitOfWorkSuite },
  { port: 'store-image', suite: storeImageSuite },
  { port: 'store', suite: storeSuite },
];
