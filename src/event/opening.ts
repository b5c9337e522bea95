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
  /** Whether something in it cannot be read any more. */
  isErased(event: EncodedEvent): boolean;
  /** How it reads when all keys are gone. */
  readonly erased: Opening;
  /** Of an event whose data was sealed as that of another type. */
  as(type: string): Opening;
}

/** A stored row with what opens the events that are kept in it. */
export function withOpening<Row extends object>(row: Row, opening: Opening): Row {
  return Object.defineProperty(row, OPENING, { value: opening });
}

/** What opens the events that are kept in a row; undefined: nothing in them is sealed. */
export function openingOf(row: JsonValue): Opening | undefined {
  return (row as { readonly [OPENING]?: Opening } | null)?.[OPENING];
}

const ERASED_IN: unique symbol = Symbol('erased');

/** A stored row in which something cannot be read any more. */
export function asErased<Row extends object>(row: Row): Row {
  return Object.defineProperty(row, ERASED_IN, { value: true });
}

/** Whether something in a row cannot be read any more: it is not what its events make now, of which each reads as erased by itself. */
export function isErasedRow(row: JsonValue | undefined): boolean {
  return (row as { readonly [ERASED_IN]?: true } | null | undefined)?.[ERASED_IN] === true;
}
