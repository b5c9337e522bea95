import { InvalidInput, WrongState } from '../errors.ts';
import type { RecordedEvent } from '../event/event.ts';
import { retractedEvent } from '../event/derived-definitions.ts';
import { roughJsonBytes } from '../event/json.ts';
import type { JsonValue } from '../event/json.ts';
import { START } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { sealJson } from '../event/sealed-json.ts';
import { timestampMs } from '../event/timestamp.ts';
import { asForgotten, whyUnreadable } from '../event/upcast-event.ts';

import type { Clock } from '../system/clock.ts';
import type { AttemptSetting } from './attempt.ts';
import type { ConsumerForm } from './checkpoint-store.ts';
import type { Figures } from './figures.ts';
import type { InlineLook, InlineProjection } from './inline-rows.ts';
import { isKey, keyFor } from './keys.ts';
import { laneOf } from './lanes.ts';
import { isLeftOutOf, leftOutRow, notLeftOutRow } from './left-out.ts';
import type { InlineReaction, KeyedState, Reaction } from './reaction.ts';
import type { RowStore, RowWrite } from './row-store.ts';
import { StateCache } from './state-cache.ts';
import { assertSealable } from './personal-state.ts';

export interface InlineCourseOptions {
  readonly reaction: Reaction;
  readonly inline: InlineReaction;
  readonly state: KeyedState;
  readonly rows: RowStore;
  readonly form: ConsumerForm;
  readonly clock: Clock;
  readonly figures: Figures;
  /** The store goes on with it no longer. */
  ended(reason: unknown): void;
}

/** Undefined: the reaction is none whose rows are changed where events are recorded. */
export function inlineCourseOf(
  { reaction, environment }: Pick<AttemptSetting, 'environment' | 'reaction'>,
  { rows }: { readonly rows: RowStore },
  of: {
    readonly form: ConsumerForm;
    readonly figures: Figures;
    readonly ended: (reason: unknown) => void;
  },
): InlineCourse | undefined {
  const { inline, state } = reaction;
  if (inline === undefined || state === undefined) return undefined;
  return new InlineCourse({ reaction, inline, state, rows, clock: environment.clock, ...of });
}

/**
 * A projection while the store changes its rows where events are recorded: from the moment at which its consumer hands it over to the one at which
 * it takes it back, or at which the store gives it up.
 *
 * Invariants
 * 1. While it lasts no loop of the consumer runs: each event is taken either by it or by a loop, by none twice, since either goes on from the
 *    checkpoint that the other has left.
 * 2. What it remembers of rows is what is durable: what a write changes is remembered when that is durable, and not where it is taken back.
 * 3. It does of an event what a loop does, or throws: then a loop does it.
 */
export class InlineCourse implements InlineProjection {
  readonly consumer: string;
  readonly namespace: string;
  readonly #options: InlineCourseOptions;
  #states: StateCache;
  /** What the write at hand makes of rows. */
  readonly #changes = new Map<string, JsonValue | undefined>();
  #handled = 0;
  #low: Position = START;

  constructor(options: InlineCourseOptions) {
    this.consumer = options.reaction.name;
    this.namespace = options.state.namespace;
    this.#options = options;
    this.#states = this.#newStates();
  }

  /** Everything up to here is durable. */
  get low(): Position {
    return this.#low;
  }

  get form(): ConsumerForm {
    return this.#options.form;
  }

  laneOf(event: RecordedEvent): number {
    return laneOf(keyFor(this.#options.reaction, event).key);
  }

  keysOf(events: readonly RecordedEvent[]): readonly string[] {
    const { inline, reaction } = this.#options;
    const keys = new Set<string>();
    for (const event of events) {
      if (!reaction.selection.matches(event)) continue;
      try {
        const key: unknown = inline.keyOf(event);
        if (isKey(key)) keys.add(key);
      } catch {
        // It is said when the event is projected.
      }
    }
    return [...keys];
  }

  project(events: readonly RecordedEvent[], look: InlineLook): readonly RowWrite[] {
    const { selection } = this.#options.reaction;
    const beside: RowWrite[] = [];
    for (const event of events) {
      if (!selection.matches(event)) continue;
      this.#handled += 1;
      this.#assertHandled(event);
      const key: unknown = this.#options.inline.keyOf(event);
      if (key === undefined) continue;
      if (!isKey(key)) throw new InvalidInput({ path: 'key', expected: 'a key', found: key });
      // What is personal in an event may be in no key.
      const { error } = asForgotten(event) === undefined ? {} : keyFor(this.#options.reaction, event);
      if (error !== undefined) throw error;
      this.#take(event, key, look, beside);
    }
    return [...this.#rowWrites(), ...beside];
  }

  kept(head: Position, handled = this.#handled): void {
    if (head > this.#low) this.#low = head;
    if (handled === 0) return;
    for (const [key, value] of this.#changes) this.#states.set(key, value, roughJsonBytes(value));
    this.#states.trim(() => false);
    const { figures, clock } = this.#options;
    figures.handled += handled;
    figures.commits += 1;
    figures.lastHandledMs = clock.now();
    this.undone();
  }

  undone(): void {
    this.#changes.clear();
    this.#handled = 0;
  }

  handOver(): number {
    const handled = this.#handled;
    this.undone();
    return handled;
  }

  forget(): void {
    this.#states = this.#newStates();
  }

  ended(reason: unknown): void {
    this.#options.ended(reason);
  }

  #take(event: RecordedEvent, key: string, look: InlineLook, beside: RowWrite[]): void {
    const { inline, reaction } = this.#options;
    if (inline.retracts.has(event.type)) {
      const { source, id } = retractedEvent(event);
      if (isLeftOutOf(reaction.name, this.#options.form, { source, id }, look)) return;
    } else if (reaction.takesBack?.has(event.type) === true) {
      const { namespace, key: left } = leftOutRow(reaction.name, event);
      if (look.row(namespace, left) !== undefined) beside.push(notLeftOutRow(reaction.name, event));
    }
    const before = this.#stateOf(key, look);
    const after = inline.evolve(before, event);
    if (after === undefined && before === undefined) return;
    const kept = after === undefined ? undefined : sealJson(after, 'state');
    if (kept !== undefined) assertSealable(`${reaction.kind} ${reaction.name}`, this.#options.state, key, kept);
    this.#changes.set(key, kept);
  }

  /** What else may become of an event than that it is handled is the engine's. */
  #assertHandled(event: RecordedEvent): void {
    const unreadable = whyUnreadable(event);
    if (unreadable !== undefined) throw unreadable;
    if (event.expirytime === undefined) return;
    const expiryMs = timestampMs(event.expirytime) ?? Number.POSITIVE_INFINITY;
    if (expiryMs < this.#options.clock.now()) throw new WrongState(`event ${event.id} has outlived its use`);
  }

  #stateOf(key: string, look: InlineLook): JsonValue | undefined {
    if (this.#changes.has(key)) return this.#changes.get(key);
    if (this.#states.has(key)) return this.#states.get(key);
    const row = look.row(this.namespace, key);
    const state = row === undefined ? undefined : sealJson(row, 'state');
    this.#states.set(key, state, roughJsonBytes(state));
    return state;
  }

  *#rowWrites(): Generator<RowWrite> {
    const { namespace } = this;
    const { state } = this.#options;
    for (const [key, value] of this.#changes)
      yield { namespace, key, value, indexes: value === undefined ? {} : state.indexes(value) };
  }

  #newStates(): StateCache {
    const { rows, state } = this.#options;
    return new StateCache(rows, state);
  }
}
