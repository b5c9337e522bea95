import type { EventLog } from '../channel/event-log.ts';
import { START } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { awaitsBuild, versionOf } from './adapt.ts';
import type { ConsumerRecord } from './checkpoint-store.ts';
import type { ConsumerLoop } from './consumer-loop.ts';
import type { Figures } from './figures.ts';
import { keyFor } from './keys.ts';
import { commonCheckpoint, laneOf, settledIn } from './lanes.ts';
import type { LaneGroup } from './lanes.ts';
import type { Reaction } from './reaction.ts';
import { standOf } from './status.ts';
import type { ConsumerState, ConsumerStatus } from './status.ts';

/** What is known of a consumer whose definition is here. */
export interface Known {
  /** What handles its events here. */
  readonly loop: ConsumerLoop | undefined;
  /** The store does, where they are recorded. */
  readonly inline: { readonly low: Position } | undefined;
  /** So the store says, of whoever runs it; undefined: it knows of no other nodes. */
  readonly isInForce: boolean | undefined;
  /** It does, or begins to as soon as the store lets it. */
  readonly isToRun: boolean;
  /** No other node handles any of its events. */
  readonly handlesAll: boolean;
  readonly record: ConsumerRecord | undefined;
  /** Other nodes handle its events too, or alone. */
  readonly elsewhere: boolean;
  /** How far all nodes are, where the store knows of lanes. */
  readonly groups: readonly LaneGroup[] | undefined;
  readonly counts: Pick<ConsumerStatus, 'parked' | 'retrying' | 'waiting'>;
  readonly figures: Figures;
  /** Why the store is out of order, if it is. */
  readonly outage: string | undefined;
  readonly nowMs: number;
}

/** A consumer as it stands. */
export async function standing(
  reaction: Reaction,
  log: Pick<EventLog, 'count' | 'head' | 'read'>,
  known: Known,
): Promise<ConsumerStatus> {
  const { loop, inline, nowMs } = known;
  const stand = await standOf(reaction, log, {
    ...placeOf(reaction, known),
    live: liveOf(known),
    nowMs,
  });
  return {
    name: reaction.name,
    kind: reaction.kind,
    mode: reaction.mode,
    summary: reaction.summary,
    ...stateOf(reaction, known),
    live: inline !== undefined || (loop?.live ?? false),
    inline: inlineOf(reaction, known),
    began: known.record?.form.began,
    ...stand,
    inFlight: loop?.inFlight ?? 0,
    buffered: loop?.buffered ?? 0,
    ...known.counts,
    figures: { ...known.figures },
    time: loop?.timeStatus,
    build: undefined,
  };
}

function inlineOf(reaction: Reaction, { inline, isInForce, isToRun }: Known): ConsumerStatus['inline'] {
  if (reaction.inline === undefined) return undefined;
  const isHere = inline !== undefined;
  // Where reactions do not run, others have it, or had.
  const isSo = isToRun ? isHere && isInForce !== false : (isInForce ?? isHere);
  return isSo ? 'in-force' : 'catching-up';
}

/** At the head of the log, and how much waits there. */
function liveOf({ loop, inline, handlesAll, groups }: Known): { readonly buffered: number } | undefined {
  // Where nodes share the work the store knows: others record events too.
  if (inline !== undefined) return groups === undefined ? { buffered: 0 } : undefined;
  return handlesAll && loop?.live === true ? { buffered: loop.buffered } : undefined;
}

function stateOf(
  reaction: Reaction,
  { record, elsewhere, isToRun, outage }: Known,
): { state: ConsumerState; reason: string | undefined } {
  if (record !== undefined && awaitsBuild(record, reaction)) {
    const reason = `version ${reaction.version} is to take the place of version ${versionOf(record.form)}`;
    return { state: elsewhere ? 'running' : 'building', reason };
  }
  if (record?.paused !== undefined) return { state: 'paused', reason: record.paused.reason };
  if (!isToRun) return { state: elsewhere ? 'running' : 'stopped', reason: undefined };
  return outage === undefined ? { state: 'running', reason: outage } : { state: 'stalled', reason: outage };
}

/** How far the consumer is, on all nodes. What this one has settled may be further than the store knows; what others have is not. */
function placeOf(
  reaction: Reaction,
  { loop, inline, record, handlesAll, groups }: Known,
): Pick<Parameters<typeof standOf>[2], 'isSettled' | 'low'> {
  if (inline !== undefined && groups === undefined) return { low: inline.low, isSettled: undefined };
  if (loop !== undefined && handlesAll) return { low: loop.low, isSettled: undefined };
  const low = commonCheckpoint(groups ?? [])?.low ?? record?.checkpoint.low ?? START;
  if (groups === undefined) return { low, isSettled: undefined };
  const isSettled = settledIn(groups);
  return { low, isSettled: (event) => isSettled(laneOf(keyFor(reaction, event).key), event.position) };
}
