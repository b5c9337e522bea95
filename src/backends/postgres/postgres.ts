import { readFileSync } from 'node:fs';
import { InvalidInput } from '../../errors.ts';
import type { StoreFactory } from '../../store.ts';
import { durationMs } from '../../system/duration.ts';
import type { Duration } from '../../system/duration.ts';
import { lookAtMigrations, lookAtNodes, openStore } from './open-store.ts';
import type { WaitingLimits } from './write-queue.ts';

export interface PostgresOptions {
  /** Opens for reading. Writes fail with StoreReadOnly. Default false. */
  readonly readOnly?: boolean;
  /** What may wait to be written (G10). Default 20,000 requests, 64 MiB. */
  readonly maxWaiting?: Partial<WaitingLimits>;
  /** Connections at once, at most; one more listens. Default 10. */
  readonly maxConnections?: number;
  /** How much of the log is in one table; what is removed by whole tables costs least. Default 5,000,000. */
  readonly eventsPerPartition?: number;
  /** How long the server may take to answer a write. Default 10,000 ms. */
  readonly answerTimeoutMs?: number;
  /** How long a node that gives no sign of life keeps the lanes of its consumers, 1s to 10m. Default 10s. */
  readonly lease?: Duration;
  /** How long a connection may take to be made. Default 5,000 ms. */
  readonly connectTimeoutMs?: number;
}

const DEFAULT_MAX_REQUESTS = 20_000;
const DEFAULT_MAX_BYTES = 64 * 1_024 * 1_024;
const LEASE_MS = { least: 1_000, most: 600_000 };
/** Timers of the runtime take no more. */
const MAX_TIMEOUT_MS = 2_147_483_647;
const DEFAULT_SCHEMA = 'thereupon';
/** Of this package, and those that `pg` reads. Others would be passed over in silence. */
const PARAMETERS: ReadonlySet<string> = new Set([
  'schema',
  'lease',
  'host',
  'port',
  'user',
  'password',
  'application_name',
  'ssl',
  'sslmode',
  'sslcert',
  'sslkey',
  'sslrootcert',
  'sslnegotiation',
  'uselibpqcompat',
]);
const OPTIONS: ReadonlySet<string> = new Set([
  'readOnly',
  'maxWaiting',
  'maxConnections',
  'eventsPerPartition',
  'answerTimeoutMs',
  'lease',
  'connectTimeoutMs',
]);
/** Those that `pg` knows. */
const SSL_MODES: ReadonlySet<string> = new Set([
  'disable',
  'allow',
  'prefer',
  'require',
  'verify-ca',
  'verify-full',
  'no-verify',
]);
/** Of a file each, which the driver reads. */
const FILES = ['sslrootcert', 'sslcert', 'sslkey'];
const ADDRESS =
  'postgres://user:password@host:port/database, where characters such as @ / ? # in names are percent-encoded';
/** What means the same with and without quotes in SQL, and needs none in a list of schemas. */
const SCHEMA_NAME = /^(?!pg_)[a-z_][a-z0-9_]{0,49}$/u;

/**
 * A store in a schema of a PostgreSQL database, 15 or later.
 *
 * Shape     `url`: `postgres://user:password@host:port/database?schema=name&lease=10s`; the schema is `thereupon` unless it is named.
 * Guarantee Durable on acknowledgement, as far as the server's `synchronous_commit` is (G1). Any number of processes write and read.
 * Errors    InvalidInput names what of the address or the options is wrong. On opening: StoreUnusable when the schema is not a store or belongs to a
 *           newer version; StoreUnavailable when the server does not answer.
 */
