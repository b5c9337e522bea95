import type { Feed } from './channel/feed.ts';
import { compileSelection } from './channel/selection.ts';
import type { Consumers } from './consumer/consumers.ts';
import type { Deciders } from './decider/deciders.ts';
import type { RecordedEvent } from './event/event.ts';
import { assertSubject } from './event/personal-fields.ts';
import { SYSTEM_EVENTS, systemEvent } from './event/system-events.ts';
import type { SubjectKeys } from './personal/subject-keys.ts';
import type { Store } from './store.ts';
import type { Environment } from './system/environment.ts';

export interface ForgettingParts {
  readonly store: Store;
  readonly keys: SubjectKeys;
  readonly feed: Feed;
  readonly consumers: Consumers;
  readonly deciders: Deciders;
  readonly environment: Environment;
  /** Whether anything is opened here, and so may have to be dropped. */
  readonly opens: boolean;
}

/** Deletes the keys of people, and drops what is in memory of what was sealed with them: here at once, elsewhere when the fact is read. */
export class Forgetting {
  readonly #parts: ForgettingParts;

  constructor(parts: ForgettingParts) {
    this.#parts = parts;
    if (!parts.opens) return;
    const selection = compileSelection({ types: [SYSTEM_EVENTS.subjectForgotten] });
    const { feed } = parts;
    feed.attach({ selection, offer: (event) => this.#heard(event) }, feed.head);
  }

  /** See `System.forget`. */
  async forget(subject: string): Promise<{ readonly keys: number }> {
    assertSubject(subject, 'subject');
    const { store, keys, consumers, environment } = this.#parts;
    let deleted = 0;
    const erase = async () => {
      deleted = await keys.forget(subject);
    };
    // What consumers have in hand is of before. They go on from what is stored, and that is of after.
    await this.#parts.deciders.withoutSnapshots(async () => {
      await consumers.whileHeld(async () => (store.erasure === undefined ? erase() : store.erasure.emptied(erase)));
      this.#drop(subject);
    });
    const event = systemEvent(environment, {
      type: SYSTEM_EVENTS.subjectForgotten,
      about: 'subjects',
      data: { subject, keys: deleted },
      cause: undefined,
    });
    await store.log.append({ events: [event], onDuplicate: 'keep-first' });
    return { keys: deleted };
  }

  #heard(event: RecordedEvent): boolean {
    const { subject } = event.data as { readonly subject: string };
    this.#drop(subject);
    return true;
  }

  #drop(subject: string): void {
    const { keys, feed, deciders } = this.#parts;
    keys.drop(subject);
    feed.forget();
    deciders.forgetStates();
  }
}
