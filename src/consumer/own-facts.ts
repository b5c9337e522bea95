import type { EventLog } from '../channel/event-log.ts';
import type { EventDefinition } from '../event/define-event.ts';
import type { RecordedEvent } from '../event/event.ts';
import { encodeJson, sameJson } from '../event/json.ts';
import type { JsonValue } from '../event/json.ts';
import { validate } from '../schema/registry.ts';
import type { ConsumerForm } from './checkpoint-store.ts';
import type { Recalled, RecallFact } from './reaction.ts';

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

  /** Whether there may be facts that it would not publish now. */
  get mayDiffer(): boolean {
    return this.#wasReplayed;
  }

  /** As it was recorded, if it was; undefined: as it would be said now. */
  recorded(definition: EventDefinition, id: string): Promise<RecordedEvent | undefined> | undefined {
    return this.#wasReplayed ? this.#log.find(definition.source ?? this.#source, id) : undefined;
  }

  /** What was published in place of a fact, from its own id on. `said`: the fact, as it would be recorded. */
  async recall({ definition, data, timing, idAt }: RecallFact): Promise<Recalled> {
    const told: RecordedEvent[] = [];
    for (let event = await this.recorded(definition, idAt(0)); event !== undefined;) {
      told.push(event);
      event = await this.recorded(definition, idAt(told.length));
    }
    if (told.length === 0) return { told, same: -1 };
    const validation = await validate(definition, data);
    // Where its schema objects, it is its publication that fails.
    if (!validation.ok) return { told, same: -1 };
    const said = JSON.parse(encodeJson(validation.data, 'data')) as JsonValue;
    const same = told.findIndex(
      ({ stored, data: known }) =>
        (stored.attributes as { readonly timing?: string } | undefined)?.timing === timing && sameJson(known, said),
    );
    return { told, same };
  }
}
