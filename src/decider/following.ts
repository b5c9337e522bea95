import type { AppendOutcome, AppendRequest, EventLog, StreamClaim } from '../channel/event-log.ts';
import type { UpcastingTypes } from '../event/upcast-event.ts';
import { evolved, unrecorded } from './fold.ts';
import { versionsOf } from './own-appends.ts';
import type { OwnAppend, OwnAppends, OwnEvents } from './own-appends.ts';
import type { KeptState, StreamKey, StreamStates } from './stream-states.ts';

/** A kept state, and where. */
export interface KeptOf {
  readonly of: StreamKey;
  readonly entry: KeptState;
}

/** A state that goes on with events of a request before it is known what comes of it. */
interface Followed {
  readonly entry: KeptState;
  readonly events: OwnEvents;
  readonly before: number;
  /** Ends the doubt that it brought; undefined: it brought none. */
  readonly end: (() => void) | undefined;
}

export interface FollowingParts {
  readonly log: Pick<EventLog, 'append' | 'find'>;
  readonly states: Pick<StreamStates, 'isDecided' | 'keptOf' | 'advance' | 'forget'>;
  readonly own: OwnAppends;
  /** Types whose events may be in a version that no state is made of. */
  readonly types: UpcastingTypes;
}

/**
 * Lets kept states go on with what this process publishes beside its decisions, so that a stream that is decided on and published to is decided on
 * ahead of the log all the same.
 *
 * Invariants 1. What decisions go on from was claimed through and through: a publish that a kept state goes on with claims what that state claims.
 *               When the claim does not hold, others were first; the state is forgotten, and the publish is handed in again as it came.
 *            2. Where a claim may be lifted, because the log may know the event, or none was made, because the state was being loaded, the state
 *               is in doubt: nobody decides on it before what came of the publish is known.
 *            3. A publish that the log is found to know already leaves the states as they are.
 *            4. Publishes that bring doubt let those go first who wait for the end of one.
 */
export class Following {
  readonly #parts: FollowingParts;
  /** Resolves when those were handed in that looked something up before. */
  #inOrder: Promise<void> = Promise.resolve();

  constructor(parts: FollowingParts) {
    this.#parts = parts;
  }

  /**
   * As `EventLog.append`.
   *
   * Shape     isNew: the ids were made here, and nobody can have used them before.
   */
  append(request: AppendRequest, isNew: boolean): Promise<AppendOutcome> {
    const { log } = this.#parts;
    const byStream = this.#decidedStreams(request);
    if (byStream === undefined) return log.append(request);
    if (isNew || !this.#isKept(byStream)) return this.#append(request, byStream, isNew);
    return this.#lookUp(request, byStream);
  }

  async #lookUp(request: AppendRequest, byStream: ReadonlyMap<string, OwnEvents>): Promise<AppendOutcome> {
    const { log, states } = this.#parts;
    const before = this.#inOrder;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#inOrder = promise;
    try {
      const finding = Promise.all(request.events.map(({ source, id }) => log.find(source, id)));
      // In the order of the calls, as the log would take them. Who waits for the turn hears of a failure, too.
      await Promise.allSettled([finding, before]);
      const found = await finding;
      if (found.every((event) => event !== undefined)) return await log.append(request);
      for (const stream of byStream.keys())
        for (const { entry } of states.keptOf(stream)) if (entry.waiting > 0) await entry.sure;
      const appending = this.#append(request, byStream, false);
      resolve();
      return await appending;
    } finally {
      resolve();
    }
  }

  #isKept(byStream: ReadonlyMap<string, OwnEvents>): boolean {
    for (const stream of byStream.keys()) if (this.#parts.states.keptOf(stream).length > 0) return true;
    return false;
  }

