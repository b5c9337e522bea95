import type { RecordedCommand } from '../channel/append-conditions.ts';
import type { JsonValue } from '../event/json.ts';
import type { Position } from '../event/position.ts';
import type { Published } from '../producer/publisher.ts';

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

/** What is kept of an outcome beside its events. */
export interface KeptOutcome {
  /** Of a command that a reaction executed: the id of the event it reacted to. */
  readonly cause?: string;
  readonly stream?: string;
  readonly version?: number;
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
