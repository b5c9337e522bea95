import type { RowStore } from '../consumer/row-store.ts';
import { SYSTEM_CATEGORY } from '../event/stream-name.ts';

const NAMESPACE = 'shortened';
const PAGE = 1_000;

/**
 * Of which categories events were removed: whoever rests on all events of a query may be looking at what is left of them.
 *
 * Guarantee Written down before anything is removed. So what was read before it is found here was read whole.
 */
export class ShortenedHistory {
  readonly #rows: RowStore;
  readonly #noted = new Set<string>();

  constructor(rows: RowStore) {
    this.#rows = rows;
  }

  /** Events of streams of this category are about to be removed. */
  async note(category: string): Promise<void> {
    if (this.#noted.has(category)) return;
    await this.#rows.put([{ namespace: NAMESPACE, key: category, value: true, indexes: {} }]);
    this.#noted.add(category);
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
