import type { ReadOptions } from '../../channel/event-log.ts';
import type { Cluster, ClusterView, ClusterWatcher, LanesChange } from '../../consumer/cluster.ts';
import type { Delivery } from '../../consumer/delivery-store.ts';
import type { ClusterNode, LaneGroup, LaneKey, NodeId, NodeWork } from '../../consumer/lanes.ts';
import { checkpointOf, restOfCheckpoint } from '../../consumer/checkpoint-store.ts';
import type { RecordedEvent } from '../../event/event.ts';
import type { Database, Queries } from './database.ts';
import type { PostgresDeliveryStore } from './delivery-store.ts';
import { LogReader } from './log-reader.ts';
import type { OwnTransactions } from './own-transactions.ts';
import type { Presence } from './presence.ts';
import type { Session } from './session.ts';
import { fromText, toText } from './text.ts';

/** Roughly what a change of lanes holds in memory while it waits. */
const CHANGE_BYTES = 4_096;

export type LaneRow = [lanes: number[], low: number, done: string, holder: number | null, token: number];

/**
 * Of lanes (`l`), in a statement that names the head of the log (`h`) before them, as whoever locks both does: how far they are. Those of a
 * projection that the store works off are at the head, and nobody has them.
 */
export const LOW = 'CASE WHEN l.inline THEN h.position ELSE l.low END';
const ALL_LANES = `SELECT c.paused_since_ms IS NOT NULL OR l.inline, l.inline, l.consumer, l.lanes, ${LOW}, l.done, l.holder, l.token FROM log_head AS h CROSS JOIN lanes AS l
JOIN consumers AS c USING (consumer) ORDER BY l.consumer, l.first_lane`;
const NODES = 'SELECT node, consumers, receiving FROM nodes WHERE until > clock_timestamp() ORDER BY node';
const MEMBERS = 'SELECT node FROM nodes WHERE until > clock_timestamp()';
const DELETE = `DELETE FROM lanes AS l WHERE l.consumer = ANY($1::text[]) AND NOT EXISTS (
  SELECT FROM unnest($2::text[], $3::smallint[]) AS stays (consumer, lane) WHERE stays.consumer = l.consumer AND stays.lane = l.first_lane
)`;
const INSERT = `INSERT INTO lanes (consumer, first_lane, lanes, low, done, holder, token, updated_ms)
SELECT n.consumer, n.first_lane, n.lanes::smallint[], n.low, n.done, n.holder, n.token, $8
FROM unnest($1::text[], $2::smallint[], $3::text[], $4::bigint[], $5::text[], $6::integer[], $7::bigint[])
  AS n (consumer, first_lane, lanes, low, done, holder, token)`;
const INLINE =
  'SELECT l.consumer FROM log_head AS h CROSS JOIN lanes AS l WHERE l.inline AND l.consumer = ANY($1::text[])';
const LOCK_HEAD = 'SELECT FROM log_head FOR UPDATE';
export const TELL_NODES = `SELECT pg_notify('thereupon_' || current_schema(), 'nodes')`;

interface Asked {
  /** Its stored name. */
  readonly consumer: string;
  readonly change: LanesChange;
  readonly resolve: (groups: readonly LaneGroup[]) => void;
  readonly reject: (error: unknown) => void;
}

/** What becomes of the lanes of a consumer, by its stored name. */
export interface LanesReplaced {
  readonly consumer: string;
  readonly stays: readonly LaneGroup[];
  readonly groups: readonly LaneGroup[];
}

