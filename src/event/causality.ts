import { AsyncLocalStorage } from 'node:async_hooks';
import { LoopStopped } from '../errors.ts';
import { causeOf } from './create-event.ts';
import type { Cause } from './create-event.ts';
import type { RecordedEvent } from './event.ts';

/**
 * What is being reacted to right now, in this chain of calls. It lets correlation and causation be set on every path,
 * also where a handler publishes through the system and not through its context.
 */
const current = new AsyncLocalStorage<{ readonly event: RecordedEvent; readonly subject: unknown }>();

/** Outside of everything: what a reaction finds in contexts of others does not depend on whose call brought it its event. */
const outside = AsyncLocalStorage.snapshot();

/** Of a reaction that calls nobody: for as long as its call lasts. */
let atHand: RecordedEvent | undefined;

/**
 * Calls `act` with `event` as the cause of what it publishes before it returns. For functions that are to do nothing but compute, at a fraction
 * of what a context costs.
 */
export function computingFrom<Subject, Result>(
  event: RecordedEvent,
  act: (subject: Subject) => Result,
  subject: Subject,
): Result {
  const before = atHand;
  atHand = event;
  try {
    return act(subject);
  } finally {
    atHand = before;
  }
}

/** Calls `act` with `event` as the cause of everything that it publishes, awaits included. */
export function reactingTo<Subject, Result>(
  event: RecordedEvent,
  act: (subject: Subject) => Result,
  subject: Subject,
): Result {
  const before = atHand;
  atHand = undefined;
  try {
    return outside(entered<Subject, Result>, event, act, subject);
  } finally {
    atHand = before;
  }
}

/** Half the cost of `current.run`, which makes a context for the way back, too: `outside` goes back to the one that was there. */
function entered<Subject, Result>(event: RecordedEvent, act: (subject: Subject) => Result, subject: Subject): Result {
  current.enterWith({ event, subject });
  return act(subject);
}

export function currentCause(): Cause | undefined {
  const event = atHand ?? current.getStore()?.event;
  return event === undefined ? undefined : causeOf(event);
}

/** What the reaction was given in whose chain of calls this is. Undefined: it is in none. */
export function currentSubject(): unknown {
  return current.getStore()?.subject;
}

/**
 * Reactions in a row that may lead to an event, at most, whoever publishes it (G12). Automations have a lower limit of their own; this one
 * ends loops of consumers, which have none. No piece of work is that long.
 */
const MAX_CAUSATION_DEPTH = 1_000;

/** Errors: LoopStopped, which no retry mends. */
export function assertNoRunaway(cause: Cause, reaction: string): void {
  if (cause.depth < MAX_CAUSATION_DEPTH) return;
  throw new LoopStopped(
    reaction,
    'depth',
    `${cause.depth} reactions in a row led to event ${cause.id}; what it leads to is not recorded any more`,
  );
}
