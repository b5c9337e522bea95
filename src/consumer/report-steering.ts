import type { EventLog } from '../channel/event-log.ts';
import { systemEvent } from '../event/system-events.ts';
import type { SYSTEM_EVENTS } from '../event/system-events.ts';
import type { AttemptSetting } from './attempt.ts';

type SteeringEvent = (typeof SYSTEM_EVENTS)['consumerPaused' | 'consumerResumed' | 'consumerReplayed'];

/** Records what an operator did with a consumer (G11). It is done and written down with the consumer: where the report fails, that alone is missing. */
export async function reportSteering(
  { environment, reaction, logger }: AttemptSetting,
  log: Pick<EventLog, 'append'>,
  type: SteeringEvent,
  data: Readonly<Record<string, string | number>>,
): Promise<void> {
  const { name } = reaction;
  const event = systemEvent(environment, { type, about: name, data: { consumer: name, ...data }, cause: undefined });
  try {
    await log.append({ events: [event], onDuplicate: 'keep-first' });
  } catch (error) {
    logger.error({ consumer: name, type, err: error }, 'what was done with the consumer could not be reported');
  }
}
