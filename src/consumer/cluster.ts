import type { ReadOptions } from '../channel/event-log.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { Delivery, DeliveryStore } from './delivery-store.ts';
import type { ClusterNode, LaneGroup, LaneKey, NodeId, NodeWork } from './lanes.ts';

/** What of a queue's deliveries waits for its time. */
export type DueDeliveries = Pick<DeliveryStore, 'due' | 'nextDueMs'>;

/** What becomes of the lanes of a consumer. `isMember`: as of that moment; a holder that was not known before may just have joined. */
export type LanesChange = (groups: readonly LaneGroup[], isMember: (node: NodeId) => boolean) => readonly LaneGroup[];

/** The nodes there are, and the lanes of consumers by name. */
export interface ClusterView {
  readonly nodes: readonly ClusterNode[];
  /** Of consumers that have their events handled by whoever holds these. */
  readonly lanes: ReadonlyMap<string, readonly LaneGroup[]>;
  /** Of those that are paused, and of projections that the store works off where events are recorded: nobody is to take them. */
  readonly paused: ReadonlyMap<string, readonly LaneGroup[]>;
  /** Names of these projections. */
  readonly inForce: ReadonlySet<string>;
}

/** What a member is told. */
export interface ClusterWatcher {
  /** Lanes or members may have changed, also by this node itself. */
  changed(): void;
  /** The lease of this node is over: whatever it held may be another's. It joins again by itself. */
  expelled(): void;
  /** It is a member again, under another id. */
  joined(node: NodeId): void;
}

/**
 * How the nodes of a system share the work of its consumers. Only stores that several processes write to have one.
 *
 * A node is a member from `join` to `leave`, for as long as its lease is renewed, which the store does by itself. The lanes of a consumer
 * are held by members; a commit of a holder carries the token of its lanes (Unit.lease) and is refused when that is not the present one.
 * Whatever else changes a consumer's record or deliveries takes all its lanes from their holders in the same transaction, so that they
 * read them anew.
 *
 * Guarantee Leases count in real time by the store's own clock: those of nodes need not agree. A member whose lease is over may be taken for
 *           dead by any other; it can then commit nothing.
 * Errors    As EventLog.append.
 */
export interface Cluster {
  /** How long a node that gives no sign of life keeps its lanes. */
  readonly leaseMs: number;
  /** Makes this process a member, which takes part in this work. Those who are known to be dead are members no more. */
  join(work: NodeWork, watcher: ClusterWatcher): Promise<NodeId>;
  /** This member takes part in other work from now on, also when it joins again. Nothing for who is no member. */
  announce(work: NodeWork): Promise<void>;
  /** Lets go of all lanes, and is no member any more. */
  leave(): Promise<void>;
  view(): Promise<ClusterView>;
  /**
   * Replaces the lanes of a consumer, in a transaction that excludes every commit of their holders and every other change.
   * `change` gets an empty list for a consumer that the store does not know, and may be called again.
   */
  changeLanes(consumer: string, change: LanesChange): Promise<readonly LaneGroup[]>;
  /** As EventLog.read, of events whose key is in these lanes. */
  read(options: ReadOptions, by: LaneKey, lanes: readonly number[]): Promise<readonly RecordedEvent[]>;
  /** As DeliveryStore.due, of keys in these lanes. */
  due(consumer: string, lanes: readonly number[], untilMs: number, limit: number): Promise<readonly Delivery[]>;
  /** As DeliveryStore.nextDueMs, of keys in these lanes. */
  nextDueMs(consumer: string, lanes: readonly number[], afterMs: number): Promise<number | undefined>;
}
