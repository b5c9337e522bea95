import type { EncodedEvent } from '../event/event.ts';
import { START } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { covers } from './checkpoint-store.ts';
import type { Checkpoint } from './checkpoint-store.ts';

/** Into so many lanes the keys of every consumer are spread. Leases and deliveries in stores name lanes: it never changes. */
export const LANES = 64;

const HASH = 0x23;
const FNV_OFFSET = 0x81_1c_9d_c5;
const FNV_PRIME = 0x01_00_01_93;

const QUEUE_KEY = /^#[1-9]\d{0,15}$/u;

/**
 * The lane of a key, from 0: FNV-1a over its UTF-16 units, folded; of the key of an event in a queue its position modulo the number of lanes.
 * The same on every node and for ever.
 */
export function laneOf(key: string): number {
  if (key.charCodeAt(0) === HASH && QUEUE_KEY.test(key)) return laneOfPosition(Number(key.slice(1)));
  let hash = FNV_OFFSET;
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), FNV_PRIME);
  hash ^= hash >>> 16;
  hash ^= hash >>> 8;
  return (hash >>> 0) % LANES;
}

/** By which key the events of a consumer are spread over lanes, where stores know it: that of consumers without a key of their own, or of queues. */
export type LaneKey = 'ordering-key' | 'position';

/** The lane of an event by its ordering key: `partitionkey`, or its stream. */
export function laneOfOrderingKey({ attributes, stream }: Pick<EncodedEvent, 'attributes' | 'stream'>): number {
  return laneOf(attributes?.partitionkey ?? stream);
}

/** The lane of an event in a queue. */
export function laneOfPosition(position: number): number {
  return position % LANES;
}

/** Which run of a process a node of the system is: a new one for each time that it joins. */
export type NodeId = number;

/**
 * Lanes of a consumer that have one checkpoint and one holder.
 *
 * Shape     `lanes`: ascending, not empty. The groups of a consumer hold each lane once.
 */
export interface LaneGroup {
  readonly lanes: readonly number[];
  readonly checkpoint: Checkpoint;
  /** The node that handles their events; undefined: none does. */
  readonly holder: NodeId | undefined;
  /** Rises whenever the lanes change hands: what an earlier holder commits is refused. */
  readonly token: number;
}

/** What a node can take part in. */
export interface NodeWork {
  /** Names of the consumers that it runs. */
  readonly consumers: readonly string[];
  /** Those of them that somebody receives from there: queues without handler. */
  readonly receiving: readonly string[];
}

/** A node as the others see it. */
export interface ClusterNode extends NodeWork {
  readonly id: NodeId;
}

/** What a node has of a consumer, from a taking to the next: its groups, and the token that its commits carry. */
export interface Lease {
  readonly token: number;
  readonly groups: readonly Pick<LaneGroup, 'lanes' | 'checkpoint'>[];
}

/** What of the lanes is written with the effects of a holder: the checkpoint of each group, which is named by its first lane. */
export interface LeaseCommit {
  readonly token: number;
  /**
   * Which commit under this token it is, from 1. Each is written after the one before it, and not after the next: one that was given up, and
   * reaches the store late, changes nothing. The last one may be repeated.
   */
  readonly number: number;
  readonly checkpoints: readonly { readonly lane: number; readonly checkpoint: Checkpoint }[];
}

const ALL: readonly number[] = Array.from({ length: LANES }, (_, lane) => lane);

/** All lanes of a consumer that nobody holds. `token`: higher than that of every earlier holder. */
export function wholeGroup(checkpoint: Checkpoint, token: number): LaneGroup {
  return { lanes: ALL, checkpoint, holder: undefined, token };
}

/** How far a consumer is done on all its lanes. Ranges above `low` are known only where they are the same for all of them. */
export function commonCheckpoint(groups: readonly Pick<LaneGroup, 'checkpoint'>[]): Checkpoint | undefined {
  const [first, ...others] = groups.map(({ checkpoint }) => checkpoint);
  if (first === undefined || others.length === 0) return first;
  if (others.every((other) => sameCheckpoint(first, other))) return first;
  const lowest = others.reduce((least, other) => (other.low < least.low ? other : least), first);
  return { ...lowest, done: [] };
}

/** Which events the store knows for done, by the lane of their key. */
export function settledIn(
  groups: readonly Pick<LaneGroup, 'lanes' | 'checkpoint'>[],
): (lane: number, position: Position) => boolean {
  const byLane = new Map(groups.flatMap(({ lanes, checkpoint }) => lanes.map((lane) => [lane, checkpoint] as const)));
  return (lane, position) => {
    const { low, done } = byLane.get(lane) ?? { low: START, done: [] };
    return position <= low || done.some(([from, to]) => from <= position && position <= to);
  };
}

/** Behind this place nothing is done on any lane. */
export function furthestOf(groups: readonly Pick<LaneGroup, 'checkpoint'>[]): Position {
  const places = groups.flatMap(({ checkpoint }) => [checkpoint.low, ...checkpoint.done.map(([, to]) => to)]);
  return places.reduce((furthest, place) => (place > furthest ? place : furthest), START);
}

