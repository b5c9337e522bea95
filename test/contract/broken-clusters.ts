import type { Cluster } from '../../src/consumer/cluster.ts';
import { commonCheckpoint, LANES } from '../../src/consumer/lanes.ts';
import type { LaneGroup, LeaseCommit, NodeId } from '../../src/consumer/lanes.ts';
import type { Unit, UnitOfWork } from '../../src/consumer/unit-of-work.ts';
import type { Store } from '../../src/store.ts';
import type { BrokenStore } from './broken-store.ts';
import { but } from './broken-store.ts';

/** A fault of a store that has a cluster. */
function fault(
  what: string,
  cites: string,
  breaking: (cluster: Cluster, store: Store) => Partial<Pick<Store, 'unitOfWork' | 'checkpoints'>> & Partial<Cluster>,
): BrokenStore {
  return {
    fault: what,
    port: 'cluster',
    cites,
    break(store) {
      const { cluster } = store;
      if (cluster === undefined) throw new Error('only clusters can be broken so');
      const { unitOfWork = store.unitOfWork, checkpoints = store.checkpoints, ...replaced } = breaking(cluster, store);
      return { unitOfWork, checkpoints, cluster: but(cluster, replaced) };
    },
  };
}

function committing({ unitOfWork }: Store, changed: (unit: Unit, lease: LeaseCommit) => Promise<Unit>): UnitOfWork {
  return but(unitOfWork, {
    commit: async (unit) => unitOfWork.commit(unit.lease === undefined ? unit : await changed(unit, unit.lease)),
  });
}

async function groupsOf(cluster: Cluster, consumer: string): Promise<readonly LaneGroup[]> {
  return (await cluster.view()).lanes.get(consumer) ?? [];
}

