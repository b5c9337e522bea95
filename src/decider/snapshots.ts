import type { EventLog } from '../channel/event-log.ts';
import type { RowQuery, RowStore } from '../consumer/row-store.ts';
import { SealedDataInvalid } from '../errors.ts';
import { deepFreeze } from '../event/json.ts';
import type { JsonValue } from '../event/json.ts';
import { isErasedRow } from '../event/opening.ts';
import type { Reached } from '../time/as-of.ts';

/** The state of a stream as it was written down. */
export interface Snapshot {
  readonly version: number;
  /** When, in milliseconds since 1970. */
  readonly atMs: number;
  readonly state: JsonValue;
  /** Somebody was forgotten since, and what of them was in the state cannot be read any more. */
  readonly isErased?: boolean;
  /** What is known of the events that it is made of. Default: nothing. */
  readonly reach?: Reached;
}

interface SnapshotRow {
  /** The version of what made the state. */
  readonly of: number;
  readonly version: number;
  readonly atMs: number;
  readonly state: JsonValue;
  readonly reach?: Reached;
}

/** A key of what is kept: the stream, the version of the decider, the version of the stream. */
const KEPT_KEY = /^(?<of>\d+)\n(?<version>\d{16})$/;
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

  /** The last state of a stream that was kept when events of it were removed. */
  async kept(decider: string, deciderVersion: number, stream: string): Promise<Snapshot | undefined> {
    const found = (await this.#keptOf(decider, stream)).filter(({ of }) => of === deciderVersion);
    return found.reduce<Snapshot | undefined>(
      (last, { snapshot }) => (last !== undefined && last.version > snapshot.version ? last : snapshot),
      undefined,
    );
  }

  /**
   * Keeps a state that is made of events which are about to be removed: nothing takes its place but one that is made of more, and `drop` leaves it
   * where it is.
   */
  async keep(decider: string, deciderVersion: number, stream: string, snapshot: Snapshot): Promise<void> {
    const { version, atMs, state, reach } = snapshot;
    const namespace = keptNamespace(decider);
    const row: SnapshotRow = { of: deciderVersion, version, atMs, state, ...(reach === undefined ? {} : { reach }) };
    const key = keptKey(stream, deciderVersion, version);
    const lesser = (await this.#keptOf(decider, stream)).filter(
      (other) => other.of === deciderVersion && other.snapshot.version < version,
    );
    await this.#rows.put([
      { namespace, key, value: row as unknown as JsonValue, indexes: {} },
      ...lesser.map((other) => ({ namespace, key: other.key, value: undefined, indexes: {} })),
    ]);
  }

  /** The last version of a stream that some version of its decider has a state of; 0: none has. */
  async furthest(decider: string, stream: string): Promise<number> {
    const row = (await this.#rows.get(snapshotsNamespace(decider), stream)) as SnapshotRow | undefined;
    const kept = (await this.#keptOf(decider, stream)).map(({ snapshot }) => snapshot.version);
    return Math.max(0, row?.version ?? 0, ...kept);
  }

  async #keptOf(
    decider: string,
    stream: string,
  ): Promise<readonly { readonly key: string; readonly of: number; readonly snapshot: Snapshot }[]> {
    const prefix = `${stream}\n`;
    const found: { key: string; of: number; snapshot: Snapshot }[] = [];
    for (let after = prefix; ;) {
      const page = await this.#rows.query(keptNamespace(decider), {
        limit: PAGE,
        after: { key: after, value: undefined },
      });
      for (const { key, value } of page) {
        if (!key.startsWith(prefix)) return found;
        if (!KEPT_KEY.test(key.slice(prefix.length))) continue;
        const { of, version, atMs, state, reach } = deepFreeze(value) as unknown as SnapshotRow;
        const isErased = isErasedRow(value);
        found.push({
          key,
          of,
          snapshot: { version, atMs, state, isErased, ...(reach === undefined ? {} : { reach }) },
        });
      }
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) return found;
      after = last.key;
    }
  }

  put(decider: string, deciderVersion: number, stream: string, { version, atMs, state }: Snapshot): Promise<void> {
    const row: SnapshotRow = { of: deciderVersion, version, atMs, state };
    return this.#rows.put([
      { namespace: snapshotsNamespace(decider), key: stream, value: row as unknown as JsonValue, indexes: {} },
    ]);
  }

  async remove(decider: string, stream: string): Promise<void> {
    const kept = await this.#keptOf(decider, stream);
    await this.#rows.put([
      { namespace: snapshotsNamespace(decider), key: stream, value: undefined, indexes: {} },
      ...kept.map(({ key }) => ({ namespace: keptNamespace(decider), key, value: undefined, indexes: {} })),
    ]);
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
        const { of, version } = value as unknown as SnapshotRow;
        const { firstVersion, deleted } = await log.streamState(key);
        if (firstVersion === 1 || version < firstVersion - 1 || deleted) continue;
        const kept = await this.kept(decider, of, key);
        if (kept === undefined || kept.version < firstVersion - 1) needed.push(key);
      }
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) return needed;
      after = { key: last.key, value: undefined };
    }
  }

  count(decider: string): Promise<number> {
    return this.#rows.count(snapshotsNamespace(decider));
  }

  /** `andKept`: also what was kept when events were removed. */
  async drop(decider: string, andKept: boolean): Promise<void> {
    await this.#rows.clear(snapshotsNamespace(decider));
    if (andKept) await this.#rows.clear(keptNamespace(decider));
  }
}

/** Where the snapshots of a decider are. */
export function snapshotsNamespace(decider: string): string {
  return `snapshot:${decider}`;
}

/** Where the states of a decider are that outlive the events which they are made of. */
export function keptNamespace(decider: string): string {
  return `kept:${decider}`;
}

function keptKey(stream: string, deciderVersion: number, version: number): string {
  return `${stream}\n${deciderVersion}\n${String(version).padStart(16, '0')}`;
}

/** Of which stream something is kept. */
export function streamOfKept(key: string): string {
  const end = key.lastIndexOf('\n', key.lastIndexOf('\n') - 1);
  return key.slice(0, Math.max(0, end));
}
