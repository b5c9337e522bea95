import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EventLog, StreamState, TrimRequest } from '../channel/event-log.ts';
import { HistoryIncomplete } from '../errors.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { Snapshots } from './snapshots.ts';
import type { StreamOf } from './stream-states.ts';

/** Whose states are kept, and how. */
export interface Keeping extends Omit<StreamOf, 'stream'> {
  readonly log: Pick<EventLog, 'listStreams' | 'readStream' | 'streamState'>;
  readonly snapshots: Pick<Snapshots, 'furthest' | 'kept'>;
  /** Keeps the state of a stream as it is now. */
  readonly write: (of: StreamOf) => Promise<void>;
}

/** So often what is looked at may change meanwhile. */
const TRIES = 4;
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

/** Of one stream. Errors: HistoryIncomplete where only another version of the decider knows what its first events made, and would lose others. */
export async function keepState(
  { decider, own, log, snapshots, write }: Keeping,
  { stream }: Pick<StreamState, 'stream'>,
  isGoing: (event: RecordedEvent) => boolean,
): Promise<void> {
  const goes = async (fromVersion: number) => {
    const [event] = await log.readStream(stream, { fromVersion, limit: 1 });
    return event !== undefined && isGoing(event);
  };
  for (let tries = 1; ; tries += 1) {
    const { deleted, firstVersion, version } = await log.streamState(stream);
    if (deleted || firstVersion > version || !(await goes(firstVersion))) return;
    const kept = await snapshots.kept(decider, own.version, stream);
    if (kept !== undefined && kept.version >= firstVersion - 1 && !(await goes(kept.version + 1))) return;
    try {
      return await write({ decider, own, stream });
    } catch (error) {
      if (!(error instanceof HistoryIncomplete)) throw error;
      const furthest = await snapshots.furthest(decider, stream);
      // Lost already, to every version of the decider; or what is known of it loses nothing.
      if (furthest < firstVersion - 1 || !(await goes(furthest + 1))) return;
      // It may have been cut just now, after what it had come to was kept.
      if (tries === TRIES) throw error;
    }
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
