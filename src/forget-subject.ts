import type { Feed } from './channel/feed.ts';
import { compileSelection } from './channel/selection.ts';
import type { Consumers } from './consumer/consumers.ts';
import type { Deciders } from './decider/deciders.ts';
import type { RowWrite } from './consumer/row-store.ts';
import type { EncodedEvent, RecordedEvent } from './event/event.ts';
import type { JsonValue } from './event/json.ts';
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
    let event = reportOf(environment, subject, 0);
    const erase = async () => {
      await keys.forget(subject, (count) => intentOf((event = reportOf(environment, subject, count))));
    };
    // What consumers have in hand is of before. They go on from what is stored, and that is of after.
    await this.#parts.deciders.withoutSnapshots(async () => {
      await consumers.whileHeld(async () => (store.erasure === undefined ? erase() : store.erasure.emptied(erase)));
      this.#drop(subject);
    });
    await report(store, event);
    return { keys: (JSON.parse(event.data ?? '') as { readonly keys: number }).keys };
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

/** Of people whose keys are deleted while nobody has been told: by the id of the event that tells it. */
const UNREPORTED = 'thereupon.subjects-unreported';
const PAGE = 100;

function reportOf(environment: Environment, subject: string, keys: number): EncodedEvent {
  return systemEvent(environment, {
    type: SYSTEM_EVENTS.subjectForgotten,
    about: 'subjects',
    data: { subject, keys },
    cause: undefined,
  });
}

function intentOf(event: EncodedEvent): RowWrite {
  return { namespace: UNREPORTED, key: event.id, value: JSON.parse(JSON.stringify(event)) as JsonValue, indexes: {} };
}

async function report({ log, rows }: Pick<Store, 'log' | 'rows'>, event: EncodedEvent): Promise<void> {
  await log.append({ events: [event], onDuplicate: 'keep-first' });
  await rows.put([{ namespace: UNREPORTED, key: event.id, value: undefined, indexes: {} }]);
}

/** Tells of those whose keys were deleted by a process that ended before it could, and empties what was written ahead of these. */
export async function finishForgetting(store: Store): Promise<void> {
  for (;;) {
    const unreported = await store.rows.query(UNREPORTED, { limit: PAGE });
    if (unreported.length === 0) return;
    await store.erasure?.emptied(async () => undefined);
    for (const { value } of unreported) await report(store, value as unknown as EncodedEvent);
  }
}
