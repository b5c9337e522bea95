import assert from 'node:assert/strict';
import { LANES, leaseOf, quotas, rebalanced } from '../../consumer/lanes.ts';
import type { LaneGroup, Lease, NodeId } from '../../consumer/lanes.ts';
import { position } from '../../event/position.ts';
import { seededRandom } from '../../system/random.ts';
import { sampleConsumer, sampleUnit } from '../consumer-samples.ts';
import type { ContractSuite } from '../contract-case.ts';
import { casesOnNodes, inOrder, knowConsumer, lanesOf, NOT_THE_HOLDER, runs, Told } from './samples.ts';
import type { NodeStore } from './samples.ts';

const SEEDS = [1, 2, 3];
const STEPS = 40;
const NODES: readonly NodeId[] = [1, 2, 3, 4];

const nodesOf = (ids: readonly NodeId[]) => ids.map((id) => ({ id, ...runs('c') }));

/** What a node does that believes in these members. */
function turn(groups: readonly LaneGroup[], me: NodeId, members: readonly NodeId[]): readonly LaneGroup[] {
  return rebalanced(groups, me, quotas('c', nodesOf(members)).get(me) ?? 0, (id) => members.includes(id));
}

/** Nodes that take turns on stores of one medium, and the groups that the pure functions say there are. */
class Comparison {
  readonly #stores: readonly NodeStore[];
  readonly #random: { next(): number };
  readonly #commits = new Map<NodeId, { readonly lease: Lease; number: number }>();
  #groups: readonly LaneGroup[];

  constructor(stores: readonly NodeStore[], groups: readonly LaneGroup[], seed: number) {
    this.#stores = stores;
    this.#groups = groups;
    this.#random = seededRandom(seed);
  }

  async step(what: string): Promise<void> {
    const me = this.#oneOf(NODES);
    const act = this.#below(10);
    if (act < 5) await this.#rebalance(me, what);
    else if (act < 9) await this.#commit(me, what);
    else await this.#seize();
    assert.deepEqual(await lanesOf(this.#oneOf(this.#stores)), inOrder(this.#groups), what);
  }

  async #rebalance(me: NodeId, what: string): Promise<void> {
    const members = [...new Set([me, ...NODES.filter(() => this.#below(3) > 0)])];
    const expected = turn(this.#groups, me, members);
    const { cluster } = this.#storeOf(me);
    const found = await cluster.changeLanes('c', (groups) => turn(inOrder(groups), me, members));
    assert.deepEqual(inOrder(found), inOrder(expected), what);
    this.#groups = inOrder(expected);
    const lease = leaseOf(this.#groups, me);
    if (lease === undefined) this.#commits.delete(me);
    else if (this.#commits.get(me)?.lease.token !== lease.token) this.#commits.set(me, { lease, number: 0 });
  }

  /** By the lease that the node last had, whatever others did since. */
  async #commit(me: NodeId, what: string): Promise<void> {
    const held = this.#commits.get(me);
    if (held === undefined) return;
    const { token, groups } = held.lease;
    const low = position(this.#below(1_000));
    const done = this.#below(2) === 0 ? [] : [[position(low + 2), position(low + 2 + this.#below(9))] as const];
    const checkpoint = { low, done };
    const lease = {
      token,
      number: held.number + 1,
      checkpoints: groups.map(({ lanes }) => ({ lane: lanes[0] ?? 0, checkpoint })),
    };
    const isMine = (group: LaneGroup) =>
      group.token === token && groups.some(({ lanes }) => lanes[0] === group.lanes[0]);
    const holds = this.#groups.filter(isMine).length === groups.length;
    const outcome = await this.#storeOf(me).unitOfWork.commit(sampleUnit({ lease }));
    assert.deepEqual(outcome, holds ? { ok: true, appends: [] } : NOT_THE_HOLDER, what);
    if (!holds) return;
    held.number += 1;
    this.#groups = this.#groups.map((group) => (isMine(group) ? { ...group, checkpoint } : group));
  }

  /** The record is changed: which groups there are then is the store's affair, not who holds them, nor that tokens rise. */
  async #seize(): Promise<void> {
    const { checkpoints } = this.#oneOf(this.#stores);
    await checkpoints.change('c', { form: sampleConsumer('c').form }, 1);
    const found = await lanesOf(this.#oneOf(this.#stores));
    for (const { lanes, holder, token, checkpoint } of found) {
      assert.equal(holder, undefined);
      for (const lane of lanes) {
        const before = this.#groups.find((group) => group.lanes.includes(lane));
        assert.deepEqual(checkpoint, before?.checkpoint);
        assert.ok(token > (before?.token ?? 0), `the token of lane ${lane} rises`);
      }
    }
    this.#groups = found;
  }

  #storeOf(me: NodeId): NodeStore {
    return this.#stores[me % this.#stores.length] ?? this.#oneOf(this.#stores);
  }

  #below(bound: number): number {
    return Math.floor(this.#random.next() * bound);
  }

  #oneOf<Item>(items: readonly Item[]): Item {
    const item = items[this.#below(items.length)];
    assert.ok(item !== undefined);
    return item;
  }
}

/** Several nodes at random, compared with the pure functions (G13). */
export const comparingCases: ContractSuite = (bench) => [
  ...casesOnNodes(
    bench,
    Object.fromEntries(
      SEEDS.map((seed) => [
        `nodes that take, commit and lose lanes at random have what the model says (G6, G13; seed ${seed})`,
        async (store: NodeStore, beside: () => Promise<NodeStore>) => {
          const stores = [store, await beside(), await beside()];
          await knowConsumer(store);
          const comparison = new Comparison(stores, await lanesOf(store), seed);
          for (let step = 1; step <= STEPS; step += 1) await comparison.step(`step ${step}`);
        },
      ]),
    ),
  ),
  ...casesOnNodes(bench, {
    'nodes that join one by one and rebalance all at once end with even shares, and every lane is there once (G13)':
      async (store, beside) => {
        const stores = [store, await beside(), await beside(), await beside()];
        await knowConsumer(store);
        const ids: NodeId[] = [];
        for (const each of stores) ids.push(await each.cluster.join(runs('c'), new Told()));
        for (let round = 0; round < 3; round += 1)
          await Promise.all(
            stores.map(({ cluster }, index) =>
              cluster.changeLanes('c', (groups) => turn(groups, ids[index] ?? 0, ids)),
            ),
          );
        const groups = await lanesOf(store);
        const sizes = ids.map(
          (id) => groups.filter(({ holder }) => holder === id).flatMap(({ lanes }) => lanes).length,
        );
        assert.deepEqual(
          sizes,
          ids.map(() => LANES / stores.length),
        );
        assert.equal(new Set(groups.flatMap(({ lanes }) => lanes)).size, LANES);
      },
  }),
];
