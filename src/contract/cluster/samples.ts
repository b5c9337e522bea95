import assert from 'node:assert/strict';
import type { Cluster, ClusterWatcher } from '../../consumer/cluster.ts';
import { leaseOf, rebalanced } from '../../consumer/lanes.ts';
import type { LaneGroup, Lease, NodeId, NodeWork } from '../../consumer/lanes.ts';
import type { Unit } from '../../consumer/unit-of-work.ts';
import { position } from '../../event/position.ts';
import type { Store } from '../../store.ts';
import { sampleConsumer, sampleUnit } from '../consumer-samples.ts';
import type { ContractBench, ContractCase } from '../contract-case.ts';

/** A store that shares its medium with others. */
export type NodeStore = Store & { readonly cluster: Cluster };

/** `beside` opens another store on the same medium, as another node does. */
export type NodeCaseBody = (store: NodeStore, beside: () => Promise<NodeStore>, bench: ContractBench) => Promise<void>;

/** Cases that begin with an empty store, which others are opened beside. */
export function casesOnNodes(
  bench: ContractBench,
  bodies: Readonly<Record<string, NodeCaseBody>>,
): readonly ContractCase[] {
  return Object.entries(bodies).map(([name, body]) => ({
    name,
    async run() {
      const store = await bench.open();
      await body(nodeStore(store), () => openBeside(bench, store), bench);
    },
  }));
}

async function openBeside(bench: ContractBench, store: Store): Promise<NodeStore> {
  assert.ok(
    bench.openBeside !== undefined,
    'a backend with a cluster enrols with a bench that opens stores beside others',
  );
  return nodeStore(await bench.openBeside(store));
}

function nodeStore(store: Store): NodeStore {
  assert.ok(store.cluster !== undefined, 'every store of a medium has a cluster, or none has');
  return store as NodeStore;
}

/** What a member was told. */
export class Told implements ClusterWatcher {
  readonly expulsions: ('expelled' | NodeId)[] = [];
  changes = 0;
  #look: () => void = () => {};

  changed(): void {
    this.changes += 1;
    this.#look();
  }

  expelled(): void {
    this.expulsions.push('expelled');
    this.#look();
  }

  joined(node: NodeId): void {
    this.expulsions.push(node);
    this.#look();
  }

  /** Resolves as soon as it was told what is waited for. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#look = () => {
        if (holds()) resolve();
      };
      this.#look();
    });
  }

  /** Resolves when it was told of a change after something was done. */
  async changeAfter(act: () => Promise<unknown>): Promise<void> {
    const before = this.changes;
    await act();
    await this.until(() => this.changes > before);
  }
}

/** Of a node that runs these consumers, none of which somebody receives from. */
export function runs(...consumers: readonly string[]): NodeWork {
  return { consumers, receiving: [] };
}

/** Makes consumer `c` known, with everything still to do. */
export function knowConsumer(store: Store): Promise<void> {
  return store.checkpoints.put(sampleConsumer('c'));
}

/** Lets a node take what is free of consumer `c` up to a quota. Every other node counts as a member. */
export async function take(store: NodeStore, node: NodeId, quota: number): Promise<Lease> {
  const lease = leaseOf(await share(store, node, quota), node);
  assert.ok(lease !== undefined, `node ${node} was to get lanes`);
  return lease;
}

/** Takes lanes from some, who count as dead, too. */
export function share(
  store: NodeStore,
  node: NodeId,
  quota: number,
  dead: readonly NodeId[] = [],
): Promise<readonly LaneGroup[]> {
  return store.cluster.changeLanes('c', (groups) => rebalanced(groups, node, quota, (id) => !dead.includes(id)));
}

/** What a holder commits when it has come to a position on all its lanes. `number`: which of its commits it is, from 1. */
export function heldUnit(lease: Lease, number: number, low: number, changes: Partial<Unit> = {}): Unit {
  const checkpoint = { low: position(low), done: [] };
  const checkpoints = lease.groups.map(({ lanes }) => ({ lane: lanes[0] ?? 0, checkpoint }));
  return sampleUnit({ ...changes, lease: { token: lease.token, number, checkpoints } });
}

export const NOT_THE_HOLDER = { ok: false, index: -1, refusal: undefined } as const;

/** By first lane, in which order the store may give them. */
export function inOrder(groups: readonly LaneGroup[]): readonly LaneGroup[] {
  return [...groups].sort((left, right) => (left.lanes[0] ?? 0) - (right.lanes[0] ?? 0));
}

/** The lanes of consumer `c` as another store sees them. */
export async function lanesOf(store: NodeStore): Promise<readonly LaneGroup[]> {
  return inOrder((await store.cluster.view()).lanes.get('c') ?? []);
}
