import type { JsonValue } from '../event/json.ts';
import type { EncodedEvent, RecordedEvent } from '../event/event.ts';
import type { Position } from '../event/position.ts';
import { tagsOf } from '../event/tags.ts';

/** Which events something rests on, whatever their streams. All that is given must hold; nothing given: every event. */
export interface EventQuery {
  readonly types?: readonly string[];
  /** The event has all of them. */
  readonly tags?: readonly string[];
  /** Pure, and answers at once: it is asked inside a transaction. */
  readonly matches?: (event: RecordedEvent) => boolean;
}

/** A writer's claim that no event of a query was recorded after a place: what was decided on is still all there is. */
export interface QueryClaim extends EventQuery {
  readonly after: Position;
}

/** What a request is the outcome of. */
export interface CommandEntry {
  readonly id: string;
  readonly name: string;
  /** Of what it asks for: another command under a known id can be told. */
  readonly digest: string;
  /** What is to be known of it beside its events; undefined: nothing. */
  readonly outcome: JsonValue | undefined;
}

/** A command as the log remembers it, for ever. */
export interface RecordedCommand extends CommandEntry {
  readonly recordedMs: number;
  /** The place of its first event, START when it had none; the others follow directly. */
  readonly position: Position;
  readonly events: number;
}

/** Whether an event is one of a query, as far as types and tags tell. */
export function isOfQuery(event: EncodedEvent, { types, tags = [] }: EventQuery): boolean {
  if (types !== undefined && !types.includes(event.type)) return false;
  if (tags.length === 0) return true;
  const own = tagsOf(event);
  return tags.every((tag) => own.includes(tag));
}
