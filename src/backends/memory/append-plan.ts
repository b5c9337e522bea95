import { isOfQuery } from '../../channel/append-conditions.ts';
import type { CommandEntry, QueryClaim, RecordedCommand } from '../../channel/append-conditions.ts';
import type { Appended, AppendOutcome, AppendRequest, ExpectedVersion, StreamClaim } from '../../channel/event-log.ts';
import { linkAfter, runsOf } from '../../channel/log-chain.ts';
import { contentDifference, DIFFERS_FROM_TRIMMED } from '../../event/content-difference.ts';
import { contentDigest } from '../../event/content-digest.ts';
import type { EncodedEvent, RecordedEvent, StoredEvent } from '../../event/event.ts';
import type { Position } from '../../event/position.ts';
import { position, START } from '../../event/position.ts';
import { recordedEvent } from '../../event/recorded-event.ts';
import type { LogContent, LogEntry } from './log-content.ts';
import { addEntry, streamVersion } from './log-content.ts';

type Refused = AppendOutcome & { readonly ok: false };
/** An event that will be written, and where. */
interface Planned {
  readonly event: StoredEvent;
  readonly entry: LogEntry & { readonly kept: { readonly event: RecordedEvent } };
}

/**
 * What one transaction is going to append: requests are added one after the other, each is checked against the log with the
 * requests before it, and nothing is written until `write`.
 */
export class AppendPlan {
  readonly #content: LogContent;
  readonly #recordedMs: number;
  #planned: Planned[] = [];
  #byIdentity = new Map<string, Planned>();
  #versions = new Map<string, number>();
  readonly #commands = new Map<string, RecordedCommand>();

  constructor(content: LogContent, nowMs: number) {
    this.#content = content;
    this.#recordedMs = Math.max(nowMs, content.entries.at(-1)?.recordedMs ?? nowMs);
  }

