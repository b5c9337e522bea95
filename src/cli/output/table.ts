import type { Screen } from '../terminal.ts';
import { cut, padEnd, padStart, paintFor, widthOf } from './text.ts';
import type { Ink } from './text.ts';

export interface Column<Row> {
  readonly title: string;
  /** Printable text, without colour. */
  readonly text: (row: Row) => string;
  readonly right?: boolean;
  readonly ink?: (row: Row) => Ink | undefined;
}

const GAP = '  ';
/** A column that is squeezed keeps at least this much. */
const NARROWEST = 8;

/** Rows under aligned titles. On a terminal what does not fit into a line is cut off; elsewhere nothing is. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], screen: Screen): string {
  const paint = paintFor(screen);
  const cells = rows.map((row) => columns.map((column) => column.text(row)));
  const wanted = columns.map((column, index) =>
    Math.max(widthOf(column.title), ...cells.map((line) => widthOf(line[index] ?? ''))),
  );
  const widths = screen.isTerminal ? squeeze(wanted, screen.columns - GAP.length * (columns.length - 1)) : wanted;
  const place = (text: string, index: number): string => {
    const width = widths[index] ?? 0;
    const shown = cut(text, width);
    if (columns[index]?.right === true) return padStart(shown, width);
    return index === columns.length - 1 ? shown : padEnd(shown, width);
  };
  const head = paint('dim', columns.map(({ title }, index) => place(title, index)).join(GAP));
  const lines = rows.map((row, line) =>
    columns
      .map((column, index) => {
        const text = place(cells[line]?.[index] ?? '', index);
        const ink = column.ink?.(row);
        return ink === undefined ? text : paint(ink, text);
      })
      .join(GAP),
  );
  return [head, ...lines].map((line) => `${line.trimEnd()}\n`).join('');
}

/** Takes from the widest column until all fit. */
function squeeze(wanted: readonly number[], room: number): number[] {
  const widths = [...wanted];
  let excess = widths.reduce((sum, width) => sum + width, 0) - room;
  while (excess > 0) {
    const widest = widths.indexOf(Math.max(...widths));
    const width = widths[widest] ?? 0;
    if (width <= NARROWEST) break;
    widths[widest] = width - 1;
    excess -= 1;
  }
  return widths;
}

/** Names and values, one a line: how one thing is shown. */
export function sheet(
  fields: readonly (readonly [name: string, value: string | undefined, ink?: Ink])[],
  screen: Screen,
): string {
  const paint = paintFor(screen);
  const given = fields.filter((field): field is readonly [string, string, Ink?] => field[1] !== undefined);
  const width = Math.max(0, ...given.map(([name]) => widthOf(name)));
  return given
    .map(
      ([name, value, ink]) =>
        `${paint('dim', padEnd(name, width))}  ${ink === undefined ? value : paint(ink, value)}\n`,
    )
    .join('');
}
