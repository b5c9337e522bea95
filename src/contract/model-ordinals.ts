import type { RecordedCommand } from '../channel/append-conditions.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { Position } from '../event/position.ts';
import { START } from '../event/position.ts';

/** A place in the log that means the same in every store: the n-th event that was ever appended, 0 for START. */
export type Ordinal = number;

/** Translates between ordinals and the positions of one log. */
export class Ordinals {
  /** `#positions[n - 1]` is the position of the n-th event that was ever appended. */
  readonly #positions: Position[] = [];

  /** Takes note of newly appended events, in their order. */
  learn(positions: readonly Position[]): void {
    this.#positions.push(...positions);
  }

  get count(): number {
    return this.#positions.length;
  }

  /** The position of an ordinal; that of the last event where there are not as many. */
  positionOf(ordinal: Ordinal): Position {
    return ordinal === 0 ? START : (this.#positions[ordinal - 1] ?? this.#positions.at(-1) ?? START);
  }

  ordinalOf(position: Position): Ordinal | string {
    if (position === START) return 0;
    const index = this.#positions.indexOf(position);
    return index === -1 ? `a position that no append returned: ${position}` : index + 1;
  }

  wordedCommand(command: RecordedCommand): unknown {
    return { ...command, position: this.ordinalOf(command.position) };
  }

  /** Events as they are stored, in words that do not depend on the store. */
  worded(events: readonly RecordedEvent[]): readonly unknown[] {
    return events.map(({ stored }) => ({ ...stored, position: this.ordinalOf(stored.position) }));
  }
}