  /** Plans one request. A refused one leaves the plan unusable: nothing of its transaction is to be written. */
  add(request: AppendRequest): AppendOutcome {
    const { command } = request;
    const known = command && (this.#content.commands.get(command.id) ?? this.#commands.get(command.id));
    if (known !== undefined) return { ok: false, reason: 'command-known', command: known };
    const versionsBefore = new Map(this.#versions);
    const plannedBefore = this.#planned.length;
    const withoutClaims = new Set<string>();
    const events: Appended[] = [];
    const ofRequest = new Set<Planned>();
    for (const event of request.events) {
      const before = this.#find(event);
      if (before === undefined) {
        if (this.#content.streams.get(event.stream)?.deleted)
          return { ok: false, reason: 'stream-deleted', stream: event.stream };
        const planned = this.#plan(event);
        ofRequest.add(planned);
        events.push(placeOf(planned.entry, false));
        continue;
      }
      const unwritten = 'entry' in before;
      const first = unwritten ? before.entry : before;
      if (request.onDuplicate === 'verify') {
        const conflict = contentConflict(first, event, unwritten ? START : first.position);
        if (conflict !== undefined) return conflict;
      }
      if (!unwritten || !ofRequest.has(before)) withoutClaims.add(event.stream);
      events.push(placeOf(first, true));
    }
    for (const claim of request.expected ?? []) {
      const refusal = withoutClaims.has(claim.stream) ? undefined : this.#refuseClaim(claim, versionsBefore);
      if (refusal !== undefined) return refusal;
    }
    if (withoutClaims.size === 0)
      for (const [claim, query] of (request.unless ?? []).entries()) {
        const found = this.#against(query, plannedBefore);
        if (found !== undefined) return { ok: false, reason: 'query-conflict', claim, position: found };
      }
    if (command !== undefined) this.#planCommand(command, this.#planned.slice(plannedBefore));
    return { ok: true, events };
  }

  /** Writes what was planned; answers the recorded events, in log order. */
  write(): readonly RecordedEvent[] {
    for (const { event, entry } of this.#planned) addEntry(this.#content, entry, event);
    for (const [id, command] of this.#commands) this.#content.commands.set(id, command);
    this.#link();
    return this.#planned.map(({ entry }) => entry.kept.event);
  }

  /** Where the log keeps a chain. */
  #link(): void {
    const { links } = this.#content;
    const before = links.at(-1);
    if (before === undefined) return;
    const [run] = runsOf(this.#planned.map(({ event }) => event));
    if (run !== undefined) links.push(linkAfter(before, { kind: 'appended', ...run }));
  }

  #find(event: EncodedEvent): LogEntry | Planned | undefined {
    return this.#content.identities.get(event.source)?.get(event.id) ?? this.#byIdentity.get(identityOf(event));
  }

  #plan(event: EncodedEvent): Planned {
    const version = (this.#versions.get(event.stream) ?? streamVersion(this.#content, event.stream)) + 1;
    this.#versions.set(event.stream, version);
    const place = position(this.#content.entries.length + this.#planned.length + 1);
    // The caller may go on using its objects: what is recorded is a copy.
    const attributes = event.attributes === undefined ? undefined : Object.freeze({ ...event.attributes });
    const stored = Object.freeze({ ...event, attributes, position: place, version, recordedMs: this.#recordedMs });
    const kept = { event: recordedEvent(stored) };
    const planned = {
      event: stored,
      entry: { stream: event.stream, version, position: place, recordedMs: this.#recordedMs, kept },
    };
    this.#planned.push(planned);
    this.#byIdentity.set(identityOf(event), planned);
    return planned;
  }

  #isAt({ source, id }: Pick<EncodedEvent, 'source' | 'id'>, stream: string, version: number): boolean {
    const known =
      this.#content.identities.get(source)?.get(id) ?? this.#byIdentity.get(identityOf({ source, id }))?.entry;
    return known?.stream === stream && known.version === version;
  }

  #planCommand({ id, name, digest, outcome }: CommandEntry, planned: readonly Planned[]): void {
    this.#commands.set(id, {
      ...structuredClone({ id, name, digest, outcome }),
      recordedMs: this.#recordedMs,
      position: planned[0]?.entry.position ?? START,
      events: planned.length,
    });
  }

  /** The place of the first event that stands against a claim; START: that of an event which is not written yet. */
  #against(claim: QueryClaim, plannedBefore: number): Position | undefined {
    const stands = (event: RecordedEvent) =>
      event.position > claim.after && isOfQuery(event.stored, claim) && (claim.matches?.(event) ?? true);
    const { entries } = this.#content;
    for (let index = Math.max(claim.after, this.#content.firstKept); index < entries.length; index += 1) {
      const event = entries[index]?.kept.event;
      if (event !== undefined && stands(event)) return event.position;
    }
    return this.#planned.slice(0, plannedBefore).some(({ entry }) => stands(entry.kept.event)) ? START : undefined;
  }

  #refuseClaim(claim: StreamClaim, versionsBefore: ReadonlyMap<string, number>): Refused | undefined {
    const { stream, version: expected, last } = claim;
    if (expected === 'any' && last === undefined) return undefined;
    if (this.#content.streams.get(stream)?.deleted) return { ok: false, reason: 'stream-deleted', stream };
    const actual = versionsBefore.get(stream) ?? streamVersion(this.#content, stream);
    if (holds(expected, actual) && (last === undefined || this.#isAt(last, stream, actual))) return undefined;
    return { ok: false, reason: 'version-conflict', stream, expected, actual };
  }
}

function holds(expected: ExpectedVersion, actual: number): boolean {
  switch (expected) {
    case 'any':
      return true;
    case 'none':
      return actual === 0;
    case 'exists':
      return actual > 0;
    default:
      return actual === expected;
  }
}

function contentConflict(first: LogEntry, event: EncodedEvent, place: Position): Refused | undefined {
  const { kept } = first;
  const trimmed = () => (kept.digest === contentDigest(event) ? [] : DIFFERS_FROM_TRIMMED);
  const differs = kept.event === undefined ? trimmed() : contentDifference(kept.event.stored, event);
  if (differs.length === 0) return undefined;
  const { source, id } = event;
  return { ok: false, reason: 'content-conflict', source, id, position: place, differs };
}

function placeOf(entry: LogEntry, duplicate: boolean): Appended {
  const { stream, version, position: place, recordedMs } = entry;
  return { stream, version, position: place, recordedMs, duplicate };
}

function identityOf(event: Pick<EncodedEvent, 'source' | 'id'>): string {
  return JSON.stringify([event.source, event.id]);
}
