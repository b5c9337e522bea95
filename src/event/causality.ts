import { AsyncLocalStorage } from 'node:async_hooks';
import { causeOf } from './create-event.ts';
import type { Cause } from './create-event.ts';
import type { RecordedEvent } from './event.ts';

/**
 * What is being reacted to right now, in this chain of calls. It lets correlation and causation be set on every path,
 * also where a handler publishes through the system and not through its context.
 */
const current = new AsyncLocalStorage<RecordedEvent>();

/** Calls `act` with `event` as the cause of everything that it publishes, awaits included. */
export function reactingTo<Subject, Result>(
  event: RecordedEvent,
  act: (subject: Subject) => Result,
  subject: Subject,
): Result {
  return current.run(event, act, subject);
}

export function currentCause(): Cause | undefined {
  const event = current.getStore();
  return event === undefined ? undefined : causeOf(event);
}
