import { hostname } from 'node:os';
import { StoreHeld } from '../../errors.ts';
import type { Capabilities, Store, StoreFactory, StoreHolder, StoreReport } from '../../store.ts';
import type { Environment } from '../../system/environment.ts';
import { LogWatchers } from '../../channel/log-watchers.ts';
import { MemoryCheckpointStore } from './checkpoint-store.ts';
import type { MemoryContent } from './content.ts';
import { createContent } from './content.ts';
import { MemoryDeliveryStore } from './delivery-store.ts';
import { MemoryEventLog } from './event-log.ts';
import { MemoryInlineRows } from './inline-rows.ts';
import { MemoryLogChain } from './log-chain.ts';
import { MemoryRowStore } from './row-store.ts';
import { MemorySchemaStore } from './schema-store.ts';
import { Session } from './session.ts';
import { MemoryStoreImage } from './store-image.ts';
import { MemoryUnitOfWork } from './unit-of-work.ts';

const BACKEND = 'memory';
const LOCATION = 'this process';
const CAPABILITIES: Capabilities = {
  durable: false,
  atomicUnits: true,
  sharedReading: false,
  inlineProjections: true,
  tables: false,
};

/**
 * A store in the memory of this process: for tests and for trying things out. The reference model that other backends are compared with.
 *
 * Guarantee The content lives as long as the returned value: closing and opening again finds it, as after a restart. Two values
 *           share nothing. Nothing survives the process.
 * Errors    StoreHeld when it is opened while it is open.
 */
export function memory(): StoreFactory {
  const content = createContent();
  let holder: StoreHolder | undefined;
  return {
    backend: BACKEND,
    location: LOCATION,
    async open(environment) {
      if (holder !== undefined) {
        throw new StoreHeld(
          BACKEND,
          `process ${holder.pid} on ${holder.host}${holder.url === undefined ? '' : ` (${holder.url})`}`,
        );
      }
      holder = { pid: process.pid, host: hostname(), sinceMs: environment.clock.now(), url: undefined };
      return openStore(content, environment, {
        announce(url) {
          if (holder !== undefined) holder = { ...holder, url };
        },
        release() {
          holder = undefined;
        },
      });
    },
  };
}

/** The claim of an open store on its content. */
interface Hold {
  announce(url: string | undefined): void;
  release(): void;
}

function openStore(content: MemoryContent, environment: Environment, hold: Hold): Store {
  const { clock, logger } = environment;
  const session = new Session(BACKEND);
  const watchers = new LogWatchers(logger);
  const inlineRows = new MemoryInlineRows(content, clock, session);
  return {
    backend: BACKEND,
    location: LOCATION,
    readOnly: false,
    capabilities: CAPABILITIES,
    log: new MemoryEventLog({ content: content.log, clock, watchers, session, inlineRows }),
    chain: new MemoryLogChain(content.log, session),
    schemas: new MemorySchemaStore(content.schemas, session),
    checkpoints: new MemoryCheckpointStore(content.consumers, content.deliveries, content.rows, session),
    deliveries: new MemoryDeliveryStore(content.deliveries, session),
    rows: new MemoryRowStore(content.rows, session),
    cluster: undefined,
    outbox: undefined,
    unitOfWork: new MemoryUnitOfWork({ content, clock, watchers, session, inlineRows }),
    inlineRows,
    tables: undefined,
    image: new MemoryStoreImage(content, watchers, session),
    // Every write is done when its call returns, so that none ever waits (G10).
    pressure: () => ({ waiting: 0, limit: 1 }),
    async announce(url) {
      session.assertOpen();
      hold.announce(url);
    },
    async report() {
      session.assertOpen();
      return reportOf(content);
    },
    async close() {
      if (!session.close()) return;
      watchers.close();
      hold.release();
    },
  };
}

function reportOf(content: MemoryContent): StoreReport {
  let bytes = 0;
  for (const { kept } of content.log.entries) bytes += Buffer.byteLength(kept.event?.stored.data ?? '');
  for (const { rows } of content.rows.values()) for (const { json } of rows.values()) bytes += Buffer.byteLength(json);
  return { backend: BACKEND, location: LOCATION, readOnly: false, bytes, schemaVersion: 1, problems: [] };
}
