import type { EventLog } from '../channel/event-log.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { ConsumerForm } from './checkpoint-store.ts';

/**
 * What a consumer has said before. After a replay that may be otherwise than what it would say now under the same identity, and stands: what
 * takes it back has to say what was said.
 */
export class OwnFacts {
  readonly #source: string;
  readonly #log: Pick<EventLog, 'find'>;
  #wasReplayed = false;

  constructor(source: string, log: Pick<EventLog, 'find'>) {
    this.#source = source;
    this.#log = log;
  }

  /** A session begins of a consumer that is of this form. */
  begins({ replayed }: Pick<ConsumerForm, 'replayed'>): void {
    this.#wasReplayed = replayed === true;
  }

  /** As it was recorded, if it was; undefined: as it would be said now. */
  recorded(id: string): Promise<RecordedEvent | undefined> | undefined {
    return this.#wasReplayed ? this.#log.find(this.#source, id) : undefined;
  }
}
