import type { IndexedCondition } from './access-choice.ts';
import type { EventReading } from './event-reading.ts';
import { PathSlots, type Slot } from './path-slots.ts';
import type { PathNode } from './path-tree.ts';

/** What is called for each value that an event leads to: `guess` where the field is tangled (see EventReading). */
export type FanVisitor<T> = { readonly sure: (value: T) => void; readonly guess: (value: T) => void };

type FieldUse<T> = { readonly field: PathNode; readonly slots: PathSlots<T>; uses: number };

/** Fields below one parent; absences: how many conditions here accept that their field is absent. */
type Siblings<T> = {
  readonly parent: PathNode | undefined;
  readonly byName: Map<string, FieldUse<T>>;
  /** What `byName` holds, since a list is gone through faster than a map; made when needed. */
  list: readonly FieldUse<T>[] | undefined;
  absences: number;
};

/** From so many fields below one parent, going through an event's own names is cheaper than asking for each field. */
const MANY_FIELDS = 16;

/** Values that hang on conditions, found through the fields of an event. */
export class FieldFan<T> {
  readonly #byParent = new Map<PathNode | undefined, Siblings<T>>();
  #list: readonly Siblings<T>[] | undefined;

  /** The slots of a condition, one for each of its comparisons. */
  use({ field, condition }: IndexedCondition): Slot<T>[] {
    let siblings = this.#byParent.get(field.parent);
    if (siblings === undefined) {
      siblings = { parent: field.parent, byName: new Map(), list: undefined, absences: 0 };
      this.#byParent.set(field.parent, siblings);
      this.#list = undefined;
    }
    let use = siblings.byName.get(field.name);
    if (use === undefined) {
      use = { field, slots: new PathSlots(), uses: 0 };
      siblings.byName.set(field.name, use);
      siblings.list = undefined;
    }
    use.uses += 1;
    if (condition.absent) siblings.absences += 1;
    return use.slots.slotsOf(condition);
  }

  /** Takes a use back; the slots, which the caller may clear, of what had it. */
  release({ field, condition }: IndexedCondition): Slot<T>[] {
    const siblings = this.#byParent.get(field.parent);
    const use = siblings?.byName.get(field.name);
    if (siblings === undefined || use === undefined) return [];
    use.uses -= 1;
    if (condition.absent) siblings.absences -= 1;
    if (use.uses === 0) this.#forget(siblings, field.name);
    return use.slots.slotsOf(condition);
  }

  #forget(siblings: Siblings<T>, name: string): void {
    siblings.byName.delete(name);
    siblings.list = undefined;
    if (siblings.byName.size > 0) return;
    this.#byParent.delete(siblings.parent);
    this.#list = undefined;
  }

  /** Calls back with each value whose condition the event fulfils, and perhaps with a few more as guesses. */
  visit(reading: EventReading, visitor: FanVisitor<T>): void {
    this.#list ??= [...this.#byParent.values()];
    for (const siblings of this.#list) {
      const names = siblings.byName.size < MANY_FIELDS ? undefined : namesToVisit(reading, siblings);
      if (names === undefined) {
        siblings.list ??= [...siblings.byName.values()];
        for (const use of siblings.list) visitField(reading, use, visitor);
        continue;
      }
      for (const name of names) {
        const use = siblings.byName.get(name);
        if (use !== undefined) visitField(reading, use, visitor);
      }
    }
  }
}

/** The names below the parent, if they are all that can lead anywhere. */
function namesToVisit<T>(reading: EventReading, { parent, absences }: Siblings<T>): readonly string[] | undefined {
  return absences > 0 ? undefined : reading.plainNames(parent);
}

function visitField<T>(reading: EventReading, { field, slots }: FieldUse<T>, visitor: FanVisitor<T>): void {
  switch (reading.state(field)) {
    case 'leaf':
      slots.visit(reading.leaf(field), visitor.sure);
      break;
    case 'list':
      for (const leaf of reading.leaves(field)) slots.visit(leaf, visitor.sure);
      break;
    case 'tangled':
      for (const leaf of reading.leaves(field)) slots.visit(leaf, visitor.guess);
      if (slots.absent !== undefined) visitor.guess(slots.absent);
      break;
    case 'absent':
    case 'object':
      if (slots.absent !== undefined) visitor.sure(slots.absent);
  }
}
