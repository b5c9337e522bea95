import { isOfQuery } from '../../channel/append-conditions.ts';
import type { CommandEntry, QueryClaim, RecordedCommand } from '../../channel/append-conditions.ts';
import type { Appended, AppendOutcome, AppendRequest, ExpectedVersion, StreamClaim } from '../../channel/event-log.ts';
import { contentDifference, DIFFERS_FROM_TRIMMED } from '../../event/content-difference.ts';
import { contentDigest } from '../../event/content-digest.ts';
import type { EncodedEvent, RecordedEvent } from '../../event/event.ts';
import { position, START } from '../../event/position.ts';
import type { Position } from '../../event/position.ts';
import { recordedEvent } from '../../event/recorded-event.ts';
import type { PlacedEvent } from './event-rows.ts';

type Refused = AppendOutcome & { readonly ok: false };

/** The first event of an identity that the log knows. */
export interface Known {
  readonly place: Omit<Appended, 'duplicate'>;
  /** The event, or the digest of its content when it was removed. */
  readonly content: EncodedEvent | string;
}

/** Of the log, what the requests of one transaction are about. */
export interface LogExcerpt {
  readonly head: number;
  readonly recordedMs: number;
  /** Streams that exist or are deleted; the others have no events. */
  readonly streams: ReadonlyMap<string, { readonly version: number; readonly deleted: boolean }>;
  /** By `identityOf`. */
  readonly known: ReadonlyMap<string, Known>;
  /** By id. */
  readonly commands: ReadonlyMap<string, RecordedCommand>;
  /** Claims that do not hold, and the first event that stands against each. */
  readonly against: ReadonlyMap<QueryClaim, Position>;
}

/** An event that will be written, unless its write is refused. */
interface Planned extends PlacedEvent {
  readonly identity: string;
}

export function identityOf({ source, id }: Pick<EncodedEvent, 'source' | 'id'>): string {
  return JSON.stringify([source, id]);
}

/**
 * What one transaction is going to append: requests are added one after the other, each is checked against the log with those before
 * it, and nothing is written before all are planned.
 *
 * Invariants 1. Positions follow the head without a gap, versions the last one of their stream.
 *            2. What was planned since a `mark` is gone after `takeBack`.
 */
export class AppendPlan {
  readonly #excerpt: LogExcerpt;
  readonly recordedMs: number;
  readonly #planned: Planned[] = [];
  readonly #byIdentity = new Map<string, Planned>();
  readonly #versions = new Map<string, number>();
  readonly #commands = new Map<string, { readonly write: number; readonly command: RecordedCommand }>();
  #write = 0;

  constructor(excerpt: LogExcerpt, nowMs: number) {
    this.#excerpt = excerpt;
    this.recordedMs = Math.max(nowMs, excerpt.recordedMs);
  }

  get events(): readonly PlacedEvent[] {
    return this.#planned;
  }

