import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EventLog, StreamState, TrimRequest } from '../channel/event-log.ts';
import { HistoryIncomplete } from '../errors.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { Snapshots } from './snapshots.ts';
import type { StreamOf } from './stream-states.ts';

/** Whose states are kept, and how. */
export interface Keeping extends Omit<StreamOf, 'stream'> {
  readonly log: Pick<EventLog, 'listStreams' | 'readStream' | 'streamState'>;
  readonly snapshots: Pick<Snapshots, 'find'>;
  /** Writes down the state of a stream as it is now. */
  readonly write: (of: StreamOf) => Promise<void>;
}

const PAGE = 500;
/** Others get a turn after so many streams. */
const STREAMS_AT_ONCE = 20;

/**
 * Sees to it that the state of every stream of a decider outlives events that are about to be removed: a snapshot holds what they made.
 *
 * Shape     isGoing: whether an event may be removed.
 * Errors    As of the log; what `evolve` throws.
 */
export async function keepStates(keeping: Keeping, isGoing: (event: RecordedEvent) => boolean): Promise<void> {
  const { log, own } = keeping;
  let after: string | undefined;
  for (;;) {
    const page = await log.listStreams({
      category: own.category,
      limit: PAGE,
      ...(after === undefined ? {} : { after }),
    });
    for (const [index, stream] of page.entries()) {
      if (index % STREAMS_AT_ONCE === 0) await nextTurn();
      await keepState(keeping, stream, isGoing);
    }
    after = page.at(-1)?.stream;
    if (page.length < PAGE) return;
  }
}

/** Of one stream. */
export async function keepState(
  { decider, own, log, snapshots, write }: Keeping,
  { stream, deleted, firstVersion, version }: StreamState,
  isGoing: (event: RecordedEvent) => boolean,
): Promise<void> {
  if (deleted || firstVersion > version) return;
  const goes = async (fromVersion: number) => {
    const [event] = await log.readStream(stream, { fromVersion, limit: 1 });
    return event !== undefined && isGoing(event);
  };
  if (!(await goes(firstVersion))) return;
  const snapshot = await snapshots.find(decider, own.version, stream);
  const isHeld = snapshot !== undefined && snapshot.isErased !== true && snapshot.version >= firstVersion - 1;
  if (isHeld && !(await goes(snapshot.version + 1))) return;
  try {
    await write({ decider, own, stream });
  } catch (error) {
    // Lost already, with what was removed before.
    if (!(error instanceof HistoryIncomplete)) throw error;
  }
}

/** Whether a rule may remove an event. */
export function isNamed(
  { position, recordedMs }: RecordedEvent,
  { notAbove, recordedBeforeMs, keepNewest }: Omit<TrimRequest, 'limit'>,
): boolean {
  const isOld = recordedBeforeMs !== undefined && recordedMs < recordedBeforeMs;
  return position <= notAbove && (isOld || keepNewest !== undefined);
}
