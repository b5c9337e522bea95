import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EventLog } from '../channel/event-log.ts';
import type { Feed, FeedPage, FeedReader } from '../channel/feed.ts';
import type { CompiledSelection } from '../channel/selection.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { Position } from '../event/position.ts';
import type { Environment } from '../system/environment.ts';
import type { Progress } from './progress.ts';

export interface IntakeOptions {
  readonly consumer: string;
  readonly selection: CompiledSelection;
  readonly feed: Feed;
  /** Where the events of this consumer are read from, if not all are its; undefined: the log. */
  readonly log: Pick<EventLog, 'read'> | undefined;
  readonly progress: Progress;
  readonly environment: Environment;
  /** No event behind it is taken; undefined: all are. */
  readonly upTo: Position | undefined;
  /** Others have a turn soon, also in the middle of a page. */
  readonly givesWay: boolean;
  /** Whether another event may be taken (G10). */
  hasRoom(): boolean;
  /** Makes ready what the taking of these events needs. */
  prefetch(events: readonly RecordedEvent[]): Promise<void>;
  /** Takes an event that the selection matches. Answers false when it could not: the consumer is over. */
  take(event: RecordedEvent): boolean;
  /** A page of the log was taken or passed over. */
  passed(): void;
  /** The head of the log was reached, or the place that nothing is taken behind. */
  caughtUp(): void;
  /** The log cannot be read at present, and why; undefined: it can again. */
  outage(error: unknown): void;
}

const PAGE = 512;
/** One event in so many: below that an index finds the events faster than reading all. */
const SPARSE = 8;
/** After the log could not be read: longer each time, up to this. */
const READ_AGAIN_MS = { first: 100, longest: 5_000 };

/**
 * Brings a consumer its events: reads pages of the log until its head is reached, and is fed from there.
 *
 * States    catching up ⇄ live → stopped; catching up → at the place that nothing is taken behind → stopped. A consumer without room falls out of the feed and catches up when it has room again.
 * Invariants
 * 1. Every event that the selection matches is taken exactly once, in position order.
 * 2. While live everything up to the head of the feed was taken or passed over.
 */
