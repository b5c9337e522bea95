import { isDone } from '../consumer/checkpoint-store.ts';
import type { ConsumerForm } from '../consumer/checkpoint-store.ts';
import type { ConsumerStores } from '../consumer/consumer-stores.ts';
import { keyFor } from '../consumer/keys.ts';
import { laneOf, settledIn } from '../consumer/lanes.ts';
import type { Reaction } from '../consumer/reaction.ts';
import type { ConsumerStatus } from '../consumer/status.ts';
import type { RecordedEvent } from '../event/event.ts';
import { START } from '../event/position.ts';
import type { Position } from '../event/position.ts';

/** What a consumer has had of the log, as the store knows it. */
export interface TakenIn {
  /** It was given no event up to there. */
  readonly began: Position;
  /** Whether it did not take events of the type when it came by. */
  isMissed(event: RecordedEvent): boolean;
  /** Whether it has passed the event, in its turn or ahead of others, on whichever node; also one that is set aside. */
  isPassed(event: RecordedEvent): boolean;
}

export async function takenIn(
  { checkpoints, cluster }: Pick<ConsumerStores, 'checkpoints' | 'cluster'>,
  reaction: Reaction,
  { position }: Pick<ConsumerStatus, 'position'>,
): Promise<TakenIn> {
  const { name } = reaction;
  const record = await checkpoints.load(name);
  const view = await cluster?.view();
  const groups = view?.lanes.get(name) ?? view?.paused.get(name);
  const isSettled = groups && settledIn(groups);
  const { began = START, missed = [] }: Partial<ConsumerForm> = record?.form ?? {};
  return {
    began,
    isMissed: (event) =>
      missed.some(({ type, after, upTo }) => event.type === type && event.position > after && event.position <= upTo),
    isPassed: (event) =>
      event.position <= position ||
      (record !== undefined && isDone(record.checkpoint, event.position)) ||
      isSettled?.(laneOf(keyFor(reaction, event).key), event.position) === true,
  };
}
