import type { ReadOptions } from '../../channel/event-log.ts';
import type { Cluster, ClusterView, ClusterWatcher } from '../../consumer/cluster.ts';
import type { Delivery } from '../../consumer/delivery-store.ts';
import type { ClusterNode, LaneGroup, LaneKey, NodeId, NodeWork } from '../../consumer/lanes.ts';
import type { Checkpoint } from '../../consumer/checkpoint-store.ts';
import type { RecordedEvent } from '../../event/event.ts';
import { position } from '../../event/position.ts';
import type { Database, Queries } from './database.ts';
import type { PostgresDeliveryStore } from './delivery-store.ts';
import { LogReader } from './log-reader.ts';
import type { Presence } from './presence.ts';
import type { Session } from './session.ts';
import { fromText, toText } from './text.ts';
import type { Writes } from './write-queue.ts';

/** Roughly what a change of lanes holds in memory while it waits. */
const CHANGE_BYTES = 4_096;

export type LaneRow = [lanes: number[], low: number, done: string, holder: number | null, token: number];

const LANES_OF_RUNNING = `SELECT l.consumer, l.lanes, l.low, l.done, l.holder, l.token FROM lanes AS l
JOIN consumers AS c USING (consumer) WHERE c.paused_since_ms IS NULL ORDER BY l.consumer, l.first_lane`;
const NODES = 'SELECT node, consumers, receiving FROM nodes WHERE until > clock_timestamp() ORDER BY node';
const INSERT = `INSERT INTO lanes (consumer, first_lane, lanes, low, done, holder, token, updated_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`;
export const TELL_NODES = `SELECT pg_notify('thereupon_' || current_schema(), 'nodes')`;

/** Nodes and lanes as rows; whoever changes lanes holds the row of their consumer, and every commit of a holder those of its lanes. */
export class PostgresCluster implements Cluster {
  readonly leaseMs: number;
  readonly #reader: LogReader;
  readonly #parts: {
    readonly database: Database;
    readonly writes: Writes;
    readonly session: Session;
    readonly presence: Presence;
    readonly deliveries: PostgresDeliveryStore;
    readonly leaseMs: number;
    now(): number;
  };

  constructor(parts: {
    readonly database: Database;
    readonly writes: Writes;
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
    const rows = await database.query<[consumer: string, ...LaneRow]>(LANES_OF_RUNNING);
    const lanes = new Map<string, LaneGroup[]>();
    for (const [name, ...row] of rows) {
      const consumer = fromText(name);
      const groups = lanes.get(consumer);
      if (groups === undefined) lanes.set(consumer, [laneGroup(row)]);
      else groups.push(laneGroup(row));
    }
    return { nodes: nodes.map(clusterNode), lanes };
  }

  changeLanes(
    consumer: string,
    change: (groups: readonly LaneGroup[]) => readonly LaneGroup[],
  ): Promise<readonly LaneGroup[]> {
    const name = toText(consumer);
    return this.#parts.writes.alone(CHANGE_BYTES, async (queries) => {
      const before = await runningLanes(queries, name);
      const after = change(before);
      // Groups that stay are not touched: a commit of their holder finds them.
      const stays = after.filter((group) => before.includes(group));
      const changed = after.filter((group) => !before.includes(group));
      if (changed.length > 0) await replaceLanes(queries, name, stays, changed, this.#parts.now());
      return after;
    });
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

async function runningLanes(queries: Queries, consumer: string): Promise<readonly LaneGroup[]> {
  await lockConsumers(queries, [consumer]);
  const rows = await queries.query<LaneRow>(
    `SELECT l.lanes, l.low, l.done, l.holder, l.token FROM lanes AS l JOIN consumers AS c USING (consumer)
WHERE l.consumer = $1 AND c.paused_since_ms IS NULL ORDER BY l.first_lane FOR UPDATE OF l`,
    [consumer],
  );
  return rows.map(laneGroup);
}

/** Nobody else changes their lanes until the transaction ends. Before lanes are locked. */
export async function lockConsumers(queries: Queries, consumers: readonly string[]): Promise<void> {
  const sql = 'SELECT FROM consumers WHERE consumer = ANY($1::text[]) ORDER BY consumer FOR UPDATE';
  await queries.query(sql, [consumers]);
}

/** In place of all groups of a consumer, whose row is locked, but those that stay. */
export async function replaceLanes(
  queries: Queries,
  consumer: string,
  stays: readonly LaneGroup[],
  groups: readonly LaneGroup[],
  nowMs: number,
): Promise<void> {
  const kept = stays.map(({ lanes }) => lanes[0] ?? 0);
  await queries.change('DELETE FROM lanes WHERE consumer = $1 AND NOT first_lane = ANY($2::smallint[])', [
    consumer,
    kept,
  ]);
  for (const { lanes, checkpoint, holder, token } of groups) {
    const { low, done } = checkpoint;
    const first = lanes[0] ?? 0;
    await queries.change(INSERT, [consumer, first, lanes, low, JSON.stringify(done), holder ?? null, token, nowMs]);
  }
  await queries.query(TELL_NODES);
}

export function laneGroup([lanes, low, done, holder, token]: LaneRow): LaneGroup {
  return {
    lanes,
    checkpoint: { low: position(low), done: JSON.parse(done) as Checkpoint['done'] },
    holder: holder ?? undefined,
    token,
  };
}
