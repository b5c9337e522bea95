import { InvalidInput } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import type { SqlParameter, SqlStatement } from '../consumer/table-store.ts';

/** A table of a projection in its statements; stands where SQL has the name of a table. */
export class SqlTable {
  readonly table: string;

  constructor(table: string) {
    this.table = table;
  }
}

/** SQL with what is put in. Made by `sql`. */
export class Sql {
  readonly texts: readonly string[];
  readonly values: readonly (SqlParameter | SqlTable)[];

  constructor(texts: readonly string[], values: readonly (SqlParameter | SqlTable)[]) {
    this.texts = texts;
    this.values = values;
  }
}

/** What may stand in `${}`: a value, which is bound; a table of the projection; more SQL. */
export type SqlPart = SqlParameter | SqlTable | Sql;

/**
 * Writes one statement of SQL: sql`INSERT INTO ${tables.totals} (day, cents) VALUES (${day}, ${cents})`. Values are bound, never put into the text.
 *
 * Errors    InvalidInput names the place of what cannot be bound.
 */
export function sql(texts: TemplateStringsArray, ...parts: readonly SqlPart[]): Sql {
  const joined: string[] = [texts[0] ?? ''];
  const values: (SqlParameter | SqlTable)[] = [];
  const add = (text: string) => joined.push((joined.pop() ?? '') + text);
  for (const [index, part] of parts.entries()) {
    if (part instanceof Sql) {
      add(part.texts[0] ?? '');
      for (const [place, value] of part.values.entries()) {
        values.push(value);
        joined.push(part.texts[place + 1] ?? '');
      }
    } else {
      values.push(part instanceof SqlTable ? part : bindable(part, index));
      joined.push('');
    }
    add(texts[index + 1] ?? '');
  }
  return new Sql(joined, values);
}

/** The statement that is meant, with the names that tables have in the store. Errors: InvalidInput. */
export function statementOf(
  given: unknown,
  verbs: readonly string[],
  nameOf: (table: string) => string | undefined,
): SqlStatement {
  if (!(given instanceof Sql))
    throw new InvalidInput({ path: 'statement', expected: 'what sql`…` makes', found: given });
  const texts: string[] = [given.texts[0] ?? ''];
  const values: SqlParameter[] = [];
  for (const [index, value] of given.values.entries()) {
    const next = given.texts[index + 1] ?? '';
    if (value instanceof SqlTable) {
      const name = nameOf(value.table);
      if (name === undefined)
        throw new InvalidInput({ path: 'statement', expected: 'tables of the projection alone', found: value.table });
      texts.push(`${texts.pop() ?? ''}"${name}"${next}`);
    } else {
      values.push(value);
      texts.push(next);
    }
  }
  assertOne(texts, verbs);
  return { texts, values };
}

function bindable(value: unknown, index: number): SqlParameter {
  const path = `value ${index + 1} of the statement`;
  const expected = 'a string, finite number, bigint, boolean, null or bytes';
  if (value === null || typeof value === 'string' || typeof value === 'bigint' || typeof value === 'boolean')
    return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (value instanceof Uint8Array) return value;
  throw new InvalidInput({ path, expected, found: value });
}

/** What ends at the end of the quotation or comment that it begins with. */
const QUOTED = /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\//gu;

/** Errors: InvalidInput where it is several statements, or one of another kind. */
function assertOne(texts: readonly string[], verbs: readonly string[]): void {
  const bare = texts.join(' ? ').replaceAll(QUOTED, ' ');
  const [verb = ''] = /[a-z]+/iu.exec(bare.trimStart()) ?? [];
  if (!verbs.includes(verb.toUpperCase()) || !bare.trimStart().startsWith(verb))
    throw new InvalidInput({
      path: 'statement',
      expected: `SQL that begins with ${verbs.join(', ')}`,
      found: describeValue(texts.join('?').trim().slice(0, 80)),
    });
  if (/;\s*\S/u.test(bare))
    throw new InvalidInput({
      path: 'statement',
      expected: 'one statement; a step may answer a list of them',
      found: texts.join('?').trim(),
    });
}
