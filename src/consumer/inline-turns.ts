import type { Position } from '../event/position.ts';
import type { AttemptSetting } from './attempt.ts';
import type { ConsumerForm } from './checkpoint-store.ts';
import type { ConsumerLoop } from './consumer-loop.ts';
import type { ConsumerStores } from './consumer-stores.ts';
import type { Figures } from './figures.ts';
import { inlineCourseOf } from './inline-course.ts';
import type { InlineCourse } from './inline-course.ts';

export interface InlineTurnsOptions {
  readonly setting: AttemptSetting;
  readonly stores: Pick<ConsumerStores, 'inlineRows' | 'rows'>;
  readonly figures: Figures;
  /** The store gave it up: it goes on from its checkpoint, in a loop or otherwise, when nothing else steers it. */
  goOn(): Promise<void>;
  /** That loop ends in order, and it goes on from what it has left, when nothing else steers it. */
  goOver(loop: ConsumerLoop): Promise<void>;
}

/**
 * Which of the two changes the rows of a consumer: a loop of it, or the store, where events are recorded. Of all but inline projections a loop does.
 *
 * States    a loop → the store (`begin`) → a loop (`end`, or the store gives it up).
 * Invariants
 * 1. The checkpoint is the loop's, from its beginning until everything that it settled is committed; then it is the store's, from the
 *    transaction that brings it to the head until the one that lets it go or gives it up. None of both begins before the other has ended.
 * 2. The store is asked only by a consumer of which no loop runs, and whenever one could begin. A loop that comes near the head, with nothing
 *    set aside, ends for that when it has committed something: so each turn gets on, also where the store cannot take it.
 */
export class InlineTurns {
  readonly #options: InlineTurnsOptions;
  #course: InlineCourse | undefined;
  #isInForce = false;
  /** How often it is about to go over, or back. */
  #goingOver = 0;
  #closed = false;

  constructor(options: InlineTurnsOptions) {
    this.#options = options;
  }

  /** How far it is while the store has it, at least; undefined: it has not. */
  get place(): { readonly low: Position } | undefined {
    return this.#isInForce ? this.#course : undefined;
  }

  get isGoingOver(): boolean {
    return this.#goingOver > 0;
  }

  /** What was recorded until the store is closed is still for the rows; but nothing is done any more about it when that cannot be. */
  close(): void {
    this.#closed = true;
  }

  /** Hands it over to the store. Answers whether that has taken it. */
  async begin(form: ConsumerForm): Promise<boolean> {
    const { setting, stores, figures } = this.#options;
    const course = inlineCourseOf(setting, stores, { form, figures, ended: (reason) => this.#ended(course, reason) });
    if (course === undefined || stores.inlineRows === undefined) return false;
    // Before it is answered: the store may give it up before that is heard.
    this.#course = course;
    let isTaken = false;
    try {
      isTaken = await stores.inlineRows.begin(course);
    } finally {
      if (!isTaken) this.#course = undefined;
      // It may be given up by now.
      this.#isInForce = this.#course !== undefined;
    }
    return isTaken;
  }

  /** When it has returned the store has let it go. */
  async end(): Promise<void> {
    const course = this.#course;
    if (course === undefined) return;
    await this.#options.stores.inlineRows?.end(course.consumer);
    if (this.#course === course) this.#letGo();
  }

  /** The loop may be at rest at the head of the log: then the store can take it. */
  look(loop: ConsumerLoop): void {
    const { setting, stores } = this.#options;
    if (setting.reaction.inline === undefined || stores.inlineRows === undefined) return;
    if (!this.isGoingOver && !this.#closed && loop.undisturbed) this.#go(() => this.#options.goOver(loop));
  }

  /** A loop finds out what is the matter, and does what is to be done about it. */
  #ended(course: InlineCourse | undefined, reason: unknown): void {
    if (course === undefined || this.#course !== course) return;
    this.#letGo();
    const { logger, reaction } = this.#options.setting;
    logger.info(
      { consumer: reaction.name, err: reason },
      'the rows of the view follow events until what hinders that they are changed with them is settled',
    );
    if (!this.#closed) this.#go(() => this.#options.goOn());
  }

  #letGo(): void {
    this.#course = undefined;
    this.#isInForce = false;
  }

  #go(act: () => Promise<void>): void {
    const { logger, reaction } = this.#options.setting;
    this.#goingOver += 1;
    act()
      .catch((error: unknown) =>
        logger.error({ consumer: reaction.name, err: error }, 'the consumer could not be restarted'),
      )
      .finally(() => (this.#goingOver -= 1));
  }
}
