import type { RecordedCommand } from '../channel/append-conditions.ts';
import type { KeptOutcome } from '../decider/command-outcome.ts';
import type { Actor } from '../event/actor.ts';
import type { Caller } from '../event/circumstances.ts';
import type { RecordedEvent } from '../event/event.ts';
import { isoTime } from '../system/clock.ts';

/** An event of a chain, and which reaction published it. */
export interface EventLink {
  readonly kind: 'event';
  readonly event: RecordedEvent;
  /** Undefined: somebody outside, or whoever executed the command. */
  readonly publishedBy: string | undefined;
}

/** A command of a chain. */
export interface CommandLink {
  readonly kind: 'command';
  readonly id: string;
  readonly name: string;
  readonly time: string;
  readonly accepted: boolean;
  readonly reason: string | undefined;
  /** Who gave it; undefined: nobody was named. */
  readonly actor: Actor | undefined;
  /** Why, as whoever gave it says. */
  readonly because: string | undefined;
  /** Through what it came. */
  readonly caller: Caller | undefined;
}

/** A cause that is named and not known here: it lies outside, or was removed. */
export interface UnknownLink {
  readonly kind: 'unknown';
  readonly id: string;
}

/** A row of a view that follows from the event before it. Of a view with tables of its own: the key of its events. */
export interface RowLink {
  readonly kind: 'row';
  readonly view: string;
  readonly key: string;
}

export type CauseLink = EventLink | CommandLink | UnknownLink;

/** What an event or a command led to, directly and by that. */
export type EffectLink = (EventLink | CommandLink | RowLink) & { readonly effects: readonly EffectLink[] };

/** Which rows follow from an event. */
export type RowsOf = (event: RecordedEvent) => readonly RowLink[];

/** Who published an event, by its source. */
export type PublisherOf = (event: RecordedEvent) => string | undefined;

export function eventLink(event: RecordedEvent, publisherOf: PublisherOf): EventLink {
  return { kind: 'event', event, publishedBy: publisherOf(event) };
}

export function commandLink({ id, name, recordedMs, outcome }: RecordedCommand): CommandLink {
  const { actor, because, caller, refused } = (outcome ?? {}) as KeptOutcome;
  return {
    kind: 'command',
    id,
    name,
    time: isoTime(recordedMs),
    accepted: refused === undefined,
    reason: refused?.reason,
    actor,
    because,
    caller,
  };
}

/** The event that a command was executed because of. */
export function causeOfCommand({ outcome }: RecordedCommand): string | undefined {
  return ((outcome ?? {}) as KeptOutcome).cause;
}
