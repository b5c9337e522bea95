import type { ExpectedVersion } from '../channel/event-log.ts';
import type { Circumstances } from '../event/circumstances.ts';
import type { Command } from './decision.ts';
import type { DeciderDefinition } from './define-decider.ts';

/** A command on its way. */
export interface Asked {
  readonly decider: DeciderDefinition;
  readonly command: Command;
  readonly digest: string;
  /** The stream that its definition names. */
  readonly stream: string | undefined;
  readonly correlationid: string;
  /** The id of the event being reacted to; undefined: none is. */
  readonly cause: string | undefined;
  readonly circumstances: Circumstances;
  /** What whoever asks claims of the stream. */
  readonly expectedVersion: ExpectedVersion;
}
