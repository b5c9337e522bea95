import type { EventDefinition } from './event/define-event.ts';
import type { System } from './open.ts';
import type { SystemOptions } from './system-options.ts';

/** A key, and whose it is. */
export interface NamedKey {
  readonly name: string;
  readonly key: string;
}

/** How the server listens. */
export interface ServerOptions {
  /** Default 4600. 0: any free port. */
  readonly port?: number;
  /** Default `127.0.0.1`. Any address that is not loopback needs an API key. */
  readonly host?: string;
  /**
   * Keys that requests may carry as `Authorization: Bearer <key>`. Without any, loopback only, and everything is open. What is recorded with a
   * key keeps its name as `authid`; of a key without one, the beginning of its SHA-256.
   */
  readonly apiKeys?: readonly (string | NamedKey)[];
  /**
   * Keeps the network address of whoever publishes or gives a command with the events (`authaddress`) and outcomes. Addresses may be personal
   * data, and what is in the log stays there. Default false.
   */
  readonly keepAddresses?: boolean;
  /** Addresses and ranges of proxies before the server, whose `X-Forwarded-For` is believed: `10.0.0.7`, `10.0.0.0/8`. Default: none. */
  readonly trustedProxies?: readonly string[];
  /** Bytes of one request body. Default 8 MiB. */
  readonly maxBodyBytes?: number;
  /** Events in one request. Default 1,000. */
  readonly maxBatchEvents?: number;
}

/** A program as `thereupon.config.ts` names it: the store, the facts and everything that reacts. */
export interface Config<Events extends EventDefinition = EventDefinition> extends SystemOptions<Events> {
  readonly server?: ServerOptions;
  /** Started with the server by `dev` and `start`; feeds the program with events until the signal is aborted. */
  readonly feed?: (feed: FeedContext) => Promise<void>;
}

/** What a feed gets. */
export interface FeedContext {
  readonly system: System;
  /** Events a second, as asked for with `--feed`. */
  readonly rate: number;
  readonly signal: AbortSignal;
}

/** For `thereupon.config.ts`: gives the configuration its types. */
export function defineConfig<const Events extends EventDefinition>(config: Config<Events>): Config<Events> {
  return config;
}
