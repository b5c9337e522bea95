import type { EventLog } from '../channel/event-log.ts';
import type { RowQuery, RowStore } from '../consumer/row-store.ts';
import { SealedDataInvalid } from '../errors.ts';
import { deepFreeze } from '../event/json.ts';
import type { JsonValue } from '../event/json.ts';
import { isErasedRow } from '../event/opening.ts';

/** The state of a stream as it was written down. */
export interface Snapshot {
  readonly version: number;
  /** When, in milliseconds since 1970. */
  readonly atMs: number;
  readonly state: JsonValue;
  /** Somebody was forgotten since, and what of them was in the state cannot be read any more. */
  readonly isErased?: boolean;
}

interface SnapshotRow {
  /** The version of what made the state. */
  readonly of: number;
  readonly version: number;
  readonly atMs: number;
  readonly state: JsonValue;
}

const PAGE = 1_000;

/**
 * States of streams, written down behind the commands: one of each stream, the newest.
 *
 * Guarantee Never part of the truth: without them everything is as it is, only slower. What another version of `evolve` made does not count.
 */
export class Snapshots {
  readonly #rows: RowStore;

  constructor(rows: RowStore) {
    this.#rows = rows;
  }

  async find(decider: string, deciderVersion: number, stream: string): Promise<Snapshot | undefined> {
    const row = (await this.#rows.get(snapshotsNamespace(decider), stream).catch((error: unknown) => {
      // Altered in the store: as one that is not there, since the events tell the state as well.
      if (error instanceof SealedDataInvalid) return undefined;
      throw error;
    })) as SnapshotRow | undefined;
    if (row?.of !== deciderVersion) return undefined;
    const isErased = isErasedRow(row as unknown as JsonValue);
    const { version, atMs, state } = deepFreeze(row);
    return { version, atMs, state, isErased };
  }

  put(decider: string, deciderVersion: number, stream: string, { version, atMs, state }: Snapshot): Promise<void> {
    const row: SnapshotRow = { of: deciderVersion, version, atMs, state };
    return this.#rows.put([
      { namespace: snapshotsNamespace(decider), key: stream, value: row as unknown as JsonValue, indexes: {} },
    ]);
  }

  remove(decider: string, stream: string): Promise<void> {
    return this.#rows.put([{ namespace: snapshotsNamespace(decider), key: stream, value: undefined, indexes: {} }]);
  }

  /**
   * Streams whose first events are gone, so that nothing but the snapshot tells what these made: to whichever version of the decider, which may be
   * brought back. One that ends before what is left of its stream tells nothing.
   */
  async needed(decider: string, log: Pick<EventLog, 'streamState'>): Promise<readonly string[]> {
    const needed: string[] = [];
    for (let after: RowQuery['after']; ;) {
      const page = await this.#rows.query(snapshotsNamespace(decider), {
        limit: PAGE,
        ...(after === undefined ? {} : { after }),
      });
      for (const { key, value } of page) {
        const { version } = value as unknown as SnapshotRow;
        const { firstVersion, deleted } = await log.streamState(key);
        if (firstVersion > 1 && version >= firstVersion - 1 && !deleted) needed.push(key);
      }
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) return needed;
      after = { key: last.key, value: undefined };
    }
  }

  count(decider: string): Promise<number> {
    return this.#rows.count(snapshotsNamespace(decider));
  }

  drop(decider: string): Promise<void> {
    return this.#rows.clear(snapshotsNamespace(decider));
  }
}

/** Where the snapshots of a decider are. */
export function snapshotsNamespace(decider: string): string {
  return `snapshot:${decider}`;
}
