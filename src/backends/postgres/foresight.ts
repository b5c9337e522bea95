import type { InlineLook, InlineProjection } from '../../consumer/inline-rows.ts';
import type { EncodedEvent, RecordedEvent } from '../../event/event.ts';
import type { JsonValue } from '../../event/json.ts';
import type { Position } from '../../event/position.ts';
import type { Queries } from './database.ts';
import type { RowMemory } from './row-memory.ts';
import type { PreparedRow } from './row-store.ts';
import { prepareRow, rowTexts } from './row-store.ts';
import { unplacedEvent } from './unplaced-event.ts';

/** What the projections here make of events before they are recorded, if everything is as this process knows it; the server checks that. */
export interface Foreseen {
  /** Which projections there are. */
  readonly epoch: number;
  /** What it follows from, by namespace and key. */
  readonly looked: readonly Pick<PreparedRow, 'json' | 'key' | 'namespace'>[];
  readonly rows: readonly PreparedRow[];
  /** All of it is durable, and so is everything up to `head`. */
  kept(head: Position): void;
}

/**
 * Works out rows before the events that they follow from are sent.
 *
 * Invariants 1. What is foreseen is remembered at once, so that what is sent behind it follows from it. When it was not carried out, `forget`.
 *            2. What depends on the place of an event, or on another event, is not foreseen.
 */
export class Foresight {
  readonly #memory: RowMemory;
  #wanted: (readonly [namespace: string, key: string])[] = [];
  /** Those that were seen to look where events are. */
  readonly #placing = new WeakSet<InlineProjection>();

  constructor(memory: RowMemory) {
    this.#memory = memory;
  }

  /** 'unread': rows have to be read before, by `read`. Undefined: it cannot be foreseen. */
  foresee(
    projections: readonly InlineProjection[],
    epoch: number,
    events: readonly EncodedEvent[],
  ): Foreseen | 'unread' | undefined {
    if (projections.some((projection) => this.#placing.has(projection))) return undefined;
    const looked = new Map<string, Pick<PreparedRow, 'json' | 'key' | 'namespace'>>();
    const rows: PreparedRow[] = [];
    const values: (JsonValue | undefined)[] = [];
    const handled: number[] = [];
    this.#wanted = [];
    for (const projection of projections) {
      const made = this.#project(projection, events, looked);
      if (made === undefined) {
        if (this.#wanted.length === 0) return undefined;
        continue;
      }
      for (const { row, value } of made.writes) {
        // Entries of indexes are for a transaction that knows which there are.
        if (row.indexes !== null) return undefined;
        rows.push(row);
        values.push(value);
      }
      handled.push(made.handled);
    }
    if (this.#wanted.length > 0) return 'unread';
    for (const [index, { namespace, key, json }] of rows.entries())
      this.#memory.set(namespace, key, { text: json, value: values[index] });
    return {
      epoch,
      looked: [...looked.values()],
      rows,
      kept(head) {
        for (const [index, projection] of projections.entries()) projection.kept(head, handled[index]);
      },
    };
  }

  /** What was last found missing. */
  async read(queries: Pick<Queries, 'query'>): Promise<void> {
    for (const [namespace, places] of Map.groupBy(this.#wanted.splice(0), ([name]) => name)) {
      const keys = [...new Set(places.map(([, key]) => key))];
      const texts = await rowTexts(queries, namespace, keys);
      for (const [index, key] of keys.entries()) {
        const text = texts[index];
        const value = text === undefined ? undefined : (JSON.parse(text) as JsonValue);
        this.#memory.set(namespace, key, { text, value });
      }
    }
  }

  /** Something that was foreseen was not carried out. */
  forget(): void {
    this.#memory.clear();
  }

  #project(
    projection: InlineProjection,
    events: readonly EncodedEvent[],
    looked: Map<string, Pick<PreparedRow, 'json' | 'key' | 'namespace'>>,
  ) {
    let isPlacing = false;
    let missing = false;
    const unplaced = events.map((event) => unplacedEvent(event, () => (isPlacing = true)));
    const look: InlineLook = {
      row: (namespace, key) => {
        const known = this.#memory.get(namespace, key);
        if (known === undefined) {
          missing = true;
          this.#wanted.push([namespace, key]);
          throw new Error('the row is not read yet');
        }
        looked.set(`${namespace}\u0000${key}`, { namespace, key, json: known.text });
        return known.value;
      },
      find: (): RecordedEvent | undefined => {
        throw new Error('events are not looked for here');
      },
    };
    projection.forget();
    try {
      const writes = projection
        .project(unplaced, look)
        .map((write) => ({ row: prepareRow(write), value: write.value }));
      const handled = projection.handOver();
      if (!isPlacing && !missing) return { writes, handled };
    } catch {
      // Whose fault that is shows where the rows are written in the transaction.
      projection.undone();
      if (missing) this.#want(projection, unplaced);
    }
    if (isPlacing) this.#placing.add(projection);
    return undefined;
  }

  /** All at once. */
  #want(projection: InlineProjection, events: readonly RecordedEvent[]): void {
    for (const key of projection.keysOf(events))
      if (this.#memory.get(projection.namespace, key) === undefined) this.#wanted.push([projection.namespace, key]);
  }
}
