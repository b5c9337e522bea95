import { StatementRefused } from '../errors.ts';
import type { RowsCompared } from './compare-rows.ts';
import type { TablesForm, TableStore } from './table-store.ts';

/**
 * Compares the rows of tables that nobody writes to, in the database. A row that is otherwise counts as one that is removed and one that is added,
 * since nobody knows what its key is. `reason`: why they are not to be compared.
 */
export async function compareTables(
  store: Pick<TableStore, 'select'>,
  serving: TablesForm,
  built: TablesForm,
  reason: string | undefined,
): Promise<RowsCompared> {
  const rows = { serving: 0, built: 0 };
  const counts = { added: 0, removed: 0, changed: 0 };
  let hindrance = reason;
  for (const [index, { name }] of serving.tables.entries()) {
    const other = built.tables[index]?.name ?? '';
    rows.built += await countOf(store, `"${other}"`);
    try {
      rows.serving += await countOf(store, `"${name}"`);
      if (reason !== undefined) continue;
      counts.added += await countOf(store, `(SELECT * FROM "${other}" EXCEPT SELECT * FROM "${name}") AS added`);
      counts.removed += await countOf(store, `(SELECT * FROM "${name}" EXCEPT SELECT * FROM "${other}") AS removed`);
    } catch (error) {
      // Those that serve are of another version of the definition.
      if (!(error instanceof StatementRefused)) throw error;
      hindrance ??= `table ${name} cannot be compared: ${error.message}`;
    }
  }
  return {
    rows,
    differences: hindrance === undefined ? { ...counts, sample: [] } : undefined,
    reason: hindrance,
  };
}

async function countOf(store: Pick<TableStore, 'select'>, table: string): Promise<number> {
  const [row] = await store.select({ texts: [`SELECT count(*) AS n FROM ${table}`], values: [] });
  return Number(row?.['n'] ?? 0);
}
