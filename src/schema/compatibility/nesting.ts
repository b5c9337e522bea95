import type { Located } from './document.ts';
import type { Gap } from './gap.ts';
import type { Conjunction } from './shape.ts';

/**
 * Questions within each other that are asked before the innermost one is asked by itself: each takes some twenty calls, and the stack has room for some
 * thousands. So many again and again where questions go round in a circle that is longer, up to the most.
 */
export const FEW_WITHIN = 40;
export const MOST_WITHIN = 120;

/** An answer that rests on questions under way: it holds for as long as all of these are. */
export interface Provisional {
  readonly gaps: readonly Gap[];
  /** Where in the instance it was found: above, a question that it rests on may be one of the same instance. */
  readonly depth: number;
  readonly isHurried: boolean;
  /** The earliest and the latest that it rests on. */
  readonly restsOn: number;
  readonly restsUpTo: number;
}

/** A question that may be asked by itself; without a target: whether nothing is valid. */
export interface Asked {
  readonly key: string;
  readonly whole: Conjunction;
  readonly target: Located | undefined;
  readonly isHurried: boolean;
}

/** Too many questions are within each other: this one is answered first. */
export class TooDeep extends Error {
  readonly asked: Asked;

  constructor(asked: Asked) {
    super('too many questions within each other');
    this.asked = asked;
  }
}
