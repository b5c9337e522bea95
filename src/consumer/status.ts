import type { EventLog } from '../channel/event-log.ts';
import { compileSelection } from '../channel/selection.ts';
import type { CompiledSelection } from '../channel/selection.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { Position } from '../event/position.ts';
import type { ConsumerRecord } from './checkpoint-store.ts';
import type { BuildStatus } from './build.ts';
import type { Figures } from './figures.ts';
import { newFigures } from './figures.ts';
import type { Reaction } from './reaction.ts';

/**
 * `building`: what the store holds of it is of an older version, and stays as it is until that of the program is built. `build-failed` and
 * `build-cancelled`: so it is, and stays so until somebody asks for the build again.
 */
export type ConsumerState =
  | 'running'
  | 'paused'
  | 'stalled'
  | 'stopped'
  | 'building'
  | 'build-failed'
  | 'build-cancelled';

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
  /**
   * Of a projection that is inline: whether its rows are changed where events are recorded, or follow them until it has caught up and nothing of
   * it is set aside. Undefined: it is none.
   */
  readonly inline: 'in-force' | 'catching-up' | undefined;
  /** It was given no event up to here: it began later, or its rows were built from there. Undefined: it has them all. */
  readonly began: Position | undefined;
  /** Everything up to here is settled. */
  readonly position: Position;
  readonly lag: { readonly events: number; readonly seconds: number };
  readonly inFlight: number;
  readonly buffered: number;
  readonly retrying: number;
  readonly parked: number;
  readonly waiting: number;
  readonly figures: Readonly<Figures>;
  /** Of one that goes by time, in this process; undefined: it does not, or does not run here. */
  readonly time: TimeStatus | undefined;
  /** What is being built beside it to take its place; undefined: nothing is. */
  readonly build: BuildStatus | undefined;
}

/** How far time has come for a consumer, and what waits for it. */
export interface TimeStatus {
  /** Nothing from before it is expected any more, milliseconds since 1970; undefined: nothing is known yet. */
  readonly watermarkMs: number | undefined;
  /** Keys for which something is due at some time. */
  readonly timers: number;
  /** Events that wait for others before them. */
  readonly held: number;
}

/** What of a key waits for others, and for what. */
export interface HeldKey {
  readonly key: string;
  readonly events: number;
  /** In words. */
  readonly waitsFor: string;
}

/** So many events of its types a lag looks at one by one; further off, where that would cost too much, it counts all events. */
const LAG_EXACT_LIMIT = 500;
const LAG_READ_BYTES = 1_048_576;
/** Counting further than this is not worth its cost: the lag is then given as the distance of positions. */
const LAG_COUNT_LIMIT = 10_000;

interface Place {
  /** Everything up to here is settled. */
  readonly low: Position;
  /** Which of the events above it are; undefined: nothing is known of that. */
  readonly isSettled: ((event: RecordedEvent) => boolean) | undefined;
  /** It is fed from the head of the log, and that many events wait in it. */
  readonly live: { readonly buffered: number } | undefined;
  readonly nowMs: number;
}

/** How far a consumer has come: up to the first event that concerns it and is not settled, as far as it is looked for; and how far behind that is. */
export async function standOf(
  { selection }: { readonly selection: Pick<CompiledSelection, 'matches' | 'types'> },
  log: Pick<EventLog, 'count' | 'head' | 'read'>,
  { low, isSettled, live, nowMs }: Place,
): Promise<Pick<ConsumerStatus, 'lag' | 'position'>> {
  if (live?.buffered === 0) return { position: low, lag: { events: 0, seconds: 0 } };
  const head = await log.head();
  const types = selection.types === undefined ? {} : { types: selection.types };
  const waiting: RecordedEvent[] = [];
  let upTo = low;
  for (let looks = 0; upTo < head && looks < LAG_EXACT_LIMIT;) {
    const page = await log.read({ after: upTo, limit: LAG_EXACT_LIMIT - looks, maxBytes: LAG_READ_BYTES, ...types });
    looks += page.length;
    upTo = page.at(-1)?.position ?? head;
    waiting.push(...page.filter((event) => selection.matches(event) && isSettled?.(event) !== true));
  }
  const [oldest] = waiting;
  const events = live?.buffered ?? (upTo >= head ? waiting.length : await distance(log, low, head));
  return {
    position: isSettled === undefined ? low : oldest === undefined ? upTo : ((oldest.position - 1) as Position),
    lag: { events, seconds: oldest === undefined ? 0 : Math.max(0, nowMs - oldest.recordedMs) / 1_000 },
  };
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
    inline: undefined,
    began: form.began,
    ...(await standOf({ selection }, log, { ...now, low: checkpoint.low, isSettled: undefined, live: undefined })),
    inFlight: 0,
    buffered: 0,
    ...now.counts,
    figures: newFigures(),
    time: undefined,
    build: undefined,
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
