import type { ExpectedVersion } from '../channel/event-log.ts';
import type { JsonValue } from '../event/json.ts';
import type { Circumstances } from '../event/circumstances.ts';
import type { Command } from './decision.ts';
import type { DeciderDefinition } from './define-decider.ts';

/** A command on its way. */
export interface Asked {
  readonly decider: DeciderDefinition;
  readonly command: Command;
  readonly digest: string;
  /** What it asks for, as it was said, where somebody may say it again. */
  readonly said: JsonValue | undefined;
  /** What seals what is said of it; undefined: it says nothing of anybody. */
  readonly seal: ((value: JsonValue, place: string) => JsonValue) | undefined;
  /** The stream that its definition names. */
  readonly stream: string | undefined;
  readonly correlationid: string;
  /** The id of the event being reacted to; undefined: none is. */
  readonly cause: string | undefined;
  readonly circumstances: Circumstances;
  /** What whoever asks claims of the stream. */
  readonly expectedVersion: ExpectedVersion;
}
