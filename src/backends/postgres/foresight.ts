import type { InlineLook, InlineProjection } from '../../consumer/inline-rows.ts';
import type { RowWrite } from '../../consumer/row-store.ts';
import type { EncodedEvent, RecordedEvent } from '../../event/event.ts';
import type { JsonValue } from '../../event/json.ts';
import type { Position } from '../../event/position.ts';
import type { Queries } from './database.ts';
import { rowText } from './row-index-value.ts';
import type { RowMemory } from './row-memory.ts';
import type { Entry, PreparedRow, StoredRow } from './row-store.ts';
import { changeEntries, knownIndexes, prepareRow, storedRows } from './row-store.ts';
import { unplacedEvent } from './unplaced-event.ts';

/** A row that others follow from, as it was read; undefined: it is not there. Names are as stored. */
export interface LookedRow {
  readonly namespace: string;
  readonly key: string;
  readonly stored: StoredRow | undefined;
}

/** What the projections here make of events before they are recorded, if everything is as this process knows it; the server checks that. */
export interface Foreseen {
  /** Which projections there are. */
  readonly epoch: number;
  readonly looked: readonly LookedRow[];
  /** Of namespaces without indexes. */
  readonly rows: readonly PreparedRow[];
  /** Of namespaces with indexes. */
  readonly indexed: readonly PreparedRow[];
  /** All indexes of these namespaces. */
  readonly indexes: readonly number[];
  readonly removed: readonly Entry[];
  readonly added: readonly Entry[];
  /** All of it is durable, and so is everything up to `head`. */
  kept(head: Position): void;
}

/** What one projection makes of events. */
interface Work {
  readonly writes: readonly { readonly write: RowWrite; readonly row: PreparedRow }[];
  readonly handled: number;
}

/**
 * Works out rows before the events that they follow from are sent.
 *
 * Invariants 1. What is foreseen is remembered at once, so that what is sent behind it follows from it. When it was not carried out, `forget`.
 *            2. What depends on the place of an event, or on another event, is not foreseen.
 */
export class Foresight {
  readonly #memory: RowMemory;
  /** The indexes of namespaces, by name. */
  readonly #indexes = new Map<string, ReadonlyMap<string, number>>();
  #wanted: (readonly [namespace: string, key: string])[] = [];
  readonly #wantedIndexes = new Set<string>();
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
    const looked = new Map<string, LookedRow>();
    const works: Work[] = [];
    this.#wanted = [];
    this.#wantedIndexes.clear();
    for (const projection of projections) {
      const work = this.#project(projection, events, looked);
      if (work !== undefined) works.push(work);
      else if (this.#wanted.length === 0) return undefined;
    }
    const changes = this.#changes(works, looked);
    if (this.#wanted.length + this.#wantedIndexes.size > 0) return 'unread';
    if (changes === undefined) return undefined;
    for (const { write, row } of works.flatMap(({ writes }) => writes)) {
      const stored = row.json === undefined ? undefined : { json: row.json, indexes: row.indexes };
      this.#memory.set(write.namespace, write.key, { stored, value: write.value });
    }
    return {
      epoch,
      looked: [...looked.values()],
      ...changes,
      kept(head) {
        for (const [index, projection] of projections.entries()) projection.kept(head, works[index]?.handled);
      },
    };
  }

  /** What was last found missing. */
  async read(queries: Pick<Queries, 'query'>): Promise<void> {
    for (const namespace of this.#wantedIndexes) this.#indexes.set(namespace, await knownIndexes(queries, namespace));
    for (const [namespace, places] of Map.groupBy(this.#wanted.splice(0), ([name]) => name)) {
      const keys = [...new Set(places.map(([, key]) => key))];
      const rows = await storedRows(queries, namespace, keys);
      for (const [index, key] of keys.entries()) {
        const stored = rows[index];
        const value = stored === undefined ? undefined : (JSON.parse(stored.json) as JsonValue);
        this.#memory.set(namespace, key, { stored, value });
      }
    }
  }

  /** Something that was foreseen was not carried out. */
  forget(): void {
    this.#memory.clear();
    this.#indexes.clear();
  }

  /** Undefined: they need more than to be written. */
  #changes(
    works: readonly Work[],
    looked: ReadonlyMap<string, LookedRow>,
  ): Pick<Foreseen, 'added' | 'indexed' | 'indexes' | 'removed' | 'rows'> | undefined {
    const rows: PreparedRow[] = [];
    const indexed: PreparedRow[] = [];
    const entries = { removed: [] as Entry[], added: [] as Entry[] };
    const indexes = new Set<number>();
    for (const { write, row } of works.flatMap(({ writes }) => writes)) {
      const before = looked.get(nameOf(write.namespace, write.key));
      const known = this.#indexes.get(write.namespace);
      if (known === undefined) this.#wantedIndexes.add(write.namespace);
      if (before === undefined || known === undefined) continue;
      if (declaresOthers(row, known)) return undefined;
      if (known.size === 0) rows.push(row);
      else {
        indexed.push(row);
        for (const number of known.values()) indexes.add(number);
        changeEntries(known, row, before.stored === undefined ? undefined : before.stored.indexes, entries);
      }
    }
    const isWhole = rows.length + indexed.length === works.reduce((sum, { writes }) => sum + writes.length, 0);
    return isWhole ? { rows, indexed, indexes: [...indexes], ...entries } : undefined;
  }

  #project(
    projection: InlineProjection,
    events: readonly EncodedEvent[],
    looked: Map<string, LookedRow>,
  ): Work | undefined {
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
        const names = { namespace: rowText(namespace), key: rowText(key) };
        looked.set(nameOf(namespace, key), { ...names, stored: known.stored });
        return known.value;
      },
      find: (): RecordedEvent | undefined => {
        throw new Error('events are not looked for here');
      },
    };
    projection.forget();
    try {
      const writes = projection.project(unplaced, look).map((write) => ({ write, row: prepareRow(write) }));
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

/** An index that its namespace does not know yet. */
function declaresOthers({ indexes }: PreparedRow, known: ReadonlyMap<string, number>): boolean {
  if (indexes === null) return false;
  return Object.keys(JSON.parse(indexes) as object).some((name) => !known.has(name));
}

function nameOf(namespace: string, key: string): string {
  return `${namespace}\u0000${key}`;
}
