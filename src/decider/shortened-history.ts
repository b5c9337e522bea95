import type { QueryClaim } from '../channel/append-conditions.ts';
import type { RowStore } from '../consumer/row-store.ts';
import type { Position } from '../event/position.ts';
import { SYSTEM_CATEGORY } from '../event/stream-name.ts';
import { SYSTEM_EVENTS } from '../event/system-events.ts';

interface Shortened {
  readonly category?: unknown;
}

const NAMESPACE = 'shortened';
const PAGE = 1_000;

/**
 * Of which categories events were removed: whoever rests on all events of a query may be looking at what is left of them.
 *
 * Guarantee Written down before anything is removed. So what was read before it is found here was read whole. Then it is recorded as a fact, also
 *           before that: what was recorded since, and removed again, is known by that fact (`claim`).
 */
export class ShortenedHistory {
  readonly #rows: RowStore;
  readonly #report: (category: string) => Promise<void>;
  readonly #noted = new Set<string>();

  /** `report` records the fact. */
  constructor(rows: RowStore, report: (category: string) => Promise<void>) {
    this.#rows = rows;
    this.#report = report;
  }

  /** Events of streams of this category are about to be removed. */
  async note(category: string): Promise<void> {
    if (this.#noted.has(category)) return;
    const [isRecorded] = await this.#rows.getMany(NAMESPACE, [category]);
    if (isRecorded !== true) {
      const put = (value: boolean) => this.#rows.put([{ namespace: NAMESPACE, key: category, value, indexes: {} }]);
      await put(false);
      await this.#report(category);
      await put(true);
    }
    this.#noted.add(category);
  }

  /** That nothing was removed for the first time after a place, as `affecting` found that nothing was before it. */
  claim(after: Position, among: readonly string[] | undefined): QueryClaim {
    return {
      types: [SYSTEM_EVENTS.historyShortened],
      after,
      ...(among === undefined ? {} : { matches: ({ data }) => among.includes(String((data as Shortened).category)) }),
    };
  }

  /** Categories that have lost events which may be of these types; `among`: the only ones that matter, undefined: all do. */
  async affecting(types: readonly string[], among: readonly string[] | undefined): Promise<readonly string[]> {
    if (among !== undefined) {
      const found = await this.#rows.getMany(NAMESPACE, among);
      return among.filter((_, index) => found[index] !== undefined);
    }
    const rows = await this.#rows.query(NAMESPACE, { limit: PAGE });
    // Nobody but the system records its reports.
    const asksForReports = types.some((type) => type.startsWith(`${SYSTEM_CATEGORY}.`));
    return rows.map(({ key }) => key).filter((category) => asksForReports || category !== SYSTEM_CATEGORY);
  }
}
