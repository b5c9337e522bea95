declare const positionBrand: unique symbol;

/**
 * A place in one event log. Positions of one log compare with `<`; the difference of two positions means nothing, and
 * there may be holes (a trimmed event, a refused append).
 */
export type Position = number & { readonly [positionBrand]: true };

/** Before the first event of every log. */
export const START: Position = 0 as Position;

/** Before every place, those that are in no log too. */
export const BEFORE_ALL: Position = Number.MIN_SAFE_INTEGER as Position;

/** For backends and codecs: marks a number as a position. */
export function position(value: number): Position {
  return value as Position;
}

/** The place directly before a position: reading after it begins with that position's own event. */
export function justBefore(place: Position): Position {
  return (place - 1) as Position;
}
