import { hostname } from 'node:os';
import { Client } from 'pg';
import type { ClusterWatcher } from '../../consumer/cluster.ts';
import type { NodeId, NodeWork } from '../../consumer/lanes.ts';
import { Closed, StoreUnavailable } from '../../errors.ts';
import { backoffMs } from '../../system/backoff.ts';
import { systemClock, waitFor } from '../../system/clock.ts';
import type { CancelTimer } from '../../system/clock.ts';
import type { Environment } from '../../system/environment.ts';
import { loopbackNetwork } from '../../system/network.ts';
import { SETTINGS, storeError } from './database.ts';

/** "Thpo": beside the number of a node and the hash of the schema's name, a lock that ends with the node's connection. */
const NODE_LOCK = 0x5468706f;
/** What is appended while the connection is down, or whose notice is lost, is found so late. */
const SAFETY_POLL_MS = 5_000;
/** So often within the length of a lease it is renewed. */
const RENEWALS = 3;
const RECONNECT = { minDelayMs: 100, maxDelayMs: 5_000, factor: 2, jitter: 0.5 };

/** The classid of the node locks of a schema: one number of two. */
const LOCK_CLASS = `(${NODE_LOCK} # hashtext(current_schema()))`;
/** Whether a node of `nodes` is connected. */
export const LOCKED = `EXISTS (SELECT FROM pg_locks AS l WHERE l.locktype = 'advisory' AND l.objsubid = 2
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.classid = (${LOCK_CLASS}::bigint & 4294967295)::oid AND l.objid = nodes.node::oid)`;
/** A number, whose lock it holds. */
const TAKE_NUMBER = `WITH taken AS MATERIALIZED (SELECT nextval('node_numbers')::integer AS node)
SELECT node, pg_advisory_lock_shared(${LOCK_CLASS}, node) FROM taken`;
const TELL = `pg_notify('thereupon_' || current_schema(), 'nodes')`;
const PENDING = 'EXISTS (SELECT FROM pending)';
/** Whether the head says who listens. */
const COUNTED = 'alone IS NOT DISTINCT FROM only_listener()';
const JOIN = `WITH gone AS (
  DELETE FROM nodes WHERE node <> $1 AND (node = $7 OR until < clock_timestamp() OR NOT ${LOCKED})
)
INSERT INTO nodes (node, host, pid, consumers, receiving, until, network, url)
VALUES ($1, $2, $3, $4, $5, clock_timestamp() + $6 * interval '1 millisecond', $8, $9) RETURNING ${TELL}`;
const ANNOUNCE = `UPDATE nodes SET consumers = $2, receiving = $3 WHERE node = $1 RETURNING ${TELL}`;
const RENEW = `WITH gone AS (
  DELETE FROM nodes WHERE node <> $1 AND until < clock_timestamp() RETURNING node
), renewed AS (
  UPDATE nodes SET until = clock_timestamp() + $2 * interval '1 millisecond', url = $3 WHERE node = $1 AND until > clock_timestamp() RETURNING node
)
SELECT (SELECT count(*) FROM renewed), (SELECT count(${TELL}) FROM gone), position, ${PENDING}, ${COUNTED} FROM log_head`;
const LEAVE = `WITH held AS MATERIALIZED (
  SELECT consumer, first_lane FROM lanes WHERE holder = $1 ORDER BY consumer, first_lane FOR UPDATE
), released AS (
  UPDATE lanes AS l SET holder = NULL, token = token + 1 FROM held WHERE l.consumer = held.consumer AND l.first_lane = held.first_lane
)
DELETE FROM nodes WHERE node = $1 RETURNING ${TELL}`;

