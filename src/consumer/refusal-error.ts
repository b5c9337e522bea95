import type { AppendOutcome } from '../channel/event-log.ts';
import { EventContentConflict, StreamDeleted, WrongState } from '../errors.ts';

/** Why the log did not take what a handler published, for those who look at its dead letter. */
export function refusalError(refusal: AppendOutcome & { ok: false }): Error {
  switch (refusal.reason) {
    case 'stream-deleted':
      return new StreamDeleted(refusal.stream);
    case 'content-conflict':
      return new EventContentConflict(refusal);
    case 'version-conflict':
    case 'query-conflict':
    case 'command-known':
      return new WrongState(`the log refused what the handler published: ${refusal.reason}`);
  }
}
