import type { EventLog } from '../channel/event-log.ts';
import { compileSelection } from '../channel/selection.ts';
import type { CompiledSelection } from '../channel/selection.ts';
import type { Position } from '../event/position.ts';
import type { ConsumerRecord } from './checkpoint-store.ts';
import type { Figures } from './figures.ts';
import { newFigures } from './figures.ts';
import type { Reaction } from './reaction.ts';

export type ConsumerState = 'running' | 'paused' | 'stalled' | 'stopped';

/** A consumer as it stands. */
export interface ConsumerStatus {
  readonly name: string;
  readonly kind: Reaction['kind'];
  readonly mode: Reaction['mode'];
  readonly summary: string | undefined;
  readonly state: ConsumerState;
  /** Why it is paused or stalled. */
  readonly reason: string | undefined;
  /** At the head of the log. */
  readonly live: boolean;
  /** Everything up to here is settled. */
  readonly position: Position;
  readonly lag: { readonly events: number; readonly seconds: number };
  readonly inFlight: number;
  readonly buffered: number;
  readonly retrying: number;
  readonly parked: number;
  readonly waiting: number;
  readonly figures: Readonly<Figures>;
}

/** So near the head a lag counts the events that concern the consumer; further off, where that would cost too much, all events. */
const LAG_EXACT_LIMIT = 500;
const LAG_READ_BYTES = 1_048_576;
/** Counting further than this is not worth its cost: the lag is then given as the distance of positions. */
const LAG_COUNT_LIMIT = 10_000;

/** How far a consumer that stands at a position is behind. `live`: it is fed from the head of the log, and that many events wait in it. */
export async function lagOf(
  { selection }: { readonly selection: Pick<CompiledSelection, 'matches'> },
  log: Pick<EventLog, 'count' | 'head' | 'read'>,
  at: { readonly position: Position; readonly live: { readonly buffered: number } | undefined; readonly nowMs: number },
): Promise<ConsumerStatus['lag']> {
  const { position, live, nowMs } = at;
  if (live?.buffered === 0) return { events: 0, seconds: 0 };
  const page = await log.read({ after: position, limit: LAG_EXACT_LIMIT, maxBytes: LAG_READ_BYTES });
  const mine = page.filter((event) => selection.matches(event));
  const head = await log.head();
  const ends = (page.at(-1)?.position ?? head) >= head;
  const events = live?.buffered ?? (ends ? mine.length : await distance(log, position, head));
  const oldest = ends ? mine[0] : page[0];
  return { events, seconds: oldest === undefined ? 0 : Math.max(0, nowMs - oldest.recordedMs) / 1_000 };
}

/** Of a consumer that no definition here runs. Its lag counts every event of its types: what else it asks of them only its definition says. */
export async function rememberedStatus(
  { consumer, form, checkpoint, paused }: ConsumerRecord,
  log: Pick<EventLog, 'count' | 'head' | 'read'>,
  now: {
    readonly isHeld: boolean;
    readonly counts: Pick<ConsumerStatus, 'parked' | 'retrying' | 'waiting'>;
    readonly nowMs: number;
  },
): Promise<ConsumerStatus> {
  const selection = compileSelection({ types: form.types });
  return {
    name: consumer,
    kind: form.kind,
    mode: form.mode,
    summary: undefined,
    ...rememberedState(paused?.reason, now.isHeld),
    live: false,
    position: checkpoint.low,
    lag: await lagOf({ selection }, log, { position: checkpoint.low, live: undefined, nowMs: now.nowMs }),
    inFlight: 0,
    buffered: 0,
    ...now.counts,
    figures: newFigures(),
  };
}

function rememberedState(pausedFor: string | undefined, isHeld: boolean): Pick<ConsumerStatus, 'reason' | 'state'> {
  if (pausedFor !== undefined) return { state: 'paused', reason: pausedFor };
  if (isHeld) return { state: 'running', reason: undefined };
  return { state: 'stopped', reason: 'no definition with this name is running' };
}

async function distance(log: Pick<EventLog, 'count'>, position: Position, head: Position): Promise<number> {
  const counted = await log.count(position, head, LAG_COUNT_LIMIT);
  return counted < LAG_COUNT_LIMIT ? counted : head - position;
}