/** Nodes and lanes as rows; whoever changes lanes holds the row of their consumer, and every commit of a holder those of its lanes. */
export class PostgresCluster implements Cluster {
  readonly leaseMs: number;
  readonly #reader: LogReader;
  /** Changes of lanes whose turn has not come. */
  readonly #asked: Asked[] = [];
  readonly #parts: {
    readonly database: Database;
    readonly writes: OwnTransactions;
    readonly session: Session;
    readonly presence: Presence;
    readonly deliveries: PostgresDeliveryStore;
    readonly leaseMs: number;
    now(): number;
  };

  constructor(parts: {
    readonly database: Database;
    readonly writes: OwnTransactions;
    readonly session: Session;
    readonly presence: Presence;
    readonly deliveries: PostgresDeliveryStore;
    readonly leaseMs: number;
    now(): number;
  }) {
    this.#parts = parts;
    this.leaseMs = parts.leaseMs;
    this.#reader = new LogReader(parts.database);
  }

  async join(work: NodeWork, watcher: ClusterWatcher): Promise<NodeId> {
    this.#parts.session.assertOpen();
    return this.#parts.presence.join(storedWork(work), watcher);
  }

  async announce(work: NodeWork): Promise<void> {
    this.#parts.session.assertOpen();
    await this.#parts.presence.announce(storedWork(work));
  }

  leave(): Promise<void> {
    return this.#parts.presence.leave();
  }

  async view(): Promise<ClusterView> {
    const { database, session } = this.#parts;
    session.assertOpen();
    // One after the other: an idle node needs one connection for it.
    const nodes = await database.query<[node: number, consumers: string[], receiving: string[]]>(NODES);
    const rows = await database.query<[isPaused: boolean, isInline: boolean, consumer: string, ...LaneRow]>(ALL_LANES);
    const of = (paused: boolean) => {
      const those = rows.filter(([isPaused]) => isPaused === paused).map(([, , ...row]) => row);
      return new Map([...groupsByConsumer(those)].map(([name, groups]) => [fromText(name), groups] as const));
    };
    const inForce = new Set(rows.flatMap(([, isInline, consumer]) => (isInline ? [fromText(consumer)] : [])));
    return { nodes: nodes.map(clusterNode), lanes: of(false), paused: of(true), inForce };
  }

  changeLanes(consumer: string, change: LanesChange): Promise<readonly LaneGroup[]> {
    return new Promise((resolve, reject) => {
      this.#asked.push({ consumer: toText(consumer), change, resolve, reject });
      if (this.#asked.length === 1) void this.#changeAsked();
    });
  }

  /** What is asked for until its turn comes shares one transaction: a node that comes or goes is a change of every consumer. */
  async #changeAsked(): Promise<void> {
    const asked: Asked[] = [];
    try {
      let settle: (() => void) | undefined;
      do {
        settle = await this.#parts.writes.alone(CHANGE_BYTES, (queries) => {
          asked.push(...this.#asked.splice(0));
          return changeAll(queries, asked, this.#parts.now());
        });
      } while (settle === undefined);
      settle();
    } catch (error) {
      // Where its turn never came, all that waited for it.
      for (const { reject } of asked.length > 0 ? asked : this.#asked.splice(0)) reject(error);
    }
  }

  async read(options: ReadOptions, by: LaneKey, lanes: readonly number[]): Promise<readonly RecordedEvent[]> {
    this.#parts.session.assertOpen();
    return this.#reader.read(options, { by, lanes });
  }

  due(consumer: string, lanes: readonly number[], untilMs: number, limit: number): Promise<readonly Delivery[]> {
    return this.#parts.deliveries.dueIn(consumer, lanes, untilMs, limit);
  }

  nextDueMs(consumer: string, lanes: readonly number[], afterMs: number): Promise<number | undefined> {
    return this.#parts.deliveries.nextDueMsIn(consumer, lanes, afterMs);
  }
}

function storedWork({ consumers, receiving }: NodeWork): NodeWork {
  return { consumers: consumers.map(toText), receiving: receiving.map(toText) };
}

function clusterNode([id, consumers, receiving]: readonly [number, string[], string[]]): ClusterNode {
  return { id, consumers: consumers.map(fromText), receiving: receiving.map(fromText) };
}

/** Answers what tells those who asked, once it is committed; undefined: it has to be done again. */
async function changeAll(queries: Queries, asked: readonly Asked[], nowMs: number): Promise<(() => void) | undefined> {
  const names = [...new Set(asked.map(({ consumer }) => consumer))];
  const isAtHead = (await inlineOf(queries, names)).length > 0;
  if (isAtHead) await queries.query(LOCK_HEAD);
  const before = await runningLanes(queries, names);
  const inline = await inlineOf(queries, names);
  // It became so meanwhile. The head comes before what is locked by now.
  if (inline.length > 0 && !isAtHead) return undefined;
  // After the lanes are locked: whoever holds some was a member before.
  const members = new Set((await queries.query<[number]>(MEMBERS)).map(([node]) => node));
  const isMember = (node: NodeId) => members.has(node);
  const after = new Map(before);
  const tell: (() => void)[] = [];
  for (const { consumer, change, resolve, reject } of asked) {
    try {
      const groups = change(after.get(consumer) ?? [], isMember);
      after.set(consumer, groups);
      tell.push(() => resolve(groups));
    } catch (error) {
      tell.push(() => reject(error));
    }
  }
  const changes = names.map((consumer): LanesReplaced => {
    const were = before.get(consumer) ?? [];
    const are = after.get(consumer) ?? [];
    // Groups that stay are not touched: a commit of their holder finds them.
    return {
      consumer,
      stays: are.filter((group) => were.includes(group)),
      groups: are.filter((group) => !were.includes(group)),
    };
  });
  const changed = changes.filter(({ groups }) => groups.length > 0);
  const taken = changed.map(({ consumer }) => consumer).filter((consumer) => inline.includes(consumer));
  if (taken.length > 0) await endInline(queries, taken);
  if (changed.length > 0) await replaceLanes(queries, changed, nowMs);
  return () => {
    for (const tellOne of tell) tellOne();
  };
}

