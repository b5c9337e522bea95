import type { JsonValue } from '../../index.ts';
import type { Mapping } from './mapping.ts';
import type { Mark } from './raw-rows.ts';
import type { RowFound } from './rows.ts';
import { RowProblem } from './unit.ts';
import type { Row, Unit } from './unit.ts';

/** Where an import goes on: in which file, after what of it; or after how many groups, where they had to be gathered first. */
export interface Place {
  readonly file: number;
  readonly mark: Mark;
  readonly groups: number;
}

/** Rows that make an event, or what is wrong with some of them and how many are left out for it; and where the import goes on. */
export type UnitFound =
  | { readonly unit: Unit; readonly after: Place }
  | { readonly problems: readonly RowProblem[]; readonly rows: number; readonly after: Place };

export type Group = NonNullable<Mapping['group']>;

/** A group larger than this is a wrong key, and would be an event that no store takes. */
const MAX_GROUP_ROWS = 100_000;

/** Every row by itself. */
export async function* singleUnits(
  rows: AsyncIterable<RowFound>,
  file: number,
): AsyncGenerator<UnitFound, void, undefined> {
  for await (const found of rows) {
    const after = { file, mark: found.end, groups: 0 };
    yield 'row' in found ? { unit: [found.row], after } : { problems: [found.problem], rows: 1, after };
  }
}

/**
 * Rows that follow each other and have the same key.
 *
 * Guarantee A bad row spoils its whole group: an event never holds a part of what belongs to it. A row whose key cannot be read
 *           belongs to the group around it, if there is one on both sides.
 */
export async function* consecutiveUnits(
  rows: AsyncIterable<RowFound>,
  file: number,
  rules: Group,
): AsyncGenerator<UnitFound, void, undefined> {
  let group: RowGroup | undefined;
  let end: Mark | undefined;
  /** Came after the group; whether they stand inside it shows with the next key. */
  let keyless: RowProblem[] = [];
  for await (const found of rows) {
    const after = { file, mark: found.end, groups: 0 };
    const key = keyOfFound(found, rules);
    if (key === undefined && 'problem' in found && group === undefined)
      yield { problems: [found.problem], rows: 1, after };
    else if (key === undefined && 'problem' in found) keyless.push(found.problem);
    if (key === undefined) continue;
    if (group?.key === key) {
      for (const problem of keyless) group.add({ problem });
    } else {
      if (group !== undefined && end !== undefined) yield { ...group.finish(), after: { file, mark: end, groups: 0 } };
      if (keyless.length > 0 && end !== undefined)
        yield { problems: keyless, rows: keyless.length, after: { file, mark: end, groups: 0 } };
      group = new RowGroup(key, rules);
    }
    keyless = [];
    group.add(found);
    end = found.end;
  }
  if (end === undefined) return;
  if (group !== undefined) yield { ...group.finish(), after: { file, mark: end, groups: 0 } };
  if (keyless.length > 0) yield { problems: keyless, rows: keyless.length, after: { file, mark: end, groups: 0 } };
}

/** The rows of one group while they come. */
export class RowGroup {
  readonly key: string;
  readonly #rules: Group;
  readonly #rows: Row[] = [];
  readonly #problems: RowProblem[] = [];
  #count = 0;

  constructor(key: string, rules: Group) {
    this.key = key;
    this.#rules = rules;
  }

  add(found: { readonly row: Row } | { readonly problem: RowProblem }): void {
    this.#count += 1;
    if ('problem' in found) this.#problems.push(found.problem);
    else if (this.#count <= MAX_GROUP_ROWS) this.#rows.push(found.row);
    else if (this.#count === MAX_GROUP_ROWS + 1) {
      this.#problems.push(
        new RowProblem(
          found.row,
          `its group has more than ${MAX_GROUP_ROWS} rows; is ${this.#rules.by.join(', ')} the right key?`,
        ),
      );
    }
  }

  finish(): { unit: Unit } | { problems: readonly RowProblem[]; rows: number } {
    const { order } = this.#rules;
    if (order !== undefined) this.#rows.sort((left, right) => compareRows(left, right, order));
    const [first, ...others] = this.#rows;
    if (this.#problems.length > 0 || first === undefined) return { problems: this.#problems, rows: this.#count };
    return { unit: [first, ...others] };
  }
}

/** Undefined when a column of the key could not be read. */
export function keyOfFound(found: RowFound, { by }: Group): string | undefined {
  const values = 'row' in found ? found.row.values : found.values;
  if (values === undefined || by.some((name) => !Object.hasOwn(values, name))) return undefined;
  return JSON.stringify(by.map((name) => values[name] ?? null));
}

/** By the named columns; where these agree, by everything else, so that the order of the file never shows. */
function compareRows(left: Row, right: Row, order: readonly string[]): number {
  for (const name of order) {
    const difference = compare(left.values[name], right.values[name]);
    if (difference !== 0) return difference;
  }
  return compare(JSON.stringify(left.raw), JSON.stringify(right.raw));
}

function compare(left: JsonValue | undefined, right: JsonValue | undefined): number {
  if (typeof left === 'number' && typeof right === 'number') return left - right;
  const [one, other] = [text(left), text(right)];
  return one < other ? -1 : one > other ? 1 : 0;
}

function text(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null);
}
