import type { EncodedEvent } from './event.ts';
import type { JsonValue } from './json.ts';

/** How the sealed values of an event are read. It goes with copies of the event, and is no part of what is stored. */
export const OPENING: unique symbol = Symbol('opening');

/** Reads what is sealed in an event, as far as there are keys. */
export interface Opening {
  /** The data of the event. Errors: SealedDataInvalid names the event and the place. */
  dataOf(event: EncodedEvent): unknown;
  /** The personal values in it that can be read. Errors: as of `dataOf`. */
  valuesOf(event: EncodedEvent): readonly JsonValue[];
  /** How it reads when all keys are gone. */
  readonly erased: Opening;
}
