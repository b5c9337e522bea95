import type { AppendOutcome } from '../channel/event-log.ts';
import type { Feed } from '../channel/feed.ts';
import { InvalidInput, NotFound, StreamDeleted, WrongState } from '../errors.ts';
import { START } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { SYSTEM_EVENTS, systemEvent } from '../event/system-events.ts';
import type { AttemptSetting } from './attempt.ts';
import type { ConsumerRecord } from './checkpoint-store.ts';
import type { Claims } from './claims.ts';
import type { Refusal } from './committer.ts';
import { ConsumerLoop } from './consumer-loop.ts';
import type { ConsumerStores } from './consumer-loop.ts';
import { newFigures } from './figures.ts';
import type { Figures } from './figures.ts';
import type { Reaction } from './reaction.ts';

export type ConsumerState = 'running' | 'paused' | 'stalled' | 'stopped';

/** A consumer as it stands. */
export interface ConsumerStatus {
  readonly name: string;
  readonly kind: Reaction['kind'];
  readonly mode: Reaction['mode'];
  readonly summary: string | undefined;
  readonly state: ConsumerState;
  /** Why it is paused or stalled. */
  readonly reason: string | undefined;
  /** At the head of the log. */
  readonly live: boolean;
  /** Everything up to here is settled. */
  readonly position: Position;
  readonly lag: { readonly events: number; readonly seconds: number };
  readonly inFlight: number;
  readonly buffered: number;
  readonly retrying: number;
  readonly parked: number;
  readonly waiting: number;
  readonly figures: Readonly<Figures>;
}

export interface ConsumerOptions {
  readonly setting: AttemptSetting;
  readonly stores: ConsumerStores;
  readonly feed: Feed;
}

/** Where a replay begins. */
export type ReplayFrom = 'beginning' | { readonly position: Position } | { readonly time: string | Date };

/** Counting further than this is not worth its cost: the lag is then given as the distance of positions. */
const LAG_COUNT_LIMIT = 10_000;

/**
 * A named, durable reader of the log, over its restarts.
 *
 * States    stopped → running ⇄ paused; running → stalled (the store does not take commits) → running; any → stopped.
 *           A pause is remembered by the store and outlives the process.
 * Invariants
 * 1. At most one loop runs. Pause, resume, replay and stop are carried out one after another.
 * 2. A commit that the log refused restarts the loop from its checkpoint, as after a crash; the event at fault then fails with the reason.
 */
