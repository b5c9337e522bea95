import type { Position, ProjectionDefinition, RecordedEvent } from '../index.ts';
import { awaitPosition } from './await-position.ts';
import { ViewBehind } from './refusals.ts';
import type { Serving } from './route.ts';

/** A view that is paused or far behind, or of which something is attempted again, is asked again so often. */
const BEHIND_MS = 1_000;
/** Reported when other rows have taken the place of those of a view. */
const SWITCHED = 'thereupon.build.switched';
/** Reported when what was set aside of a view is taken up, or given up so that what was behind it goes on, or all is begun anew. */
const TAKEN_UP = [
  'thereupon.delivery.released',
  'thereupon.delivery.discarded',
  'thereupon.delivery.expired',
  'thereupon.consumer.replayed',
];
/** Reported when nobody can read any more what rows say of somebody. */
const FORGOTTEN = 'thereupon.subject.forgotten';

export interface ViewWatcher {
  /** Rows may be others than before; everything up to that place is in them. */
  changed(place: Position): Promise<unknown>;
  /** It is over: the log or the view could not be read. */
  failed(error: unknown): void;
}

/**
 * Tells when rows of a view may have changed: after events of its types and reports of what was done to it, and now and then while something of
 * it is attempted again.
 *
 * Guarantee What changes after `begin` is told of. Of changes that follow each other quickly it tells once.
 */
export class ViewWatch {
  readonly #serving: Serving;
  readonly #view: ProjectionDefinition;
  readonly #watcher: ViewWatcher;
  readonly #ending = new AbortController();
  /** Events up to there are looked at already. */
  #seen = 0 as Position;
  #mayHaveChanged = false;
  #isUnsettled = false;
  #wake: (() => void) | undefined;
  #begun: Promise<void> | undefined;

  constructor(serving: Serving, view: ProjectionDefinition, watcher: ViewWatcher) {
    this.#serving = serving;
    this.#view = view;
    this.#watcher = watcher;
  }

  get isOver(): boolean {
    return this.#ending.signal.aborted;
  }

  /** Answers the head of the log: what is recorded after it is told of. */
  async begin(): Promise<Position> {
    await (this.#begun ??= this.#listen().catch((error: unknown) => {
      this.#fail(error);
      throw error;
    }));
    return this.#serving.system.events.head();
  }

  /** Rows are read that are at a place, while the view may be behind the head, or have something that is attempted again. */
  async settles(head: Position, place: Position): Promise<void> {
    const isUnsettled = await this.#serving.system.consumers.isAttemptedAgain(this.#view.name, head);
    if (!isUnsettled && place >= head) return;
    this.#isUnsettled ||= isUnsettled;
    this.#ring();
  }

  end(): void {
    this.#ending.abort();
    this.#ring();
  }

  async #listen(): Promise<void> {
    const { events } = this.#serving.system;
    const { signal } = this.#ending;
    this.#seen = await events.head();
    const types = [...this.#view.on.map(({ type }) => type), SWITCHED, ...TAKEN_UP, FORGOTTEN];
    void this.#hear(events.subscribe({ types, after: this.#seen, signal }));
    void this.#tell();
  }

  async #hear(events: AsyncIterable<RecordedEvent>): Promise<void> {
    try {
      for await (const event of events) if (event.position > this.#seen && isAbout(event, this.#view)) this.#ring();
    } catch (error) {
      this.#fail(error);
    }
  }

  async #tell(): Promise<void> {
    const { system } = this.#serving;
    const { signal } = this.#ending;
    try {
      for (;;) {
        await this.#rung();
        if (signal.aborted) return;
        const head = await system.events.head();
        this.#seen = head;
        await reached(this.#serving, this.#view, head, signal);
        if (signal.aborted) return;
        this.#isUnsettled = await system.consumers.isAttemptedAgain(this.#view.name, head);
        await this.#watcher.changed(head);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.isOver) return;
    this.end();
    this.#watcher.failed(error);
  }

  #ring(): void {
    this.#mayHaveChanged = true;
    this.#wake?.();
  }

  /** Something may have changed, or it is time to look. */
  async #rung(): Promise<void> {
    const { clock } = this.#serving.system.environment;
    if (!this.#mayHaveChanged)
      await new Promise<void>((resolve) => {
        const cancel = this.#isUnsettled ? clock.setTimer(BEHIND_MS, resolve) : undefined;
        this.#wake = () => {
          cancel?.();
          resolve();
        };
      });
    this.#wake = undefined;
    this.#mayHaveChanged = false;
  }
}

/** Where the rows are that are told first. Of a view that stands still, or that a new version is built of, they are told as they are. */
export async function firstPlace(
  serving: Serving,
  view: ProjectionDefinition,
  head: Position,
  signal: AbortSignal,
): Promise<Position> {
  const { isReached, status } = await serving.system.consumers.reached(view.name, head);
  if (!isReached && status.state !== 'running') return status.position;
  await reached(serving, view, head, signal);
  return head;
}

/** What is reported of another view is nothing to this one. */
function isAbout({ type, data }: RecordedEvent, { name }: ProjectionDefinition): boolean {
  if (type === SWITCHED) return (data as { readonly view?: unknown }).view === name;
  return !TAKEN_UP.includes(type) || (data as { readonly consumer?: unknown }).consumer === name;
}

/** However long that takes: a view that is paused goes on at some time. */
async function reached(
  serving: Serving,
  view: ProjectionDefinition,
  position: Position,
  signal: AbortSignal,
): Promise<void> {
  const { clock } = serving.system.environment;
  while (!signal.aborted) {
    try {
      return await awaitPosition(serving, view.name, position, { isAnyhow: true });
    } catch (error) {
      if (!(error instanceof ViewBehind)) throw error;
      await new Promise<void>((resolve) => {
        const cancel = clock.setTimer(BEHIND_MS, resolve);
        signal.addEventListener(
          'abort',
          () => {
            cancel();
            resolve();
          },
          { once: true },
        );
      });
    }
  }
}
