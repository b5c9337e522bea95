import { setImmediate as nextTurn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { JsonValue } from '../event/json.ts';
import type { Row, RowStore } from './row-store.ts';

const PAGE = 500;
/** So many of the rows that are otherwise are named. */
const SAMPLE = 20;

export interface RowDifference {
  readonly key: string;
  readonly change: 'added' | 'removed' | 'changed';
}

/** What of the rows would be otherwise. */
export interface RowsCompared {
  /** Rows that are there, and that were built. */
  readonly rows: { readonly serving: number; readonly built: number };
  /** Undefined: both are of different places in the log, and were not compared; `reason` says why. */
  readonly differences:
    | {
        readonly added: number;
        readonly removed: number;
        readonly changed: number;
        /** Some of them, by key. */
        readonly sample: readonly RowDifference[];
      }
    | undefined;
  readonly reason: string | undefined;
}

/** Compares the rows of two namespaces that nobody writes to. */
export async function compareRows(
  store: Pick<RowStore, 'getMany' | 'query'>,
  { serving, built }: { readonly serving: string; readonly built: string },
  signal: AbortSignal,
): Promise<RowsCompared> {
  const rows = { serving: 0, built: 0 };
  const counts = { added: 0, removed: 0, changed: 0 };
  const sample: RowDifference[] = [];
  const found = (key: string, change: RowDifference['change']) => {
    counts[change] += 1;
    if (sample.length < SAMPLE) sample.push({ key, change });
  };
  for await (const { page, others } of pairs(store, serving, built)) {
    signal.throwIfAborted();
    rows.serving += page.length;
    for (const [index, { key, value }] of page.entries()) {
      const other = others[index];
      if (other === undefined) found(key, 'removed');
      else if (!isDeepStrictEqual(value, other)) found(key, 'changed');
    }
  }
  for await (const { page, others } of pairs(store, built, serving)) {
    signal.throwIfAborted();
    rows.built += page.length;
    for (const [index, { key }] of page.entries()) if (others[index] === undefined) found(key, 'added');
  }
  return { rows, differences: { ...counts, sample }, reason: undefined };
}

/** The rows of a namespace by key, and what another one has under these keys. */
async function* pairs(
  store: Pick<RowStore, 'getMany' | 'query'>,
  namespace: string,
  other: string,
): AsyncGenerator<
  { readonly page: readonly Row[]; readonly others: readonly (JsonValue | undefined)[] },
  void,
  undefined
> {
  for (let after = {}; ;) {
    const page = await store.query(namespace, { limit: PAGE, ...after });
    const last = page.at(-1);
    if (last === undefined) return;
    yield {
      page,
      others: await store.getMany(
        other,
        page.map(({ key }) => key),
      ),
    };
    after = { after: { key: last.key, value: undefined } };
    // Others have a turn between two pages.
    await nextTurn();
  }
}
