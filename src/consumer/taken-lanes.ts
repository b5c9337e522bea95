import type { ConsumerOptions } from './consumer-options.ts';
import { isOverBuild, knownRecord } from './known-record.ts';
import { wholeGroup } from './lanes.ts';
import type { LaneGroup, Lease } from './lanes.ts';

/** How far a consumer is, once nobody handles its events but this process; all its lanes are taken for that. Undefined: it is a build that is over. */
export async function heldGroups({
  setting: { reaction, environment },
  stores,
  lanes,
}: Pick<ConsumerOptions, 'setting' | 'stores' | 'lanes'>): Promise<readonly LaneGroup[] | undefined> {
  const { checkpoints } = stores;
  if (await isOverBuild(reaction, checkpoints)) return undefined;
  if (lanes === undefined)
    return [wholeGroup((await knownRecord(reaction, stores, environment.clock.now())).checkpoint, 0)];
  const groups = await lanes.takeAll(reaction.name);
  if (!(await isOverBuild(reaction, checkpoints))) return groups;
  // Under its name there is another build since, whose lanes these are.
  await lanes.release(reaction.name);
  return undefined;
}

/** What this node is to have of a consumer. Undefined: nothing, at present, or it is a build that is over. */
export async function takenLease({
  setting: { reaction },
  stores,
  lanes,
}: Pick<ConsumerOptions, 'setting' | 'stores'> & {
  readonly lanes: NonNullable<ConsumerOptions['lanes']>;
}): Promise<Lease | undefined> {
  const { name } = reaction;
  lanes.takePart(name);
  const lease = await lanes.take(name);
  if (lease === undefined || !(await isOverBuild(reaction, stores.checkpoints))) return lease;
  // What came under its name since it was looked at is another build, whose lanes these are.
  lanes.withdraw(name);
  await lanes.release(name);
  return undefined;
}
