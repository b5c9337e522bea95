import type { Feed } from '../channel/feed.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { Turns } from '../system/turns.ts';
import type { AttemptSetting } from './attempt.ts';
import type { ConsumerStores } from './consumer-stores.ts';
import type { Delivery } from './delivery-store.ts';
import type { Membership } from './membership.ts';
import type { TimeWishes } from './time-wishes.ts';

/** What a consumer works with. */
export interface ConsumerOptions {
  readonly setting: AttemptSetting;
  readonly stores: ConsumerStores;
  /** Where several nodes share the work: what this one has of it. */
  readonly lanes: Membership | undefined;
  readonly feed: Feed;
  /** Loops of all consumers begin in turns. */
  readonly beginnings: Turns;
  readonly wishes: TimeWishes;
  /** Its loop has reached the head of the log. */
  caughtUp?(): void;
  /** An event is a dead letter from now on. */
  parked?(delivery: Delivery, event: RecordedEvent): void;
}