export class Intake implements FeedReader {
  readonly selection: CompiledSelection;
  readonly #options: IntakeOptions;
  #live = false;
  #stopped = false;
  #catchingUp: Promise<void> | undefined;
  #roomWanted: (() => void) | undefined;
  /** It is where nothing is taken behind. */
  #ended = false;
  /** Few events of the history concern this consumer: they are looked up by type instead of reading all. */
  #sparse = false;
  /** The page after the one at hand, being read while that one is handled. */
  #ahead: { readonly after: Position; readonly page: Promise<FeedPage> } | undefined;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.selection = options.selection;
  }

  start(): void {
    if (!this.#stopped) this.#catchUpSoon();
  }

  get live(): boolean {
    return this.#live;
  }

  /** Events wait for room. */
  get wantsRoom(): boolean {
    return this.#roomWanted !== undefined;
  }

  /** There may be room again. */
  madeRoom(): void {
    if (this.#roomWanted !== undefined && this.#options.hasRoom()) this.#roomWanted();
  }

  /** Nothing up to the head of the feed concerns this consumer but what it took. */
  passToHead(): void {
    if (this.#live) this.#options.progress.passTo(this.#options.feed.head);
  }

  offer(event: RecordedEvent): boolean {
    if (this.#stopped) return false;
    const options = this.#options;
    // A consumer may begin at a position that the log has not reached yet.
    if (event.position <= options.progress.cursor) return true;
    if (!options.hasRoom()) {
      this.passToHead();
      this.#live = false;
      this.#catchUpSoon();
      return false;
    }
    return options.take(event);
  }

  /** Takes nothing more. */
  stop(): void {
    this.#stopped = true;
    this.#options.feed.detach(this);
    this.passToHead();
    this.#live = false;
    this.#roomWanted?.();
  }

  /** Resolves when nothing is being read any more. */
  async stopped(): Promise<void> {
    await this.#catchingUp;
  }

  #catchUpSoon(): void {
    this.#catchingUp ??= this.#catchUp().finally(() => {
      this.#catchingUp = undefined;
      // The feed may have let go of this reader between its last step and here.
      if (!this.#live && !this.#ended && !this.#stopped) this.#catchUpSoon();
    });
  }

  async #catchUp(): Promise<void> {
    const options = this.#options;
    const { feed, progress, consumer, environment } = options;
    // Not in the call of the feed that let this reader go.
    await nextTurn();
    for (let failures = 0; !this.#stopped;) {
      try {
        if (!options.hasRoom()) await this.#room();
        if (this.#stopped) return;
        this.#ended = options.upTo !== undefined && progress.cursor >= options.upTo;
        if (this.#ended || (options.upTo === undefined && feed.attach(this, progress.cursor))) {
          this.#live = !this.#ended;
          options.caughtUp();
          return;
        }
        await this.#page();
        if (failures > 0) options.outage(undefined);
        failures = 0;
      } catch (error) {
        if (this.#stopped) return;
        options.outage(error);
        environment.logger.error({ consumer, err: error }, 'the log could not be read; trying again');
        await this.#pause(Math.min(READ_AGAIN_MS.longest, READ_AGAIN_MS.first * 2 ** Math.min(failures, 10)));
        failures += 1;
      }
    }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise<void>((resolve) => {
      const cancel = this.#options.environment.clock.setTimer(delayMs, resolve);
      this.#roomWanted = () => {
        cancel();
        resolve();
      };
    }).finally(() => {
      this.#roomWanted = undefined;
    });
  }

  /** Waits until there is room, or the consumer stops. */
  async #room(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#roomWanted = resolve;
    });
    this.#roomWanted = undefined;
  }

  async #page(): Promise<void> {
    const options = this.#options;
    const { cursor } = options.progress;
    const ahead = this.#ahead?.after === cursor ? this.#ahead.page : undefined;
    this.#ahead = undefined;
    const {
      events,
      upTo,
      mine = events.filter((event) => this.selection.matches(event)),
    } = await (ahead ?? this.#read(cursor));
    if (this.#stopped) return;
    if (events.length === PAGE) this.#readAhead(upTo);
    // Positions are only about as dense as events; for a guess, which holds from the page after the next one, that is enough.
    this.#sparse = mine.length * SPARSE < upTo - cursor;
    // So that the next page is asked for before these events are handled, and others get a turn between two pages.
    await nextTurn();
    const limit = options.upTo ?? upTo;
    await options.prefetch(mine);
    const turn = options.givesWay ? new Turn(options.environment) : undefined;
    for (const event of mine) {
      if (event.position > limit) break;
      if (turn?.isOver() === true) {
        await nextTurn();
        turn.begin();
      }
      while (!options.hasRoom() && !this.#stopped) await this.#room();
      if (this.#stopped || !options.take(event)) return;
    }
    options.progress.passTo(limit < upTo ? limit : upTo);
    options.passed();
  }

  #read(after: Position): Promise<FeedPage> {
    const { feed, log } = this.#options;
    return feed.read(this, after, PAGE, this.#sparse ? this.selection.types : undefined, log);
  }

  #readAhead(after: Position): void {
    const page = this.#read(after);
    // Whoever awaits it hears of a failure; after a stop nobody does.
    page.catch(() => undefined);
    this.#ahead = { after, page };
  }
}

/** So many events are handled at once, which takes half a millisecond, or for so long, by who gives way to others. */
const TURN = { events: 64, ms: 1 };

class Turn {
  readonly #elapsedMs: () => number;
  #events = 0;
  #begunMs: number;

  constructor({ clock }: Environment) {
    this.#elapsedMs = () => clock.elapsed?.() ?? clock.now();
    this.#begunMs = this.#elapsedMs();
  }

  begin(): void {
    this.#events = 0;
    this.#begunMs = this.#elapsedMs();
  }

  /** Asked before each event. */
  isOver(): boolean {
    this.#events += 1;
    return this.#events > TURN.events || this.#elapsedMs() - this.#begunMs > TURN.ms;
  }
}