export interface PresenceOptions {
  readonly url: string;
  readonly schema: string;
  readonly store: string;
  readonly connectTimeoutMs: number;
  readonly leaseMs: number;
  /** The number under which this process listens. */
  readonly listener: number;
  /** Leases are counted in real time, whatever clock the system has: from here come the logger and chance. */
  readonly environment: Environment;
  /** A notice says that the head of the log is there; anybody may send one. */
  heard(head: number): void;
  /** The head of the log, as the server says. */
  headIs(head: number): void;
  /** Nodes, lanes or what the store works off may have changed. */
  changed(): void;
  /** Somebody's transaction has put events into the outbox. */
  pending(): void;
  /** Has the server look again who listens: on another connection, since it waits for those who append. */
  countListeners(): Promise<void>;
}

interface Member {
  work: NodeWork;
  readonly watcher: ClusterWatcher;
  /** Undefined: the lease ran out, and it is joining again. */
  node: NodeId | undefined;
  /** The number that it had last, which nobody else gets. */
  last: NodeId | undefined;
}

/**
 * This process as the others know it, on a connection of its own: hears what they append, and keeps the lease of a node.
 *
 * States     idle → connected ⇄ waiting to connect again → closed; beside it: no member → member ⇄ expelled.
 * Invariants 1. After `start` every append is told of within the safety poll, whatever becomes of the connection.
 *            2. A member whose lease was not renewed in time by this process' own measure is told so; it began to count before the server.
 */
export class Presence {
  readonly #options: PresenceOptions;
  readonly #closing = new AbortController();
  #client: Client | undefined;
  #connected = Promise.withResolvers<Client>();
  #running: Promise<void> | undefined;
  #cancelBeat: CancelTimer | undefined;
  #cancelExpiry: CancelTimer | undefined;
  #beating: Promise<void> | undefined;
  #counting: Promise<void> | undefined;
  #member: Member | undefined;
  #url: string | undefined;
  #failures = 0;
  #renewals = 0;
  /** Ends the wait for the end of the present connection. */
  #gone: () => void = () => {};

  constructor(options: PresenceOptions) {
    this.#options = options;
    this.#connected.promise.catch(() => undefined);
  }

