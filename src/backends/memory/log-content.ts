import type { RecordedCommand } from '../../channel/append-conditions.ts';
import { contentDigest } from '../../event/content-digest.ts';
import type { ChainLink } from '../../channel/log-chain.ts';
import { linkAfter, removedEntries } from '../../channel/log-chain.ts';
import type { EncodedEvent, RecordedEvent } from '../../event/event.ts';
import type { Position } from '../../event/position.ts';
import { START } from '../../event/position.ts';

/** What the log remembers of an event for ever: its place. And the event itself, until it is removed. */
export interface LogEntry {
  readonly stream: string;
  readonly version: number;
  readonly position: Position;
  readonly recordedMs: number;
  /** What a later (source, id) is compared with: the event, or after its removal the digest of its content. */
  kept:
    | { readonly event: RecordedEvent; readonly digest?: undefined }
    | { readonly event?: undefined; readonly digest: string };
}

/** The events of one stream, versions 1, 2, 3 ... in order, removed ones included. */
export interface StreamContent {
  readonly entries: LogEntry[];
  deleted: boolean;
}

/**
 * What a log holds.
 *
 * Invariants 1. `entries[n]` has position n + 1: the log has no holes, removed events leave their entry behind.
 *            2. `recordedMs` never falls from one entry to the next.
 *            3. `streams`, `correlations` and `identities` name entries of `entries`, in log order.
 */
export interface LogContent {
  readonly entries: LogEntry[];
  readonly streams: Map<string, StreamContent>;
  /** By correlationid. Entries whose event was removed stay and are passed over. */
  readonly correlations: Map<string, LogEntry[]>;
  /** By source, then id. */
  readonly identities: Map<string, Map<string, LogEntry>>;
  /** By id. */
  readonly commands: Map<string, RecordedCommand>;
  /** Empty: it keeps no chain. */
  readonly links: ChainLink[];
  /** The entry below which (by index) every event was removed: reading from the start of a trimmed log does not walk over it. */
  firstKept: number;
}

export function createLogContent(): LogContent {
  return {
    entries: [],
    streams: new Map(),
    correlations: new Map(),
    identities: new Map(),
    commands: new Map(),
    links: [],
    firstKept: 0,
  };
}

export function streamVersion(content: LogContent, stream: string): number {
  return content.streams.get(stream)?.entries.length ?? 0;
}

/** Puts an entry at the end of the log and into every index. The conversation of a removed event is not known any more. */
export function addEntry(
  content: LogContent,
  entry: LogEntry,
  event: Pick<EncodedEvent, 'source' | 'id'> & { readonly correlationid: string | undefined },
): void {
  content.entries.push(entry);
  streamContent(content, entry.stream).entries.push(entry);
  if (event.correlationid !== undefined) listIn(content.correlations, event.correlationid).push(entry);
  let ofSource = content.identities.get(event.source);
  if (ofSource === undefined) content.identities.set(event.source, (ofSource = new Map<string, LogEntry>()));
  ofSource.set(event.id, entry);
}

/** The stream, made known where it was not. */
export function streamContent(content: LogContent, stream: string): StreamContent {
  let found = content.streams.get(stream);
  if (found === undefined) content.streams.set(stream, (found = { entries: [], deleted: false }));
  return found;
}

/** Removes the events of entries, keeping place and digest. Answers how many had an event. */
export function removeEvents(content: LogContent, entries: Iterable<LogEntry>): number {
  const removed: number[] = [];
  for (const entry of entries) {
    if (entry.kept.event === undefined) continue;
    entry.kept = { digest: contentDigest(entry.kept.event.stored) };
    removed.push(entry.position);
  }
  passRemoved(content);
  if (removed.length > 0) linkRemoved(content, removed);
  return removed.length;
}

/** Where the log keeps a chain. */
function linkRemoved({ entries, links }: LogContent, positions: readonly number[]): void {
  const before = links.at(-1);
  if (before === undefined) return;
  const head = entries.at(-1);
  links.push(
    linkAfter(before, {
      kind: 'removed',
      place: head?.position ?? START,
      recordedMs: head?.recordedMs ?? 0,
      entries: removedEntries(positions),
    }),
  );
}

/** Moves `firstKept` on over what was removed. */
export function passRemoved(content: LogContent): void {
  while (content.firstKept < content.entries.length && content.entries[content.firstKept]?.kept.event === undefined)
    content.firstKept += 1;
}

function listIn<Key, Item>(map: Map<Key, Item[]>, key: Key): Item[] {
  let list = map.get(key);
  if (list === undefined) map.set(key, (list = []));
  return list;
}