/** Whether on each lane everything is done that is done there by others. */
export function coversLanes(
  ahead: readonly Pick<LaneGroup, 'lanes' | 'checkpoint'>[],
  behind: readonly Pick<LaneGroup, 'lanes' | 'checkpoint'>[],
): boolean {
  const byLane = new Map(behind.flatMap(({ lanes, checkpoint }) => lanes.map((lane) => [lane, checkpoint] as const)));
  return ahead.every(({ lanes, checkpoint }) =>
    lanes.every((lane) => covers(checkpoint, byLane.get(lane) ?? { low: START, done: [] })),
  );
}

export function sameCheckpoint(left: Checkpoint, right: Checkpoint): boolean {
  return (
    left.low === right.low &&
    left.done.length === right.done.length &&
    left.done.every(([from, to], index) => right.done[index]?.[0] === from && right.done[index]?.[1] === to)
  );
}

/**
 * How many lanes each node is to hold of a consumer: as many as the others, or one more. Who has one more differs from consumer to
 * consumer, so that these do not gather on one node. Of a queue from which somebody receives, only nodes where that is so have any.
 */
export function quotas(consumer: string, nodes: readonly ClusterNode[]): ReadonlyMap<NodeId, number> {
  const running = nodes.filter((node) => node.consumers.includes(consumer));
  const receiving = running.filter((node) => node.receiving.includes(consumer));
  const ids = (receiving.length > 0 ? receiving : running).map(({ id }) => id).sort((left, right) => left - right);
  const each = Math.floor(LANES / Math.max(1, ids.length));
  const rest = LANES - each * ids.length;
  const turn = laneOf(consumer);
  return new Map(ids.map((id, rank) => [id, each + ((rank + turn) % ids.length < rest ? 1 : 0)]));
}

/**
 * The lanes of a consumer after a node took what it is to have and let go of what it has too much. Lanes of nodes that are no members
 * any more are free.
 *
 * Guarantee Repeated by every node in any order, each ends with its quota, and no lane moves that need not.
 *           What this node holds afterwards has a token that is higher than all before.
 */
export function rebalanced(
  groups: readonly LaneGroup[],
  me: NodeId,
  quota: number,
  isMember: (id: NodeId) => boolean,
): readonly LaneGroup[] {
  const token = groups.reduce((highest, group) => Math.max(highest, group.token), 0) + 1;
  const mine: LaneGroup[] = [];
  const free: LaneGroup[] = [];
  const others: LaneGroup[] = [];
  for (const group of groups) {
    if (group.holder === me) mine.push(group);
    else if (group.holder === undefined || !isMember(group.holder)) free.push(group);
    else others.push(group);
  }
  let held = mine.reduce((count, { lanes }) => count + lanes.length, 0);
  const left: LaneGroup[] = [];
  for (const group of free) {
    const [taken, rest] = split(group, Math.max(0, quota - held));
    held += taken.length;
    if (taken.length > 0) mine.push({ ...group, lanes: taken });
    if (rest.length > 0) left.push({ ...group, lanes: rest });
  }
  const kept: LaneGroup[] = [];
  for (const group of mine) {
    const surplus = Math.max(0, held - quota);
    const [given, rest] = split(group, Math.min(surplus, group.lanes.length));
    held -= given.length;
    if (given.length > 0) left.push({ ...group, lanes: given });
    if (rest.length > 0) kept.push({ ...group, lanes: rest });
  }
  return [
    ...others,
    ...merged(left).map((group) => ({ ...group, holder: undefined, token })),
    ...merged(kept).map((group) => ({ ...group, holder: me, token })),
  ];
}

/** Whether `rebalanced` would take or give. */
export function isUnbalanced(
  groups: readonly LaneGroup[],
  me: NodeId,
  quota: number,
  isMember: (id: NodeId) => boolean,
): boolean {
  let held = 0;
  let free = 0;
  for (const { holder, lanes } of groups) {
    if (holder === me) held += lanes.length;
    else if (holder === undefined || !isMember(holder)) free += lanes.length;
  }
  return held > quota || (held < quota && free > 0);
}

/** What a node has after a rebalancing; undefined: nothing. */
export function leaseOf(groups: readonly LaneGroup[], me: NodeId): Lease | undefined {
  const mine = groups.filter(({ holder }) => holder === me);
  const [first] = mine;
  return first === undefined ? undefined : { token: first.token, groups: mine };
}

/** All lanes without a holder: what those who had them commit from now on is refused. */
export function released(groups: readonly LaneGroup[]): readonly LaneGroup[] {
  const token = groups.reduce((highest, group) => Math.max(highest, group.token), 0) + 1;
  return merged(groups).map((group) => ({ ...group, holder: undefined, token }));
}

function split({ lanes }: LaneGroup, count: number): readonly [readonly number[], readonly number[]] {
  return [lanes.slice(0, count), lanes.slice(count)];
}

/** Groups with one checkpoint become one. */
function merged(groups: readonly LaneGroup[]): readonly LaneGroup[] {
  const joined: LaneGroup[] = [];
  for (const group of groups) {
    const index = joined.findIndex(({ checkpoint }) => sameCheckpoint(checkpoint, group.checkpoint));
    const other = joined[index];
    if (other === undefined) joined.push(group);
    else joined[index] = { ...other, lanes: [...other.lanes, ...group.lanes].sort((left, right) => left - right) };
  }
  return joined;
}