export function postgres(url: string, options: PostgresOptions = {}): StoreFactory {
  if (typeof url !== 'string') throw new InvalidInput({ path: 'store', expected: ADDRESS, found: url });
  const { address, schema } = parse(url);
  if (!isObject(options))
    throw new InvalidInput({ path: 'options of the store', expected: 'an object', found: options });
  for (const name of Object.keys(options))
    if (!OPTIONS.has(name))
      throw new InvalidInput({
        path: 'options of the store',
        expected: `only ${[...OPTIONS].join(', ')}`,
        found: name,
      });
  const { readOnly = false, maxWaiting = {}, maxConnections = 10, eventsPerPartition = 5_000_000 } = options;
  const { connectTimeoutMs = 5_000, answerTimeoutMs = 10_000 } = options;
  if (!isObject(maxWaiting)) throw new InvalidInput({ path: 'maxWaiting', expected: 'an object', found: maxWaiting });
  const limits = {
    requests: maxWaiting.requests ?? DEFAULT_MAX_REQUESTS,
    bytes: maxWaiting.bytes ?? DEFAULT_MAX_BYTES,
  };
  const leaseMs = durationMs(options.lease ?? ((address.searchParams.get('lease') ?? '10s') as Duration), 'lease');
  if (leaseMs < LEASE_MS.least || leaseMs > LEASE_MS.most)
    throw new InvalidInput({
      path: 'lease',
      expected: '1s to 10m',
      found: options.lease ?? address.searchParams.get('lease'),
    });
  for (const [path, found] of Object.entries({ connectTimeoutMs, answerTimeoutMs }))
    if (!(Number.isFinite(found) && found >= 1 && found <= MAX_TIMEOUT_MS))
      throw new InvalidInput({ path, expected: `milliseconds, 1 to ${MAX_TIMEOUT_MS}`, found });
  for (const [name, found] of Object.entries(limits))
    if (!Number.isSafeInteger(found) || found < 1)
      throw new InvalidInput({ path: `maxWaiting.${name}`, expected: 'a whole number from 1', found });
  // One may be needed to ask what became of a commit whose connection was lost.
  if (!Number.isSafeInteger(maxConnections) || maxConnections < 2)
    throw new InvalidInput({ path: 'maxConnections', expected: 'a whole number from 2', found: maxConnections });
  if (!Number.isSafeInteger(eventsPerPartition) || eventsPerPartition < 1)
    throw new InvalidInput({
      path: 'eventsPerPartition',
      expected: 'a whole number from 1',
      found: eventsPerPartition,
    });
  address.searchParams.delete('lease');
  const location = `${address.host}${address.pathname}, schema ${schema}`;
  const opening = {
    url: address.href,
    schema,
    location,
    readOnly,
    limits,
    maxConnections,
    connectTimeoutMs,
    answerTimeoutMs,
    leaseMs,
    eventsPerPartition,
  };
  return {
    backend: 'postgres',
    location,
    open: (environment) => openStore(opening, environment),
    forReading: () => postgres(url, { ...options, readOnly: true }),
    pendingMigrations: (environment) => lookAtMigrations(opening, environment),
    nodes: (environment) => lookAtNodes(opening, environment),
  };
}

function parse(url: string): { readonly address: URL; readonly schema: string } {
  let address: URL;
  try {
    address = new URL(url);
    decodeURIComponent(address.pathname);
    // A / in a password ends what would be the host.
    if (address.pathname.includes('@')) throw new TypeError('what follows the host holds an @');
  } catch {
    // What was found may hold a password.
    throw new InvalidInput({ path: 'store', expected: ADDRESS, found: url.replace(/\/\/.*@/, '//…@') });
  }
  for (const name of address.searchParams.keys())
    if (!PARAMETERS.has(name))
      throw new InvalidInput({
        path: 'store',
        expected: `only the parameters ${[...PARAMETERS].join(', ')}`,
        found: name,
      });
  const names = [...address.searchParams.keys()];
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    throw new InvalidInput({ path: 'store', expected: 'each parameter once', found: `${twice} twice` });
  const sslMode = address.searchParams.get('sslmode');
  if (sslMode !== null && !SSL_MODES.has(sslMode))
    throw new InvalidInput({ path: 'sslmode', expected: `one of ${[...SSL_MODES].join(', ')}`, found: sslMode });
  for (const name of FILES) {
    const file = address.searchParams.get(name);
    if (file !== null) assertReadable(name, file);
  }
  const schema = address.searchParams.get('schema') ?? DEFAULT_SCHEMA;
  if (!SCHEMA_NAME.test(schema)) {
    throw new InvalidInput({
      path: 'schema of the store',
      expected: 'a name of at most 50 lower-case letters, digits and _, not beginning with a digit or pg_',
      found: schema,
    });
  }
  address.searchParams.delete('schema');
  return { address, schema };
}

function assertReadable(name: string, file: string): void {
  try {
    readFileSync(file);
  } catch (error) {
    throw new InvalidInput({ path: name, expected: 'a file that can be read', found: file }, { cause: error });
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
