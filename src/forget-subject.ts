import type { Feed } from './channel/feed.ts';
import { compileSelection } from './channel/selection.ts';
import type { Consumers } from './consumer/consumers.ts';
import type { Deciders } from './decider/deciders.ts';
import type { RowWrite } from './consumer/row-store.ts';
import type { EncodedEvent, RecordedEvent } from './event/event.ts';
import type { JsonValue } from './event/json.ts';
import { assertSubject } from './event/personal-fields.ts';
import type { PersonalTypes } from './event/event-opening.ts';
import type { Position } from './event/position.ts';
import { keyIdsIn } from './event/sealed-value.ts';
import { SYSTEM_EVENTS, systemEvent } from './event/system-events.ts';
import { storedText } from './event/upcast-event.ts';
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
  /** What is opened here, and so may have to be dropped; undefined: nothing is. */
  readonly types: PersonalTypes | undefined;
}

/** So many keys that were deleted last are known, to find what other nodes still seal with them. */
const MAX_DELETED = 1_000;

/** Deletes the keys of people, and drops what is in memory of what was sealed with them: here at once, elsewhere when the fact is read. */
export class Forgetting {
  readonly #parts: ForgettingParts;
  /** Keys that were deleted here, and how far the log was then. */
  readonly #deleted = new Map<string, { readonly subject: string; readonly after: Position }>();

  constructor(parts: ForgettingParts) {
    this.#parts = parts;
    if (parts.types === undefined) return;
    const selection = compileSelection({ types: [SYSTEM_EVENTS.subjectForgotten] });
    const { feed } = parts;
    feed.attach({ selection, offer: (event) => this.#heard(event) }, feed.head);
    if (parts.store.cluster === undefined || parts.types.size === 0) return;
    const personal = compileSelection({ types: [...parts.types.keys()] });
    feed.attach({ selection: personal, offer: (event) => this.#look(event) }, feed.head);
  }

  /** See `System.forget`. */
  async forget(subject: string): Promise<{ readonly keys: number }> {
    assertSubject(subject, 'subject');
    const { store, keys, consumers, environment } = this.#parts;
    let event = reportOf(environment, subject, 0);
    const erase = async () => {
      const ids = await keys.forget(subject, {
        remembered: (count) => intentOf((event = reportOf(environment, subject, count))),
        gone: () => this.#drop(subject),
      });
      if (store.cluster !== undefined && ids.length > 0)
        this.#remember(ids, { subject, after: await store.log.head() });
    };
    // What consumers have in hand is of before. They go on from what is stored, and that is of after.
    await this.#parts.deciders.withoutSnapshots(() =>
      consumers.whileHeld(async () => (store.erasure === undefined ? erase() : store.erasure.emptied(erase))),
    );
    await report(store, event);
    return { keys: (JSON.parse(event.data ?? '') as { readonly keys: number }).keys };
  }

  #heard(event: RecordedEvent): boolean {
    const { subject } = event.data as { readonly subject: string };
    this.#drop(subject);
    return true;
  }

  #remember(ids: readonly string[], deletion: { readonly subject: string; readonly after: Position }): void {
    for (const id of ids) this.#deleted.set(id, deletion);
    for (const [oldest] of this.#deleted) {
      if (this.#deleted.size <= MAX_DELETED) break;
      this.#deleted.delete(oldest);
    }
  }

  /** Another node that had not heard of it yet may have sealed with a key that was gone: that nobody can read it is said (G11). */
  #look(event: RecordedEvent): boolean {
    if (this.#deleted.size === 0) return true;
    const ids = new Set<string>();
    keyIdsIn(storedText(event) ?? '', ids);
    for (const id of ids) {
      const deletion = this.#deleted.get(id);
      if (deletion === undefined || event.position <= deletion.after) continue;
      const { subject } = deletion;
      const { logger } = this.#parts.environment;
      logger.warn(
        { subject, eventId: event.id, type: event.type, position: event.position },
        'an event was recorded with a key that was deleted before, because its node had not heard of that yet: what is personal in it is erased; publish it again under another id',
      );
    }
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