  async #append(
    request: AppendRequest,
    byStream: ReadonlyMap<string, OwnEvents>,
    isNew: boolean,
  ): Promise<AppendOutcome> {
    const { log, own } = this.#parts;
    const followed: Followed[] = [];
    const claims: StreamClaim[] = [];
    for (const [stream, events] of byStream) this.#goOn(stream, events, request, { isNew, followed, claims });
    const append = own.begin(byStream);
    let outcome: AppendOutcome | undefined;
    try {
      if (claims.length === 0) outcome = await log.append(request);
      else {
        const ahead = await log.append({ ...request, expected: [...(request.expected ?? []), ...claims] });
        if (ahead.ok || ahead.reason !== 'version-conflict') outcome = ahead;
        else {
          this.#settle(followed.splice(0), undefined);
          outcome = await log.append(request);
        }
      }
      return outcome;
    } finally {
      this.#settle(followed, outcome);
      own.end(append, outcome);
    }
  }

  /** A state was loaded: what was under way meanwhile is recorded behind it. */
  goOnAfterLoad(of: StreamKey, entry: KeptState, unseen: readonly OwnAppend[]): void {
    for (const append of unseen) {
      const events = append.byStream.get(of.stream);
      if (events === undefined) continue;
      const versions = versionsOf(append.outcome, events);
      if (append.isOver && (versions === undefined || versions.last <= entry.version)) continue;
      // Others wrote between: whoever decides on it is told.
      if (versions !== undefined && versions.first !== entry.version + 1) return;
      const before = entry.version;
      if (!this.#advance(of, entry, events)) return;
      if (append.isOver) continue;
      entry.underWay += 1;
      const end = doubt(entry);
      append.whenOver(() => this.#settle([{ entry, events, before, end }], append.outcome));
    }
  }

  /** The events of the request by stream, of those that are decided on; undefined: none is. */
  #decidedStreams({ events }: AppendRequest): Map<string, OwnEvents> | undefined {
    let found: Map<string, { events: AppendRequest['events'][number][]; indexes: number[] }> | undefined;
    for (const [index, event] of events.entries()) {
      if (!this.#parts.states.isDecided(event.stream)) continue;
      found ??= new Map();
      const own = found.get(event.stream);
      if (own === undefined) found.set(event.stream, { events: [event], indexes: [index] });
      else {
        own.events.push(event);
        own.indexes.push(index);
      }
    }
    return found;
  }

  #goOn(
    stream: string,
    events: OwnEvents,
    request: AppendRequest,
    {
      isNew,
      followed,
      claims,
    }: { readonly isNew: boolean; readonly followed: Followed[]; readonly claims: StreamClaim[] },
  ): void {
    const { states } = this.#parts;
    const claimed = request.expected?.find((claim) => claim.stream === stream)?.version ?? 'any';
    for (const { of, entry } of states.keptOf(stream)) {
      const { version: before, last } = entry;
      const isAhead = entry.underWay > 0;
      // What the caller claims does not hold for the state: one of both is wrong, and the log says which.
      if (typeof claimed === 'number' && claimed !== before) continue;
      if (claimed === 'none' ? before > 0 : claimed === 'exists' && before === 0) continue;
      if (!this.#advance(of, entry, events)) continue;
      entry.underWay += 1;
      followed.push({ entry, events, before, end: isNew ? undefined : doubt(entry) });
      if (isAhead && last !== undefined) claims.push({ stream, version: before, last });
      else if (claimed !== before) claims.push({ stream, version: before });
    }
  }

  /** Whether the state could go on: one that could not is forgotten. */
  #advance(of: StreamKey, entry: KeptState, { events }: OwnEvents): boolean {
    const { states, types } = this.#parts;
    try {
      if (events.some(({ type, schemaVersion }) => schemaVersion < (types.get(type)?.version ?? 0)))
        throw new Error('recorded in an older version');
      const { fold } = of.own;
      const { version } = entry;
      const state = evolved(
        fold,
        entry.state,
        events.map((event, index) => unrecorded(fold, event, version + index + 1)),
      );
      states.advance(entry, { version: version + events.length, state, last: events.at(-1) });
      return true;
    } catch {
      // Not the publisher's concern: whoever decides on the stream next makes the state from the log, and is told what fails.
      states.forget(entry);
      return false;
    }
  }

  #settle(followed: readonly Followed[], outcome: AppendOutcome | undefined): void {
    for (const { entry, events, before, end } of followed) {
      if (versionsOf(outcome, events)?.first !== before + 1) this.#parts.states.forget(entry);
      entry.underWay -= 1;
      end?.();
    }
  }
}

/** Lets nobody decide on a state until the answered function is called. */
function doubt(entry: KeptState): () => void {
  entry.doubts += 1;
  if (entry.sure === undefined) {
    const { promise, resolve } = Promise.withResolvers<void>();
    entry.sure = promise;
    entry.beSure = resolve;
  }
  return () => {
    entry.doubts -= 1;
    if (entry.doubts > 0) return;
    entry.sure = undefined;
    entry.beSure?.();
  };
}
