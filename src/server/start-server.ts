import { createServer } from 'node:http';
import type { Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { InvalidInput, durationMs, keepAlive } from '../index.ts';
import type { Duration } from '../index.ts';
import { isLoopback } from './access.ts';
import { createApp, responseOf } from './create-app.ts';
import type { AppOptions } from './create-app.ts';
import { problem, problemReply, replyOf } from './problem.ts';
import type { Reply } from './reply.ts';
import { AddressUnavailable, UnsafeHost } from './refusals.ts';
import { refuseBrokenRequest } from './broken-request.ts';
import type { ServedSystem } from './served-system.ts';

export interface StartOptions extends AppOptions {
  /** Closes the server when it is aborted. */
  readonly signal?: AbortSignal;
  /** How long `close` waits for requests under way. Default `'10s'`. */
  readonly closeGrace?: Duration;
  /** Bytes of all request headers together. Default 16 KiB. */
  readonly maxHeaderBytes?: number;
  /** A request has to be there in full within this time, its headers within a quarter of it. Default `'60s'`. */
  readonly requestTimeout?: Duration;
  /** Connections at the same time. Default 4,096. */
  readonly maxConnections?: number;
}

export interface RunningServer {
  /** Where it answers: `http://127.0.0.1:4600`. */
  readonly url: string;
  /** Takes no more connections, ends live streams, lets requests under way finish within the grace time. Idempotent. */
  close(): Promise<void>;
}

const DEFAULT_PORT = 4_600;
const KEEP_ALIVE_MS = 10_000;
/** How often connections are looked through for requests that take too long. */
const CHECK_EVERY_MS = 5_000;

/**
 * Serves a system over HTTP. Closing the server leaves the system open.
 *
 * Errors    UnsafeHost, AddressUnavailable, InvalidInput
 */
export async function startServer(system: ServedSystem, options: StartOptions = {}): Promise<RunningServer> {
  const host = options.host ?? '127.0.0.1';
  if (!isLoopback(host) && (options.apiKeys ?? []).length === 0) throw new UnsafeHost(host);
  const closing = new AbortController();
  const app = createApp(system, { ...options, signal: closing.signal });
  const listener = getRequestListener((request, env) => app.fetch(request, env), {
    overrideGlobalObjects: false,
    errorHandler: (error) => responseOf(unreadable(error, system)),
  });
  const server = httpServer(options, (incoming, outgoing) => void listener(incoming, outgoing));
  const connections = new Responses(server);
  const url = await listen(server, host, portOf(options.port));
  if (!system.readOnly) await system.announce(url);
  system.environment.logger.info({ url }, 'listening');
  let closed: Promise<void> | undefined;
  const close = () =>
    (closed ??= shutDown(server, {
      connections,
      closing,
      graceMs: durationMs(options.closeGrace ?? '10s', 'closeGrace'),
      system,
    }));
  if (options.signal?.aborted === true) await close();
  options.signal?.addEventListener('abort', () => void close(), { once: true });
  return { url, close };
}

function httpServer(options: StartOptions, listener: (incoming: never, outgoing: never) => void): Server {
  const requestTimeout = durationMs(options.requestTimeout ?? '60s', 'requestTimeout');
  const server = createServer(
    {
      maxHeaderSize: options.maxHeaderBytes ?? 16_384,
      requestTimeout,
      headersTimeout: Math.max(1, Math.floor(requestTimeout / 4)),
      connectionsCheckingInterval: Math.min(CHECK_EVERY_MS, Math.max(10, Math.floor(requestTimeout / 4))),
      keepAliveTimeout: KEEP_ALIVE_MS,
      // Finds clients of live streams whose machine is gone.
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
    },
    listener as never,
  );
  server.maxConnections = options.maxConnections ?? 4_096;
  server.on('clientError', refuseBrokenRequest);
  return server;
}

/** Knows the answers that are being given, so that their connections do not outlive them when the server closes. */
class Responses {
  readonly #server: Server;
  readonly #open = new Set<ServerResponse>();
  #closing = false;

  constructor(server: Server) {
    this.#server = server;
    server.prependListener('request', (_request, response) => this.#began(response));
  }

  close(): void {
    this.#closing = true;
    for (const response of this.#open) response.shouldKeepAlive = false;
    this.#server.closeIdleConnections();
  }

  #began(response: ServerResponse): void {
    if (this.#closing) response.shouldKeepAlive = false;
    this.#open.add(response);
    response.once('close', () => {
      this.#open.delete(response);
      // Its headers may have been sent when the connection was still meant to stay.
      if (this.#closing) setImmediate(() => this.#server.closeIdleConnections());
    });
  }
}

function listen(server: Server, host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => reject(new AddressUnavailable(`${host}:${port}`, error));
    server.once('error', failed);
    server.listen(port, host.replace(/^\[(.*)\]$/, '$1'), () => {
      server.off('error', failed);
      resolve(urlOf(host, (server.address() as AddressInfo).port));
    });
  });
}

async function shutDown(
  server: Server,
  parts: {
    readonly connections: Responses;
    readonly closing: AbortController;
    readonly graceMs: number;
    readonly system: ServedSystem;
  },
): Promise<void> {
  const { clock, logger } = parts.system.environment;
  if (!parts.system.readOnly) {
    // Before the port is another's.
    await parts.system.announce(undefined).catch((error: unknown) => {
      logger.debug({ err: error }, 'that the server answers no more could not be told');
    });
  }
  const ended = new Promise<void>((resolve) => server.close(() => resolve()));
  parts.closing.abort();
  parts.connections.close();
  const cancel = clock.setTimer(parts.graceMs, () => {
    logger.warn({ graceMs: parts.graceMs }, 'requests under way did not end in time and are cut off');
    server.closeAllConnections();
  });
  const release = keepAlive();
  await ended;
  release();
  cancel();
}

/** A wildcard is no address to call; this machine is. */
function urlOf(host: string, port: number): string {
  const name =
    host === '0.0.0.0' ? '127.0.0.1' : host === '::' || host === '[::]' ? '::1' : host.replace(/^\[(.*)\]$/, '$1');
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}

function portOf(port: number | undefined): number {
  if (port === undefined) return DEFAULT_PORT;
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new InvalidInput({ path: 'server.port', expected: 'a whole number from 0 to 65535', found: port });
  return port;
}

/** HTTP that no URL can be made of. */
function unreadable(error: unknown, system: ServedSystem): Reply {
  if (!(error instanceof Error) || error.name !== 'RequestError') return replyOf(error, system);
  return problemReply(
    problem('invalid-input', `request: expected a valid target and Host, found: ${error.message}`, { path: 'request' }),
  );
}
