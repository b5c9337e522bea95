import type { EventLog } from '../channel/event-log.ts';
import { retractionId, retractionOf } from '../event/derived-definitions.ts';
import type { EventDefinition } from '../event/define-event.ts';
import type { RecordedEvent } from '../event/event.ts';
import { encodeJson, sameJson } from '../event/json.ts';
import type { JsonValue } from '../event/json.ts';
import { validate } from '../schema/registry.ts';
import type { ConsumerForm } from './checkpoint-store.ts';
import type { Recalled, RecallFact, ToldFact } from './reaction.ts';

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

  /** What was published in place of a fact, from its own id on. */
  async recall(fact: RecallFact): Promise<Recalled> {
    const { definition, timing, idAt } = fact;
    const events: { readonly number: number; readonly event: RecordedEvent }[] = [];
    for (let number = 0, gap = 0; gap < MAX_GAP; number += 1) {
      const event = await this.recorded(definition, idAt(number));
      gap = event === undefined ? gap + 1 : 0;
      if (event !== undefined) events.push({ number, event });
    }
    const last = events.at(-1);
    if (last === undefined) return { told: [], retraction: undefined };
    const said = await recordedData(fact);
    const told = events.map(({ number, event }): ToldFact => {
      const known = timingOf(event);
      const isSame = said !== undefined && known === timing && sameJson(event.data, said);
      return { number, event, timing: known, isSame };
    });
    const retraction = await this.recorded(retractionOf(definition), retractionId(last.event.id));
    return { told, retraction };
  }
}

/** So many ids after one another may have been given up, or trimmed. */
const MAX_GAP = 5;

function timingOf({ stored }: RecordedEvent): string | undefined {
  return (stored.attributes as { readonly timing?: string } | undefined)?.timing;
}

/** The data of a fact as it would be recorded; undefined: there is none, or its schema objects, and then it is its publication that fails. */
async function recordedData({ definition, data }: RecallFact): Promise<JsonValue | undefined> {
  if (data === undefined) return undefined;
  const validation = await validate(definition, data);
  return validation.ok ? (JSON.parse(encodeJson(validation.data, 'data')) as JsonValue) : undefined;
}
