import { SealedDataInvalid } from '../errors.ts';
import type { EncodedEvent } from './event.ts';
import type { JsonValue } from './json.ts';
import type { Opening } from './opening.ts';
import type { PersonalFields } from './personal-fields.ts';
import { erasedValue, placeIn } from './personal-fields.ts';
import { isSealed, keyIdOf, keyIdsIn, mayHoldSealed, openSealed, sealedString } from './sealed-value.ts';
import type { SubjectKey } from './sealed-value.ts';
import { SYSTEM_EVENTS } from './system-events.ts';

/** Personal fields by event type. */
export type PersonalTypes = ReadonlyMap<string, PersonalFields>;

/** Keys by their ids: those of all that is opened with them. */
export type OpeningKeys = ReadonlyMap<string, SubjectKey>;

/** What of some JSON was sealed, opened. */
export interface OpenedValue {
  readonly of: string;
  readonly keys: OpeningKeys;
  /** Whether what looks like a sealed value at a place is one. Default: wherever it stands. */
  readonly isSealedAt?: ((place: string) => boolean) | undefined;
  /** What stands at a place that is erased. */
  readonly erased: (place: string, wasString: boolean) => JsonValue;
  /** Told each value that was opened. */
  readonly opened?: ((value: JsonValue) => void) | undefined;
  /** Errors when a value is not what was sealed there. */
  readonly invalid: (place: string) => Error;
}

/** JSON with its sealed values opened, or as they read when their keys are gone. */
export function openJson(value: unknown, how: OpenedValue, place = ''): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (isSealed(value)) {
    if (how.isSealedAt?.(place) === false) return value;
    const secret = how.keys.get(keyIdOf(value))?.secret;
    if (secret === undefined) return how.erased(place, sealedString(value));
    const opened = openSealed(value, secret, { of: how.of, place });
    if (opened === undefined) throw how.invalid(place);
    how.opened?.(opened);
    return opened;
  }
  if (Array.isArray(value)) return value.map((item, index) => openJson(item, how, placeIn(place, index)));
  const entries = Object.entries(value);
  return Object.fromEntries(entries.map(([name, child]) => [name, openJson(child, how, placeIn(place, name))]));
}

/** The keys that an event needs, and how its data reads with them. */
export class EventOpening implements Opening {
  readonly #keys: OpeningKeys;
  readonly #types: PersonalTypes;
  readonly #type: string | undefined;

  /** `type`: as whose its data was sealed; default: that of the event. */
  constructor(keys: OpeningKeys, types: PersonalTypes, type?: string) {
    this.#keys = keys;
    this.#types = types;
    this.#type = type;
  }

  get erased(): Opening {
    return new EventOpening(new Map(), this.#types, this.#type);
  }

  as(type: string): Opening {
    return new EventOpening(this.#keys, this.#types, type);
  }

  dataOf(event: EncodedEvent): unknown {
    return this.#open(event, undefined);
  }

  valuesOf(event: EncodedEvent): readonly JsonValue[] {
    const values: JsonValue[] = [];
    this.#open(event, (value) => values.push(value));
    return values;
  }

  isErased({ data }: EncodedEvent): boolean {
    const ids = new Set<string>();
    keyIdsIn(data ?? '', ids);
    return [...ids].some((id) => this.#keys.get(id)?.secret === undefined);
  }

  #open(event: EncodedEvent, opened: OpenedValue['opened']): unknown {
    if (event.data === null) return undefined;
    const data: unknown = JSON.parse(event.data);
    if (event.type !== SYSTEM_EVENTS.eventQuarantined)
      return this.#opened(data, event, this.#type ?? event.type, opened);
    // A report holds an event whose data is text.
    const report = data as { readonly event: { readonly type: string; readonly data: string | null } };
    const { event: held } = report;
    if (held.data === null || !mayHoldSealed(held.data)) return data;
    const heldData = this.#opened(JSON.parse(held.data), event, held.type, opened);
    return { ...report, event: { ...held, data: JSON.stringify(heldData) } };
  }

  #opened(data: unknown, { source, id }: EncodedEvent, of: string, opened: OpenedValue['opened']): unknown {
    return openJson(data, {
      of,
      keys: this.#keys,
      erased: (place, wasString) => erasedValue(this.#types.get(of), place, wasString),
      opened,
      invalid: (place) => new SealedDataInvalid({ what: `event ${source} ${id} of ${of}`, place }),
    });
  }
}
