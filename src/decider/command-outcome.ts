import type { CommandEntry, RecordedCommand } from '../channel/append-conditions.ts';
import type { AppendOutcome, EventLog } from '../channel/event-log.ts';
import type { Actor } from '../event/actor.ts';
import type { Caller } from '../event/circumstances.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import type { Position } from '../event/position.ts';
import type { Published } from '../producer/publisher.ts';
import { isoTime } from '../system/clock.ts';
import type { Asked } from './asked.ts';
import type { Made } from './making.ts';

const PAGE = 1_000;
const PAGE_BYTES = 16 * 1_024 * 1_024;

/** A fact that a command led to. */
export interface DecidedFact extends Published {
  readonly type: string;
}

interface CommonOutcome {
  readonly id: string;
  readonly command: string;
  /** The facts that were recorded, in their order. Of a repetition those that retention has left. */
  readonly events: readonly DecidedFact[];
  /** Of a decider of one stream: that stream, and its version with these facts. */
  readonly stream: string | undefined;
  readonly version: number | undefined;
  /** Of the last of its facts: what reads up to there has them. Undefined: there is none. */
  readonly position: Position | undefined;
  /** True: this id was executed before, and this is what came of it then. */
  readonly duplicate: boolean;
}

export interface CommandAccepted<State = unknown> extends CommonOutcome {
  readonly accepted: true;
  /** With these facts. Undefined of a repetition. */
  readonly state: State | undefined;
}

export interface CommandRefused extends CommonOutcome {
  readonly accepted: false;
  readonly reason: string;
  readonly message: string;
  readonly details: JsonValue | undefined;
}

/** What came of a command. */
export type CommandOutcome<State = unknown> = CommandAccepted<State> | CommandRefused;

/** Where what is sealed of a command was sealed. */
export function commandOf(id: string): string {
  return `command ${id}`;
}

/** What is kept of an outcome beside its events. */
export interface KeptOutcome {
  /** Of a command that a reaction executed: the id of the event it reacted to. */
  readonly cause?: string;
  /** Who gave it. */
  readonly actor?: Readonly<Pick<Actor, keyof Actor>>;
  /** Why, and through what. */
  readonly because?: string;
  readonly caller?: Readonly<Pick<Caller, keyof Caller>>;
  readonly stream?: string;
  readonly version?: number;
  /** Message and details may be sealed. */
  readonly refused?: { readonly reason: string; readonly message: string; readonly details?: JsonValue };
}

/** What came of a command that was executed before, with the facts of it that are still there. */
export function repeatedOutcome(command: RecordedCommand, events: readonly DecidedFact[]): CommandOutcome {
  const { stream, version, refused } = (command.outcome ?? {}) as KeptOutcome;
  const common: CommonOutcome = {
    id: command.id,
    command: command.name,
    events,
    stream,
    version,
    position: command.events === 0 ? undefined : ((command.position + command.events - 1) as Position),
    duplicate: true,
  };
  if (refused === undefined) return { ...common, accepted: true, state: undefined };
  return {
    ...common,
    accepted: false,
    reason: refused.reason,
    message: refused.message,
    details: refused.details,
  };
}

/** What is remembered of a command. */
export function entryOf(
  { command, digest, cause, circumstances, seal }: Asked,
  { refusal }: Made,
  place: KeptOutcome,
): CommandEntry {
  const refused = refusal && {
    refused: {
      reason: refusal.reason,
      message:
        seal === undefined || refusal.message === refusal.reason
          ? refusal.message
          : seal(refusal.message, 'refused.message'),
      ...(refusal.details === undefined
        ? {}
        : { details: seal === undefined ? refusal.details : seal(refusal.details, 'refused.details') }),
    },
  };
  const { actor } = command;
  const { reason, caller } = circumstances;
  const outcome = {
    ...place,
    ...refused,
    ...(cause === undefined ? {} : { cause }),
    ...(actor === undefined ? {} : { actor: { ...actor } }),
    ...(reason === undefined ? {} : { because: reason }),
    ...(caller === undefined ? {} : { caller: { ...caller } }),
  };
  return {
    id: command.id,
    name: command.name,
    digest,
    outcome: Object.keys(outcome).length === 0 ? undefined : outcome,
  };
}

/** What came of a command that was recorded now. */
export function outcomeOf(
  { command }: Asked,
  { events, refusal }: Made,
  appended: AppendOutcome & { readonly ok: true },
  { stream, version, state }: { stream?: string; version?: number; state: unknown },
): CommandOutcome {
  const published = appended.events.map((place, index): DecidedFact => ({
    type: events[index]?.type ?? '',
    id: events[index]?.id ?? '',
    source: events[index]?.source ?? '',
    stream: place.stream,
    version: place.version,
    position: place.position,
    recordedtime: isoTime(place.recordedMs),
    duplicate: place.duplicate,
    quarantined: false,
  }));
  const common = {
    id: command.id,
    command: command.name,
    events: published,
    stream,
    version,
    position: published.at(-1)?.position,
    duplicate: false,
  };
  if (refusal === undefined) return { ...common, accepted: true, state };
  const { reason, message, details } = refusal;
  return { ...common, accepted: false, reason, message, details };
}

/** The facts of a command that are still in the log. */
export async function eventsOf(
  log: EventLog,
  { position, events }: { readonly position: Position; readonly events: number },
): Promise<readonly DecidedFact[]> {
  if (events === 0) return [];
  const last = position + events - 1;
  const found: RecordedEvent[] = [];
  for (let after = (position - 1) as Position; ;) {
    const page = await log.read({ after, limit: Math.min(PAGE, last - after), maxBytes: PAGE_BYTES });
    found.push(...page.filter((event) => event.position <= last));
    const end = page.at(-1);
    if (end === undefined || end.position >= last) break;
    after = end.position;
  }
  return found.map((event) => ({
    type: event.type,
    id: event.id,
    source: event.source,
    stream: event.stream,
    version: event.version,
    position: event.position,
    recordedtime: event.recordedtime,
    duplicate: true,
    quarantined: false,
  }));
}
