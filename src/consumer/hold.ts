import type { Position } from '../event/position.ts';
import type { LaneGroup } from './lanes.ts';

/** A consumer whose events nobody handles but who holds it. */
export interface Hold {
  /** How far it is on its lanes. */
  groups(): readonly LaneGroup[];
  /**
   * Lets it handle everything up to a place, and nothing behind it.
   *
   * Errors    WrongState when its lanes went to another node, or something cannot be committed; Closed.
   */
  runTo(place: Position): Promise<void>;
  /** It is none any more: nothing goes on when it is let go. */
  gone(): void;
}