  /** The last version of each stream that is written to. */
  get ends(): ReadonlyMap<string, number> {
    const ends = new Map<string, number>();
    for (const { event, version } of this.#planned) ends.set(event.stream, version);
    return ends;
  }

  get commands(): readonly RecordedCommand[] {
    return [...this.#commands.values()].map(({ command }) => command);
  }

  /** The events as they will be read, in the order of the log. */
  recorded(): readonly RecordedEvent[] {
    return this.#planned.map((planned) => this.#asRead(planned));
  }

  #asRead({ event, position: place, version }: PlacedEvent): RecordedEvent {
    const { recordedMs } = this;
    const attributes = event.attributes === undefined ? undefined : Object.freeze({ ...event.attributes });
    const data = event.encoding === 'none' ? null : event.data;
    return recordedEvent(Object.freeze({ ...event, attributes, data, position: position(place), version, recordedMs }));
  }

  /** Where a write begins. */
  mark(): number {
    this.#write += 1;
    return this.#planned.length;
  }

  takeBack(mark: number): void {
    for (const [id, { write }] of this.#commands) if (write === this.#write) this.#commands.delete(id);
    for (const { event, version, identity } of this.#planned.splice(mark).reverse()) {
      this.#byIdentity.delete(identity);
      this.#versions.set(event.stream, version - 1);
    }
  }

  /** Plans one request of the write that began at `mark`. After a refusal the write is to be taken back. */
  add(request: AppendRequest, mark: number): AppendOutcome {
    const { command } = request;
    const recorded = command && (this.#excerpt.commands.get(command.id) ?? this.#commands.get(command.id)?.command);
    if (recorded !== undefined) return { ok: false, reason: 'command-known', command: recorded };
    const before = this.#planned.length;
    const versionsBefore = new Map(
      (request.expected ?? []).map(({ stream }) => [stream, this.#versionOf(stream)] as const),
    );
    const lifted = new Set<string>();
    const events: Appended[] = [];
    for (const event of request.events) {
      const identity = identityOf(event);
      const planned = this.#byIdentity.get(identity);
      const known = planned === undefined ? this.#excerpt.known.get(identity) : this.#asKnown(planned);
      if (known === undefined) {
        if (this.#excerpt.streams.get(event.stream)?.deleted === true)
          return { ok: false, reason: 'stream-deleted', stream: event.stream };
        events.push({ ...this.#asKnown(this.#plan(event, identity)).place, duplicate: false });
        continue;
      }
      if (request.onDuplicate === 'verify') {
        // The first one of a refused write is never recorded: it has no position.
        const unwritten = known.place.position > this.#excerpt.head + mark;
        const conflict = contentConflict(known, event, unwritten ? START : known.place.position);
        if (conflict !== undefined) return conflict;
      }
      const ofRequest = known.place.position > this.#excerpt.head + before;
      if (!ofRequest) lifted.add(event.stream);
      events.push({ ...known.place, duplicate: true });
    }
    for (const claim of request.expected ?? []) {
      const refusal = lifted.has(claim.stream) ? undefined : this.#refused(claim, versionsBefore);
      if (refusal !== undefined) return refusal;
    }
    if (lifted.size === 0)
      for (const [claim, query] of (request.unless ?? []).entries()) {
        const found = this.#standsAgainst(query, before, mark);
        if (found !== undefined) return { ok: false, reason: 'query-conflict', claim, position: found };
      }
    if (command !== undefined) this.#planCommand(command, this.#planned.slice(before));
    return { ok: true, events };
  }

  #planCommand({ id, name, digest, outcome }: CommandEntry, planned: readonly Planned[]): void {
    const place = { position: position(planned[0]?.position ?? START), events: planned.length };
    const command = { id, name, digest, outcome, recordedMs: this.recordedMs, ...place };
    this.#commands.set(id, { write: this.#write, command });
  }

  /** The place of the first event that stands against a claim; START: that of an event of the same write. */
  #standsAgainst(claim: QueryClaim, before: number, mark: number): Position | undefined {
    const found = this.#excerpt.against.get(claim);
    if (found !== undefined) return found;
    const index = this.#planned
      .slice(0, before)
      .findIndex(
        (each) =>
          each.position > claim.after &&
          isOfQuery(each.event, claim) &&
          (claim.matches === undefined || claim.matches(this.#asRead(each))),
      );
    if (index === -1) return undefined;
    return index >= mark ? START : position(this.#excerpt.head + index + 1);
  }

  #isAt(last: Pick<EncodedEvent, 'source' | 'id'>, stream: string, version: number): boolean {
    const identity = identityOf(last);
    const planned = this.#byIdentity.get(identity);
    const known = planned === undefined ? this.#excerpt.known.get(identity) : this.#asKnown(planned);
    return known?.place.stream === stream && known.place.version === version;
  }

  #plan(event: EncodedEvent, identity: string): Planned {
    const version = this.#versionOf(event.stream) + 1;
    const planned = { event, identity, version, position: this.#excerpt.head + this.#planned.length + 1 };
    this.#versions.set(event.stream, version);
    this.#planned.push(planned);
    this.#byIdentity.set(identity, planned);
    return planned;
  }

  #asKnown({ event, version, position: place }: Planned): Known {
    const { recordedMs } = this;
    return { place: { stream: event.stream, version, position: position(place), recordedMs }, content: event };
  }

  #versionOf(stream: string): number {
    return this.#versions.get(stream) ?? this.#excerpt.streams.get(stream)?.version ?? 0;
  }

  #refused({ stream, version: expected, last }: StreamClaim, before: ReadonlyMap<string, number>): Refused | undefined {
    if (expected === 'any' && last === undefined) return undefined;
    if (this.#excerpt.streams.get(stream)?.deleted === true) return { ok: false, reason: 'stream-deleted', stream };
    const actual = before.get(stream) ?? 0;
    const isSo = holds(expected, actual) && (last === undefined || this.#isAt(last, stream, actual));
    return isSo ? undefined : { ok: false, reason: 'version-conflict', stream, expected, actual };
  }
}

function holds(expected: ExpectedVersion, actual: number): boolean {
  if (expected === 'any') return true;
  return expected === 'none' ? actual === 0 : expected === 'exists' ? actual > 0 : actual === expected;
}

function contentConflict({ content }: Known, event: EncodedEvent, place: Appended['position']): Refused | undefined {
  const trimmed = () => (content === contentDigest(event) ? [] : DIFFERS_FROM_TRIMMED);
  const differs = typeof content === 'string' ? trimmed() : contentDifference(content, event);
  if (differs.length === 0) return undefined;
  return { ok: false, reason: 'content-conflict', source: event.source, id: event.id, position: place, differs };
}
