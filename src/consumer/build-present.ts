import { WrongState } from '../errors.ts';
import type { Position } from '../event/position.ts';
import { statusOfBuild } from './build.ts';
import type { BuildStatus } from './build.ts';
import type { ConsumerRecord } from './checkpoint-store.ts';
import type { ConsumerStores } from './consumer-stores.ts';
import type { Consumer } from './consumer.ts';
import { commonCheckpoint } from './lanes.ts';

/** What runs of a build here. */
export interface RunningBuild {
  readonly consumer: Consumer;
  /** Where it was when that began. */
  readonly since: { readonly elapsedMs: number; readonly low: Position };
}

/** How a build stands that is in the store. Errors: WrongState where the record is that of no build. */
export async function presentStatus(
  record: ConsumerRecord,
  { log, deliveries, cluster }: Pick<ConsumerStores, 'cluster' | 'deliveries' | 'log'>,
  running: RunningBuild | undefined,
  elapsedMs: number,
): Promise<BuildStatus> {
  const groups = (await cluster?.view())?.lanes.get(record.consumer);
  const low =
    running === undefined || cluster !== undefined ? commonCheckpoint(groups ?? [])?.low : running.consumer.place;
  const counts = await deliveries.counts();
  const parked = counts.find(({ consumer, state }) => consumer === record.consumer && state === 'parked')?.count ?? 0;
  const head = await log.head();
  const at = low ?? record.checkpoint.low;
  const perSecond = running && speedOf(running, at, elapsedMs);
  const status = statusOfBuild(record, { low: at, head, parked, perSecond });
  if (status === undefined) throw new WrongState(`consumer ${record.consumer} is not a build`);
  return status;
}

function speedOf({ since }: RunningBuild, low: Position, elapsedMs: number): number | undefined {
  const seconds = (elapsedMs - since.elapsedMs) / 1_000;
  return seconds > 0 && low > since.low ? (low - since.low) / seconds : undefined;
}