/** By consumer, those that are not paused; nobody else changes them until the transaction ends. */
async function runningLanes(
  queries: Queries,
  consumers: readonly string[],
): Promise<ReadonlyMap<string, readonly LaneGroup[]>> {
  await lockConsumers(queries, consumers);
  const rows = await queries.query<[consumer: string, ...LaneRow]>(
    `SELECT l.consumer, l.lanes, ${LOW}, l.done, l.holder, l.token FROM log_head AS h CROSS JOIN lanes AS l JOIN consumers AS c USING (consumer)
WHERE l.consumer = ANY($1::text[]) AND c.paused_since_ms IS NULL ORDER BY l.consumer, l.first_lane FOR UPDATE OF l`,
    [consumers],
  );
  return groupsByConsumer(rows);
}

function groupsByConsumer(
  rows: readonly (readonly [consumer: string, ...LaneRow])[],
): ReadonlyMap<string, readonly LaneGroup[]> {
  const groups = new Map<string, LaneGroup[]>();
  for (const [consumer, ...row] of rows) {
    const known = groups.get(consumer);
    if (known === undefined) groups.set(consumer, [laneGroup(row)]);
    else known.push(laneGroup(row));
  }
  return groups;
}

/** Nobody else changes their lanes until the transaction ends. Before lanes are locked. */
export async function lockConsumers(queries: Queries, consumers: readonly string[]): Promise<void> {
  const sql = 'SELECT FROM consumers WHERE consumer = ANY($1::text[]) ORDER BY consumer FOR UPDATE';
  await queries.query(sql, [consumers]);
}

/** Which of these consumers are projections that the store works off. */
async function inlineOf(queries: Queries, consumers: readonly string[]): Promise<readonly string[]> {
  return (await queries.query<[string]>(INLINE, [consumers])).map(([consumer]) => consumer);
}

/**
 * Lets go of those of these consumers that the store works off: from now on their checkpoints are their own. In a transaction that holds the head
 * of the log. Answers what names those that are left.
 */
export async function endInline(queries: Queries, consumers: readonly string[]): Promise<number | undefined> {
  const [row] = await queries.query<[number | null]>('SELECT end_inline($1::text[])', [consumers]);
  return row?.[0] ?? undefined;
}

/** In place of all groups of these consumers, whose rows are locked, but those that stay. */
export async function replaceLanes(queries: Queries, changes: readonly LanesReplaced[], nowMs: number): Promise<void> {
  const kept = changes.flatMap(({ consumer, stays }) => stays.map(({ lanes }) => ({ consumer, lane: lanes[0] ?? 0 })));
  await queries.change(DELETE, [
    changes.map(({ consumer }) => consumer),
    kept.map(({ consumer }) => consumer),
    kept.map(({ lane }) => lane),
  ]);
  const put = changes.flatMap(({ consumer, groups }) => groups.map((group) => ({ consumer, ...group })));
  await queries.change(INSERT, [
    put.map(({ consumer }) => consumer),
    put.map(({ lanes }) => lanes[0] ?? 0),
    put.map(({ lanes }) => `{${lanes.join(',')}}`),
    put.map(({ checkpoint }) => checkpoint.low),
    put.map(({ checkpoint }) => restOfCheckpoint(checkpoint)),
    put.map(({ holder }) => holder ?? null),
    put.map(({ token }) => token),
    nowMs,
  ]);
  await queries.query(TELL_NODES);
}

export function laneGroup([lanes, low, done, holder, token]: LaneRow): LaneGroup {
  return {
    lanes,
    checkpoint: checkpointOf(low, done),
    holder: holder ?? undefined,
    token,
  };
}
