import type { TrimOutcome, TrimRequest } from '../../channel/event-log.ts';
import { categoryOf } from '../../event/stream-name.ts';
import type { LogContent, LogEntry } from './log-content.ts';
import { removeEvents } from './log-content.ts';

/** Removes what one retention rule names, oldest first. */
export function trimLog(content: LogContent, request: TrimRequest): TrimOutcome {
  const kept = new Set<number>(request.keep);
  const named = namedBy(content, request);
  const removable = named.filter((entry) => entry.position <= request.notAbove && !kept.has(entry.position));
  const removed = removeEvents(content, removable.slice(0, request.limit));
  return { removed, more: removed < removable.length, protected: named.length - removable.length };
}

function namedBy(content: LogContent, request: TrimRequest): readonly LogEntry[] {
  const { category, recordedBeforeMs = -Infinity, keepNewest = Infinity } = request;
  const ofCategory = content.entries.filter(
    (entry) => entry.kept.event !== undefined && categoryOf(entry.stream) === category,
  );
  return ofCategory.filter(
    (entry, index) => entry.recordedMs < recordedBeforeMs || ofCategory.length - index > keepNewest,
  );
}
