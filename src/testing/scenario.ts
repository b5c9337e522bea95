import { AssertionError } from 'node:assert';
import type { DeadLetter } from '../consumer/dead-letters.ts';
import type { EventDefinition, InputOf } from '../event/define-event.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { PublishOptions } from '../schema/encode.ts';
import type { Duration } from '../system/duration.ts';
import { assertFacts } from './facts.ts';
import type { Facts } from './facts.ts';

/** Where a scenario plays. */
export interface Stage {
  when<Definition extends EventDefinition>(
    definition: Definition,
    data: InputOf<Definition>,
    options?: PublishOptions,
  ): When;
  whenTimePasses(by: Duration): When;
  parked(consumer: string): Promise<readonly DeadLetter[]>;
}

/** What happened before, and from there what happens now. A promise: it can be awaited at every step. */
export class Given extends Promise<void> {
  readonly #stage: Stage;

  constructor(stage: Stage, done: Promise<void>) {
    super((resolve, reject) => done.then(resolve, reject));
    this.#stage = stage;
  }

  /** What `then` and `await` give is a plain promise. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  /** See `TestSystem.when`. */
  when<Definition extends EventDefinition>(
    definition: Definition,
    data: InputOf<Definition>,
    options?: PublishOptions,
  ): When {
    return new When(
      this.#stage,
      this.then(() => this.#stage.when(definition, data, options)),
    );
  }

  /** See `TestSystem.whenTimePasses`. */
  whenTimePasses(by: Duration): When {
    return new When(
      this.#stage,
      this.then(() => this.#stage.whenTimePasses(by)),
    );
  }
}

/** What happens now, and from there what is expected of it. Resolves to what was recorded thereupon. */
export class When extends Promise<readonly RecordedEvent[]> {
  readonly #stage: Stage;

  constructor(stage: Stage, recorded: Promise<readonly RecordedEvent[]>) {
    super((resolve, reject) => recorded.then(resolve, reject));
    this.#stage = stage;
  }

  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  /**
   * Exactly these facts were recorded thereupon. Those of one type in this order; types among each other in any order.
   *
   * Errors    AssertionError with both lists.
   */
  thereupon<const Definitions extends readonly EventDefinition[]>(...facts: Facts<Definitions>): When {
    return this.#also((recorded) => assertFacts(recorded, facts));
  }

  /** Nothing was recorded. */
  thereuponNothing(): When {
    return this.thereupon();
  }

  /** The consumer has parked an event, with an error whose name, code or message is this one, where given. */
  thereuponParked(consumer: string, error?: string): When {
    return this.#also(async () => {
      const letters = await this.#stage.parked(consumer);
      if (letters.some((letter) => error === undefined || says(letter, error))) return;
      throw new AssertionError({
        message: `expected ${consumer} to have parked an event${error === undefined ? '' : ` because of ${error}`}, found ${letters.length === 0 ? 'none' : letters.map((letter) => letter.error?.message).join('; ')}`,
        actual: letters.map((letter) => letter.error),
        expected: error,
      });
    });
  }

  #also(check: (recorded: readonly RecordedEvent[]) => Promise<void>): When {
    return new When(
      this.#stage,
      this.then(async (recorded) => {
        await check(recorded);
        return recorded;
      }),
    );
  }
}

function says({ error }: DeadLetter, wanted: string): boolean {
  return error !== undefined && (error.name === wanted || error.code === wanted || error.message.includes(wanted));
}
