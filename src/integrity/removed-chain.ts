import type { EventLog } from '../channel/event-log.ts';
import { linkHash, NO_HASH } from '../channel/log-chain.ts';
import type { LogChain } from '../channel/log-chain.ts';
import { position } from '../event/position.ts';
import { SYSTEM_EVENTS, systemStream } from '../event/system-events.ts';
import type { Logger } from '../system/logger.ts';
import { findingOf } from './verification.ts';
import type { Finding } from './verification.ts';

export interface ChainedLog {
  readonly log: Pick<EventLog, 'read' | 'streamState'>;
  readonly chain: Pick<LogChain, 'links'>;
}

const WHAT_TO_DO =
  'compare it with an exact copy, or with a head that was signed before; a chain that is begun now attests what it finds, and no more';

/**
 * A chain that is not there any more, as the log tells: it reports that one began, and none is there, or one that began behind that report.
 * Undefined: there is no such report.
 */
export async function removedChain({ log, chain }: ChainedLog): Promise<Finding | undefined> {
  const [first] = await chain.links({ after: 0, limit: 1, maxBytes: 1 });
  // A chain that was altered, or has lost its first links, is told as that.
  if (first !== undefined && (first.number > 1 || !linkHash(NO_HASH, first).equals(first.hash))) return undefined;
  const now =
    first === undefined
      ? 'the log keeps none any more'
      : `the one that is there began later, at position ${first.place}`;
  // By its type, which is found whatever the indexes of streams say.
  const [report] = await log.read({ types: [SYSTEM_EVENTS.chainBegan], limit: 1 });
  if (report !== undefined && (first === undefined || report.position <= first.place))
    return findingOf(
      'chain-removed',
      report.position,
      report.stored,
      `says that a hash chain began, and ${now}: ${WHAT_TO_DO}`,
    );
  const stream = systemStream('chain');
  const isOlder = first === undefined ? (await log.streamState(stream)).version > 0 : (report?.version ?? 1) > 1;
  if (!isOlder) return undefined;
  const words = `the stream ${stream} has had an earlier report that a hash chain began, and ${now}: ${WHAT_TO_DO}`;
  return findingOf('chain-removed', position(first?.place ?? 0), undefined, words);
}

/** For whoever opens a program: it goes on, and somebody should know. */
export async function reportRemovedChain(log: ChainedLog, store: string, logger: Logger): Promise<void> {
  const removed = await removedChain(log);
  if (removed === undefined) return;
  logger.error({ store, position: removed.position }, `the hash chain of this log was removed: ${removed.message}`);
}
