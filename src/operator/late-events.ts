import { InvalidDefinition } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import { lateOf } from '../event/derived-definitions.ts';
import type { EventDefinition } from '../event/define-event.ts';
import type { JsonValue } from '../event/json.ts';
import { isoTime } from '../system/clock.ts';
import { deterministicId } from '../system/ids.ts';
import type { Saying } from './timed-reaction.ts';

/** Where events go that came too late: they are counted and recorded (`thereupon.event.late`), and, aside, published again as `lateOf`. */
export type LateWay = 'drop' | 'side';

/** What becomes of events that come too late for an operator. */
export class LateEvents {
  readonly #name: string;
  readonly #definitions: ReadonlyMap<string, EventDefinition>;

  /** `title`: how errors name the definition, `option`: and the way. Errors: InvalidDefinition for another way. */
  constructor(title: string, name: string, way: LateWay, on: readonly EventDefinition[], option = 'late') {
    if (way !== 'drop' && way !== 'side')
      throw new InvalidDefinition(title, `${option} must be 'drop' or 'side', found ${describeValue(way)}`);
    this.#name = name;
    this.#definitions = new Map(way === 'side' ? on.map((definition) => [definition.type, lateOf(definition)]) : []);
  }

  get publishes(): readonly EventDefinition[] {
    return [...this.#definitions.values()];
  }

  /** The last event of the saying is late. `wholly`: it counts nowhere. */
  tell(
    saying: Saying,
    {
      timeMs,
      watermarkMs,
      wholly,
    }: { readonly timeMs: number; readonly watermarkMs: number; readonly wholly: boolean },
    more: Readonly<Record<string, JsonValue>>,
  ): void {
    const { last, key } = saying;
    const definition = wholly ? this.#definitions.get(last.type) : undefined;
    if (definition !== undefined) {
      void saying.publish(definition, last.data, {
        id: deterministicId(['late', this.#name, last.source, last.id]),
        time: last.time,
        stream: `late-${this.#name}`,
        ...(last.subject === undefined ? {} : { subject: last.subject }),
      });
    }
    const time = isoTime(timeMs);
    const said = {
      key,
      time,
      watermark: Number.isFinite(watermarkMs) ? isoTime(watermarkMs) : null,
      became: definition?.type ?? null,
      ...more,
    };
    saying.tooLate(said, wholly);
  }
}
