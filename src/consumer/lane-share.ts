import type { EventLog } from '../channel/event-log.ts';
import type { DueDeliveries } from './cluster.ts';
import type { ConsumerStores } from './consumer-stores.ts';
import { laneKeyOf } from './keys.ts';
import { laneOf, LANES } from './lanes.ts';
import type { LaneGroup } from './lanes.ts';
import type { Reaction } from './reaction.ts';

/** What of a consumer's keys a loop handles: those in its lanes, or, where no other node shares the work, all. */
export class LaneShare {
  readonly #reaction: Reaction;
  readonly #stores: ConsumerStores;
  readonly #lanes: ReadonlySet<number> | undefined;

  /** `groups`: of the lanes that are held; undefined: nobody else runs the consumer. */
  constructor(reaction: Reaction, stores: ConsumerStores, groups: readonly Pick<LaneGroup, 'lanes'>[] | undefined) {
    this.#reaction = reaction;
    this.#stores = stores;
    this.#lanes = groups === undefined ? undefined : new Set(groups.flatMap(({ lanes }) => lanes));
  }

  /** The lane of a key; undefined: it is another node's. Where nobody shares the work all keys are in one. */
  laneOf(key: string): number | undefined {
    if (this.#lanes === undefined) return 0;
    const lane = laneOf(key);
    return this.#lanes.has(lane) ? lane : undefined;
  }

  has(key: string): boolean {
    return this.laneOf(key) !== undefined;
  }

  /** What is due of its deliveries. */
  get dueDeliveries(): DueDeliveries {
    const { cluster, deliveries } = this.#stores;
    if (cluster === undefined || this.#lanes === undefined) return deliveries;
    const lanes = [...this.#lanes];
    return {
      due: (consumer, untilMs, limit) => cluster.due(consumer, lanes, untilMs, limit),
      nextDueMs: (consumer, afterMs) => cluster.nextDueMs(consumer, lanes, afterMs),
    };
  }

  /** Its part of the log, where the store knows the keys too; undefined: all is to be read. */
  get log(): Pick<EventLog, 'read'> | undefined {
    const { cluster } = this.#stores;
    const by = laneKeyOf(this.#reaction.keyOf);
    // How far time has come the events of all lanes tell.
    if (this.#reaction.time !== undefined) return undefined;
    if (cluster === undefined || by === undefined || this.#lanes === undefined || this.#lanes.size === LANES)
      return undefined;
    const lanes = [...this.#lanes];
    return { read: (options) => cluster.read(options, by, lanes) };
  }
}
