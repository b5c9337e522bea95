import type { EventLog } from '../channel/event-log.ts';
import { SYSTEM_EVENTS, SYSTEM_SOURCE, systemEvent } from '../event/system-events.ts';
import type { Environment } from '../system/environment.ts';
import { deterministicId } from '../system/ids.ts';

/** The id of the report that a consumer of this name was removed, for the n-th time from 0. */
function idOf(name: string, n: number): string {
  return deterministicId(['consumer removed', name, n]);
}

/** Whether a consumer of this name was there before and was removed: what it said is in the log still. */
export async function wasRemoved(name: string, log: Pick<EventLog, 'find'>): Promise<boolean> {
  return (await log.find(SYSTEM_SOURCE, idOf(name, 0))) !== undefined;
}

/** Records that a consumer is removed (G11). Done again after a crash in the middle it is recorded again. */
export async function reportRemoval(
  name: string,
  log: Pick<EventLog, 'append' | 'find'>,
  environment: Environment,
): Promise<void> {
  let n = 0;
  while ((await log.find(SYSTEM_SOURCE, idOf(name, n))) !== undefined) n += 1;
  const report = { type: SYSTEM_EVENTS.consumerRemoved, about: name, data: { consumer: name }, cause: undefined };
  const event = systemEvent(environment, { ...report, id: idOf(name, n) });
  await log.append({ events: [event], onDuplicate: 'keep-first' });
}