export class Consumer {
  readonly reaction: Reaction;
  readonly #options: ConsumerOptions;
  readonly #figures = newFigures();
  readonly #refusals = new Map<Position, Error>();
  #record: ConsumerRecord | undefined;
  #loop: ConsumerLoop | undefined;
  #outage: Error | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: ConsumerOptions) {
    this.#options = options;
    this.reaction = options.setting.reaction;
  }

  get name(): string {
    return this.reaction.name;
  }

  get claims(): Claims | undefined {
    return this.#loop?.claims;
  }

  get settled(): boolean {
    return this.#record?.paused !== undefined || (this.#loop?.settled ?? true);
  }

  /** Makes the consumer known to the store and starts it unless it is paused. */
  start(): Promise<void> {
    return this.#inTurn(async () => {
      this.#record = (await this.#options.stores.checkpoints.load(this.name)) ?? (await this.#create());
      if (this.#record.paused === undefined) await this.#startLoop();
    });
  }

  /** Stops taking events, lets attempts under way finish, remembers the pause. */
  pause(reason: string): Promise<void> {
    return this.#inTurn(async () => {
      const record = this.#known();
      if (record.paused !== undefined) return;
      await this.#stopLoop(new Promise(() => {}));
      await this.#put({ paused: { sinceMs: this.#nowMs(), reason } });
      await this.#report(SYSTEM_EVENTS.consumerPaused, { reason });
    });
  }

  resume(): Promise<void> {
    return this.#inTurn(async () => {
      const record = this.#known();
      if (record.paused === undefined) return;
      await this.#put({ paused: undefined });
      await this.#report(SYSTEM_EVENTS.consumerResumed, {});
      await this.#startLoop();
    });
  }

  /**
   * Lets this consumer, and no other, handle events again. What its handlers publish again has the same ids, so it is not recorded twice.
   *
   * Errors    WrongState for a replay from the middle of a consumer that keeps state: it would count events twice.
   */
  replay(from: ReplayFrom): Promise<void> {
    return this.#inTurn(async () => {
      const { stores } = this.#options;
      const { state } = this.reaction;
      const place = await this.#place(from);
      if (state !== undefined && place !== START) {
        throw new WrongState(`${this.reaction.kind} ${this.name} keeps state, and a replay from the middle would count events twice; replay it from the beginning`);
      }
      const record = this.#known();
      await this.#stopLoop(new Promise(() => {}));
      if (state !== undefined) await stores.rows.clear(state.namespace);
      await this.#dropDeliveries(place);
      await this.#put({ checkpoint: { low: place, done: [] } });
      await this.#report(SYSTEM_EVENTS.consumerReplayed, { from: place });
      if (record.paused === undefined) await this.#startLoop();
    });
  }

  /** An operator changed stored deliveries of a key. */
  deliveriesChanged(key: string, removed: number): void {
    this.#loop?.deliveriesChanged(key, removed);
  }

  /** Resolves when everything that was settled before is durable. */
  async flush(): Promise<void> {
    await this.#loop?.flush();
  }

  /** Writes down how far the consumer has come, also where nothing concerned it (retention relies on it). */
  async saveCheckpoint(): Promise<void> {
    await this.#loop?.saveCheckpoint();
  }

  /** Stops for good. Attempts that have not ended when `deadline` resolves lose their claim. */
  stop(deadline: Promise<void>): Promise<void> {
    this.#closed = true;
    return this.#inTurn(() => this.#stopLoop(deadline));
  }

  async status(counts: { retrying: number; parked: number; waiting: number }): Promise<ConsumerStatus> {
    const loop = this.#loop;
    const position = loop?.checkpoint().low ?? this.#record?.checkpoint.low ?? START;
    return {
      name: this.name,
      kind: this.reaction.kind,
      mode: this.reaction.mode,
      summary: this.reaction.summary,
      ...this.#stateAndReason(),
      live: loop?.live ?? false,
      position,
      lag: await this.#lag(position, loop),
      inFlight: loop?.inFlight ?? 0,
      buffered: loop?.buffered ?? 0,
      ...counts,
      figures: { ...this.#figures },
    };
  }

  #stateAndReason(): { state: ConsumerState; reason: string | undefined } {
    if (this.#record?.paused !== undefined) return { state: 'paused', reason: this.#record.paused.reason };
    if (this.#loop === undefined) return { state: 'stopped', reason: undefined };
    return this.#outage === undefined ? { state: 'running', reason: undefined } : { state: 'stalled', reason: this.#outage.message };
  }

  async #lag(position: Position, loop: ConsumerLoop | undefined): Promise<{ events: number; seconds: number }> {
    if (loop?.live === true && loop.buffered === 0) return { events: 0, seconds: 0 };
    const { log } = this.#options.stores;
    const head = await log.head();
    const counted = await log.count(position, head, LAG_COUNT_LIMIT);
    const events = loop?.live === true ? loop.buffered : counted < LAG_COUNT_LIMIT ? counted : head - position;
    const [oldest] = await log.read({ after: position, limit: 1 });
    return { events, seconds: oldest === undefined ? 0 : Math.max(0, this.#nowMs() - oldest.recordedMs) / 1_000 };
  }

  async #create(): Promise<ConsumerRecord> {
    const nowMs = this.#nowMs();
    const low = await this.#startPlace();
    const record = { consumer: this.name, checkpoint: { low, done: [] }, paused: undefined, createdMs: nowMs, updatedMs: nowMs };
    await this.#options.stores.checkpoints.put(record);
    return record;
  }

  async #startPlace(): Promise<Position> {
    const { start } = this.reaction;
    if (start === 'beginning') return START;
    return start === 'end' ? this.#options.stores.log.head() : this.#place(start);
  }

  async #place(from: ReplayFrom): Promise<Position> {
    if (from === 'beginning') return START;
    if ('position' in from) return from.position;
    const instant = from.time instanceof Date ? from.time.getTime() : Date.parse(from.time);
    if (Number.isNaN(instant)) throw new InvalidInput({ path: 'time', expected: 'an RFC 3339 timestamp or a Date', found: from.time });
    return this.#options.stores.log.positionBefore(instant);
  }

  async #startLoop(): Promise<void> {
    if (this.#closed) return;
    const { setting, stores, feed } = this.#options;
    const record = await stores.checkpoints.load(this.name);
    if (record === undefined) throw new NotFound('consumer', this.name);
    this.#record = record;
    const loop: ConsumerLoop = new ConsumerLoop({
      setting,
      stores,
      feed,
      checkpoint: record.checkpoint,
      figures: this.#figures,
      refusals: this.#refusals,
      refused: (refusal) => this.#refused(loop, refusal),
      outage: (error) => this.#outageChanged(error),
    });
    this.#loop = loop;
    await loop.start();
  }

  async #stopLoop(deadline: Promise<void>): Promise<void> {
    const loop = this.#loop;
    await loop?.stop(deadline);
    if (this.#loop === loop) this.#loop = undefined;
    this.#outage = undefined;
  }

  #refused(loop: ConsumerLoop, { position, refusal }: Refusal): void {
    loop.abort();
    if (position !== undefined && refusal !== undefined) this.#refusals.set(position, refusalError(refusal));
    const { logger } = this.#options.setting;
    logger.warn({ consumer: this.name, position, refusal }, 'the log refused what a handler published; the consumer goes back to its checkpoint');
    void this.#inTurn(async () => {
      if (this.#loop !== loop) return;
      this.#loop = undefined;
      await this.#startLoop();
    }).catch((error: unknown) => logger.error({ consumer: this.name, err: error }, 'the consumer could not be restarted'));
  }

  #outageChanged(error: Error | undefined): void {
    const { logger } = this.#options.setting;
    if (error !== undefined && this.#outage === undefined) logger.error({ consumer: this.name, err: error }, 'the consumer stalls: the store does not take its commits');
    if (error === undefined && this.#outage !== undefined) logger.info({ consumer: this.name }, 'the consumer goes on: the store takes its commits again');
    this.#outage = error;
  }

  async #dropDeliveries(above: Position): Promise<void> {
    const { deliveries, unitOfWork } = this.#options.stores;
    for (;;) {
      const page = await deliveries.list({ consumer: this.name, after: { consumer: this.name, position: above }, limit: 1_000 });
      if (page.length === 0) return;
      const remove = page.map(({ position }) => position);
      await unitOfWork.commit({ consumer: this.name, checkpoint: undefined, appends: [], rows: [], deliveries: { put: [], remove } });
    }
  }

  async #put(change: Partial<Pick<ConsumerRecord, 'paused' | 'checkpoint'>>): Promise<void> {
    const { checkpoints } = this.#options.stores;
    const current = (await checkpoints.load(this.name)) ?? this.#known();
    const record = { ...current, ...change, updatedMs: this.#nowMs() };
    await checkpoints.put(record);
    this.#record = record;
  }

  async #report(type: (typeof SYSTEM_EVENTS)['consumerPaused' | 'consumerResumed' | 'consumerReplayed'], data: Readonly<Record<string, string | number>>): Promise<void> {
    const { environment } = this.#options.setting;
    const event = systemEvent(environment, { type, about: this.name, data: { consumer: this.name, ...data }, cause: undefined });
    await this.#options.stores.log.append({ events: [event], onDuplicate: 'keep-first' });
  }

  #known(): ConsumerRecord {
    if (this.#record === undefined) throw new WrongState(`consumer ${this.name} was not started`);
    return this.#record;
  }

  #nowMs(): number {
    return this.#options.setting.environment.clock.now();
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(act, act);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

function refusalError(refusal: AppendOutcome & { ok: false }): Error {
  switch (refusal.reason) {
    case 'stream-deleted':
      return new StreamDeleted(refusal.stream);
    case 'version-conflict':
    case 'content-conflict':
      return new WrongState(`the log refused what the handler published: ${refusal.reason}`);
  }
}