export const brokenClusters: readonly BrokenStore[] = [
  fault('gives a node that joins again its old id', 'every joining has an id', (cluster) => {
    let first: NodeId | undefined;
    return { join: async (work, watcher) => (first ??= await cluster.join(work, watcher)) };
  }),
  fault('does not tell what a node runs', 'in the view of every store', (cluster) => ({
    view: async () => {
      const view = await cluster.view();
      return { ...view, nodes: view.nodes.map((node) => ({ ...node, consumers: [] })) };
    },
  })),
  fault('does not tell what a node announces', 'what a node announces', () => ({ announce: async () => undefined })),
  fault('leaves the lanes with a node that leaves', 'lets go of all lanes', (cluster) => ({
    async leave() {
      const { lanes } = await cluster.view();
      await cluster.leave();
      for (const [consumer, groups] of lanes) await cluster.changeLanes(consumer, () => groups);
    },
  })),
  ...['told when another joins', 'told when lanes change hands'].map((cites) =>
    fault('tells members nothing', cites, (cluster) => ({
      join: (work, watcher) =>
        cluster.join(work, {
          changed() {},
          expelled: () => watcher.expelled(),
          joined: (node) => watcher.joined(node),
        }),
    })),
  ),
  fault('does not tell a node that its lease is over', 'stood still', (cluster) => ({
    join: (work, watcher) =>
      cluster.join(work, {
        changed: () => watcher.changed(),
        expelled() {},
        joined: (node) => watcher.joined(node),
      }),
  })),
  fault('takes a commit for one under the present token', 'no more the present one', (cluster, store) => ({
    unitOfWork: committing(store, async (unit, lease) => {
      const [group] = await groupsOf(cluster, unit.consumer);
      return { ...unit, lease: { ...lease, token: group?.token ?? lease.token } };
    }),
  })),
  fault('records the events of a unit that it refuses', 'refused whole', (_cluster, store) => ({
    unitOfWork: committing(store, async (unit) => {
      for (const request of unit.appends) await store.log.append(request);
      return unit;
    }),
  })),
  fault('commits to the groups that a holder still has', 'refused on all', (cluster, store) => ({
    unitOfWork: committing(store, async (unit, lease) => {
      const groups = await groupsOf(cluster, unit.consumer);
      const checkpoints = lease.checkpoints.filter(
        ({ lane }) => groups.find(({ lanes }) => lanes[0] === lane)?.token === lease.token,
      );
      return { ...unit, lease: { ...lease, checkpoints } };
    }),
  })),
  fault('takes commits in any turn', 'comes after its successor', (_cluster, store) => {
    let commits = 0;
    return {
      unitOfWork: committing(store, async (unit, lease) => ({ ...unit, lease: { ...lease, number: (commits += 1) } })),
    };
  }),
  fault('takes those for members who were when it was opened', 'who is a member', (cluster) => {
    let members: readonly number[] | undefined;
    return {
      async changeLanes(consumer, change) {
        members ??= (await cluster.view()).nodes.map(({ id }) => id);
        return cluster.changeLanes(consumer, (groups) => change(groups, (node) => members?.includes(node) ?? false));
      },
    };
  }),
  fault('lets two changes begin from the same lanes', 'of many changes at once', (cluster) => ({
    async changeLanes(consumer, change) {
      const before = await groupsOf(cluster, consumer);
      return cluster.changeLanes(consumer, (_groups, isMember) => change(before, isMember));
    },
  })),
  fault(
    'lets commits come between what a change sees and what it writes',
    'excludes the commits',
    (cluster, store) => ({
      async changeLanes(consumer, change) {
        const { nodes } = await cluster.view();
        const isMember = (node: number) => nodes.some(({ id }) => id === node);
        const after = change(await groupsOf(cluster, consumer), isMember);
        for (let looks = 0; looks < 10; looks += 1) await store.log.head();
        return cluster.changeLanes(consumer, () => after);
      },
    }),
  ),
  fault('gives out lanes of a consumer that is paused', 'not known or paused', (cluster) => {
    let last: readonly LaneGroup[] = [];
    return {
      async changeLanes(consumer, change) {
        let answer: readonly LaneGroup[] = [];
        await cluster.changeLanes(consumer, (groups, isMember) => {
          if (groups.length > 0) last = groups;
          answer = change(last, isMember);
          return groups.length > 0 ? answer : groups;
        });
        return answer;
      },
    };
  }),
  fault('gives all lanes the lowest checkpoint when they change hands', 'each lane keeps its own', (cluster) => ({
    changeLanes: (consumer, change) =>
      cluster.changeLanes(consumer, (groups, isMember) => {
        const checkpoint = commonCheckpoint(groups);
        return change(groups, isMember).map((group) => ({ ...group, checkpoint: checkpoint ?? group.checkpoint }));
      }),
  })),
  fault('leaves holders their lanes when the record changes', 'when the record is changed', (cluster, store) => ({
    checkpoints: but(store.checkpoints, {
      async change(consumer, change, updatedMs) {
        const before = await groupsOf(cluster, consumer);
        const record = await store.checkpoints.change(consumer, change, updatedMs);
        await cluster.changeLanes(consumer, () => before);
        return record;
      },
    }),
  })),
  fault('takes all lanes for a delivery to another holder', 'and of no third', (_cluster, store) => ({
    unitOfWork: but(store.unitOfWork, {
      async commit(unit) {
        const outcome = await store.unitOfWork.commit(unit);
        if (unit.deliveries.put.length > 0) await store.checkpoints.change(unit.consumer, {}, 1);
        return outcome;
      },
    }),
  })),
  fault('gives what is due of all lanes', 'is due whose key', (_cluster, store) => ({
    due: (consumer, _lanes, untilMs, limit) => store.deliveries.due(consumer, untilMs, limit),
  })),
  fault('tells the next time of all lanes', 'the next time of some lanes', (_cluster, store) => ({
    nextDueMs: (consumer, _lanes, afterMs) => store.deliveries.nextDueMs(consumer, afterMs),
  })),
  fault('loses who holds the last lane', 'what the model says', (cluster) => ({
    changeLanes: (consumer, change) =>
      cluster.changeLanes(consumer, (groups, isMember) =>
        change(groups, isMember).map((group) =>
          group.lanes.includes(LANES - 1) ? { ...group, holder: undefined } : group,
        ),
      ),
  })),
  fault('goes on after close', 'after close', (cluster) => ({
    due: async () => [],
    view: () => Promise.resolve({ nodes: [], lanes: new Map(), paused: new Map(), inForce: new Set() }),
    join: cluster.join.bind(cluster),
  })),
];