  /** `ready`: resolves when the store has its present form. Nothing but the connection is made before; where it rejects, nothing comes after. */
  start(ready: Promise<void> = Promise.resolve()): void {
    if (this.#running !== undefined || this.#closing.signal.aborted) return;
    this.#running = this.#run(ready);
    this.#beatSoon();
  }

  /** The node that this process is at present. */
  get node(): NodeId | undefined {
    return this.#member?.node;
  }

  /** Something may have come that nobody told of. */
  async lookAgain(): Promise<void> {
    // What is being asked just now may have been answered already.
    await this.#beating;
    this.#beat();
  }

  /** Rejects with StoreUnavailable when the server cannot be reached. */
  async join(work: NodeWork, watcher: ClusterWatcher): Promise<NodeId> {
    this.start();
    const member: Member = { work, watcher, node: undefined, last: undefined };
    const node = await this.#connectedly((client) => this.#join(client, member));
    this.#member = member;
    this.#cancelBeat?.();
    this.#beatSoon();
    return node;
  }

  /** Lets others know where the server of this process answers, from the next renewal on, which is now. */
  async answersAt(url: string | undefined): Promise<void> {
    this.#url = url;
    await this.lookAgain();
    await this.#beating;
  }

  async announce(work: NodeWork): Promise<void> {
    const member = this.#member;
    if (member === undefined) return;
    member.work = work;
    await this.#connectedly(async (client) => {
      // One that is no member at present says so when it joins again.
      if (member.node !== undefined)
        await client.query(ANNOUNCE, [member.node, [...member.work.consumers], [...member.work.receiving]]);
    });
  }

  /** Carries out something that may be repeated; on another connection where the present one breaks meanwhile. Errors: StoreUnavailable. */
  async #connectedly<Result>(act: (client: Client) => Promise<Result>): Promise<Result> {
    const { store } = this.#options;
    try {
      const client = await this.#connected.promise;
      return await act(client).catch(async (error: unknown) => {
        if (!(storeError(store, error) instanceof StoreUnavailable) || this.#closing.signal.aborted) throw error;
        this.#giveUp(client);
        return act(await this.#connected.promise);
      });
    } catch (error) {
      throw storeError(store, error);
    }
  }

  async leave(): Promise<void> {
    // It may be joining again just now.
    await this.#beating;
    const node = this.#member?.node;
    this.#member = undefined;
    this.#cancelExpiry?.();
    if (node === undefined || this.#client === undefined) return;
    try {
      await this.#client.query(LEAVE, [node]);
    } catch (error) {
      throw storeError(this.#options.store, error);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new Closed(`store ${this.#options.store}`));
    this.#cancelBeat?.();
    this.#cancelExpiry?.();
    void this.#client?.end().catch(() => undefined);
    this.#gone();
    this.#connected.reject(this.#closing.signal.reason);
    await this.#running;
    await this.#counting;
  }

  async #run(ready: Promise<void>): Promise<void> {
    const { signal } = this.#closing;
    const { environment } = this.#options;
    const isReady = ready.then(
      () => true,
      () => false,
    );
    while (!signal.aborted) {
      try {
        const { ended } = await this.#connect(ready);
        await ended;
      } catch (error) {
        // Whoever opens the store says why it cannot be.
        if (!(await isReady) || signal.aborted) return;
        this.#failures += 1;
        environment.logger.warn({ err: error }, 'notices of the store cannot be heard; connecting again');
        this.#connected.reject(error);
        this.#awaitNext();
      }
      if (signal.aborted) return;
      const delayMs = backoffMs(RECONNECT, Math.max(1, this.#failures), environment.random);
      await waitFor(systemClock, delayMs, signal).catch(() => undefined);
    }
  }

  /** Resolves when it listens; `ended`: when the connection does not any more. */
  async #connect(ready: Promise<void>): Promise<{ readonly ended: Promise<void> }> {
    const { url, schema, connectTimeoutMs, leaseMs } = this.#options;
    const client = new Client({
      connectionString: url,
      options: `${SETTINGS} -c search_path=${schema}`,
      application_name: 'thereupon-presence',
      connectionTimeoutMillis: connectTimeoutMs,
      // A server that does not answer within half a lease is as good as gone: another connection may reach it.
      query_timeout: Math.max(250, leaseMs / 2),
      keepAlive: true,
    });
    const ended = new Promise<void>((resolve) => {
      this.#gone = () => {
        if (this.#client === client) this.#awaitNext();
        resolve();
      };
      client.on('error', this.#gone);
      client.on('end', this.#gone);
    });
    client.on('notification', ({ payload }) => this.#notified(payload ?? ''));
    try {
      await client.connect();
      await ready;
      await client.query(`LISTEN thereupon_${schema}`);
      await client.query('SELECT listen_lock($1)', [this.#options.listener]);
      // Before this the others may take it for dead; then it finds itself expelled.
      if (this.#member?.node !== undefined) await lock(client, this.#member.node);
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
    if (this.#closing.signal.aborted) {
      await client.end().catch(() => undefined);
      throw this.#closing.signal.reason as Error;
    }
    this.#failures = 0;
    this.#client = client;
    this.#connected.resolve(client);
    // Whatever came while nobody listened is found when it is counted; a lease does not wait for that.
    if (this.#member !== undefined) this.#beat();
    this.#count();
    return { ended };
  }

  /** Who asks for the connection waits for the next one. */
  #awaitNext(): void {
    this.#client = undefined;
    this.#connected = Promise.withResolvers<Client>();
    this.#connected.promise.catch(() => undefined);
  }

  #giveUp(client: Client): void {
    void client.end().catch(() => undefined);
    if (this.#client === client) this.#gone();
  }

  /** From when it is counted this process hears of what others append; of what came before it learns then. */
  #count(): void {
    this.#counting ??= this.#options
      .countListeners()
      .then(() => this.lookAgain())
      .catch((error: unknown) => {
        if (this.#closing.signal.aborted) return;
        this.#options.environment.logger.debug({ err: error }, 'who listens could not be counted; trying again');
      })
      .finally(() => {
        this.#counting = undefined;
      });
  }

  #notified(payload: string): void {
    if (payload === 'nodes') this.#changed();
    else if (payload === 'outbox') this.#options.pending();
    else if (/^\d{1,16}$/.test(payload)) this.#options.heard(Number(payload));
  }

  #beatSoon(): void {
    if (this.#closing.signal.aborted) return;
    const renewMs = this.#options.leaseMs / RENEWALS;
    const everyMs = this.#member === undefined ? SAFETY_POLL_MS : Math.min(SAFETY_POLL_MS, renewMs);
    this.#cancelBeat = systemClock.setTimer(everyMs, () => {
      this.#beat();
      this.#beatSoon();
    });
  }

  /** Renews the lease and looks at the head of the log, unless it is doing so already. */
  #beat(): void {
    const client = this.#client;
    if (client === undefined || this.#beating !== undefined) return;
    this.#beating = this.#beatOn(client)
      .catch((error: unknown) => {
        if (this.#closing.signal.aborted) return;
        this.#options.environment.logger.warn({ err: error }, 'the store did not answer in time; connecting again');
        this.#giveUp(client);
      })
      .finally(() => {
        this.#beating = undefined;
      });
  }

  async #beatOn(client: Client): Promise<void> {
    const member = this.#member;
    if (member === undefined) {
      const text = `SELECT position, ${PENDING}, ${COUNTED} FROM log_head`;
      const { rows } = await client.query<[string, boolean, boolean]>({ text, rowMode: 'array' });
      const [position, isPending, isCounted] = rows[0] ?? [];
      this.#options.headIs(Number(position));
      if (isPending === true) this.#options.pending();
      if (isCounted === false) this.#count();
      return;
    }
    if (member.node === undefined) {
      member.watcher.joined(await this.#join(client, member));
      return;
    }
    const { node } = member;
    const sinceMs = performance.now();
    const { rows } = await client.query<[string, string, string, boolean, boolean]>({
      text: RENEW,
      values: [node, this.#options.leaseMs, this.#url ?? null],
      rowMode: 'array',
    });
    const [renewed, , head, pending, isCounted] = rows[0] ?? [];
    if (member !== this.#member) return;
    if (Number(renewed) === 0) {
      if (member.node === node) this.#expel(member);
      member.watcher.joined(await this.#join(client, member));
      return;
    }
    if (member.node === node) this.#holdsFrom(member, sinceMs);
    this.#options.headIs(Number(head));
    if (pending === true) this.#options.pending();
    if (isCounted === false) this.#count();
    this.#renewals += 1;
    // A notice may have been lost.
    if (this.#renewals % RENEWALS === 0) this.#changed();
  }

  #changed(): void {
    this.#options.changed();
    this.#member?.watcher.changed();
  }

  async #join(client: Client, member: Member): Promise<NodeId> {
    const { rows } = await client.query<{ node: number }>(TAKE_NUMBER);
    const node = Number(rows[0]?.node);
    const sinceMs = performance.now();
    const { consumers, receiving } = member.work;
    await client.query(JOIN, [
      node,
      hostname(),
      process.pid,
      [...consumers],
      [...receiving],
      this.#options.leaseMs,
      member.last ?? null,
      loopbackNetwork(),
      this.#url ?? null,
    ]);
    member.node = node;
    member.last = node;
    this.#holdsFrom(member, sinceMs);
    return node;
  }

  /** The lease was asked for then: by this process' own measure it ends no later than by the server's. */
  #holdsFrom(member: Member, sinceMs: number): void {
    this.#cancelExpiry?.();
    const leftMs = this.#options.leaseMs - (performance.now() - sinceMs);
    this.#cancelExpiry = systemClock.setTimer(leftMs, () => {
      this.#expel(member);
      // So that it joins again soon.
      this.#beat();
    });
  }

  #expel(member: Member): void {
    this.#cancelExpiry?.();
    member.node = undefined;
    member.watcher.expelled();
  }
}

async function lock(client: Client, node: NodeId): Promise<void> {
  await client.query(`SELECT pg_advisory_lock_shared(${LOCK_CLASS}, $1::integer)`, [node]);
}
