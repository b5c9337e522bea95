import { statSync } from 'node:fs';
import path from 'node:path';
import { CommandFailed, UsageError } from '../failure.ts';
import type { Terminal } from '../terminal.ts';
import { GatheredRows } from './gathered-rows.ts';
import { consecutiveUnits, singleUnits } from './groups.ts';
import type { Place, UnitFound } from './groups.ts';
import type { EventJsonDraft, Mapping } from './mapping.ts';
import { FILE_START } from './raw-rows.ts';
import { readEventLines, readRows } from './rows.ts';
import type { InputFile, RowFound } from './rows.ts';
import type { RowProblem, Unit } from './unit.ts';

/** Files to import, in order, and how their rows become events. */
export interface Source {
  readonly files: readonly InputFile[];
  /** Bytes of all files; undefined when one of them is no regular file. */
  readonly bytes: number | undefined;
  /** Tells these files, as they are now, from others; undefined when they cannot be read twice. */
  readonly identity: string | undefined;
  /** Bytes up to a place. */
  bytesAt(place: Place): number;
  /** What the files hold from a place on. */
  units(from: Place, gathering: (rows: number) => void): AsyncIterable<UnitFound>;
  /** The event of a unit; undefined when none is wanted. Errors: RowProblem. */
  eventOf(unit: Unit): EventJsonDraft | undefined;
}

export const BEGINNING: Place = { file: 0, mark: FILE_START, groups: 0 };

/** Errors: UsageError, CommandFailed for files that cannot be read or whose form is not known. */
export function sourceOf(
  names: readonly string[],
  mapping: Mapping | undefined,
  options: { readonly format?: 'csv' | 'ndjson'; readonly terminal: Terminal },
): Source {
  const files = names.map((name) => inputFile(name, mapping?.format ?? options.format, options.terminal));
  if (mapping === undefined && files.some(({ format }) => format === 'csv')) {
    throw new UsageError(
      '--mapping is needed for CSV: it says how columns become events (NDJSON without one holds CloudEvents, one a line)',
    );
  }
  const sizes = files.map(({ source }) => ('path' in source ? statSync(source.path) : undefined));
  const known = sizes.every((stat) => stat?.isFile() === true);
  const sizeOf = (index: number) => sizes[index]?.size ?? 0;
  return {
    files,
    bytes: known ? sizes.reduce((sum, stat) => sum + (stat?.size ?? 0), 0) : undefined,
    identity: known
      ? JSON.stringify([mapping?.text, ...sizes.map((stat, index) => [files[index]?.name, stat?.size, stat?.mtimeMs])])
      : undefined,
    bytesAt: (place) =>
      sizes.slice(0, place.file).reduce((sum, stat) => sum + (stat?.size ?? 0), 0) +
      Math.min(place.mark.bytes, sizeOf(place.file)),
    units: (from, gathering) => unitsOf(files, mapping, from, gathering),
    eventOf: (unit) => (mapping === undefined ? unit[0].raw : mapping.eventOf(unit)),
  };
}

function inputFile(name: string, format: 'csv' | 'ndjson' | undefined, terminal: Terminal): InputFile {
  if (name === '-') {
    if (format === undefined) throw new UsageError('--format csv or --format ndjson is needed for standard input');
    return { name: 'standard input', source: { stream: terminal.input() }, format };
  }
  const file = path.resolve(terminal.cwd, name);
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) throw new CommandFailed(`${name}: there is no such file`);
  if (stat.isDirectory())
    throw new CommandFailed(`${name}: is a folder; name the files in it, such as ${path.join(name, '*.csv')}`);
  const known = format ?? formatOf(name);
  if (known === undefined) throw new UsageError(`${name}: say with --format whether it is csv or ndjson`);
  return { name, source: { path: file }, format: known };
}

function formatOf(name: string): 'csv' | 'ndjson' | undefined {
  const extension = path.extname(name).toLowerCase();
  if (extension === '.csv') return 'csv';
  return extension === '.ndjson' || extension === '.jsonl' ? 'ndjson' : undefined;
}

async function* unitsOf(
  files: readonly InputFile[],
  mapping: Mapping | undefined,
  from: Place,
  gathering: (rows: number) => void,
): AsyncGenerator<UnitFound, void, undefined> {
  if (mapping?.group?.rows === 'anywhere') {
    yield* gatheredUnits(files, mapping, from, gathering);
    return;
  }
  for (const [index, file] of files.entries()) {
    if (index < from.file) continue;
    const rows = rowsOf(file, mapping, index === from.file ? from.mark : FILE_START);
    yield* mapping?.group === undefined ? singleUnits(rows, index) : consecutiveUnits(rows, index, mapping.group);
  }
}

async function* gatheredUnits(
  files: readonly InputFile[],
  mapping: Mapping,
  from: Place,
  gathering: (rows: number) => void,
): AsyncGenerator<UnitFound, void, undefined> {
  const { group } = mapping;
  if (group === undefined) throw new RangeError('nothing to gather by');
  const gathered = new GatheredRows(group);
  try {
    const keyless: RowProblem[] = [];
    let rows = 0;
    for (const file of files) {
      for await (const found of rowsOf(file, mapping, FILE_START)) {
        if (!gathered.add(found) && 'problem' in found) keyless.push(found.problem);
        rows += 1;
        if (rows % 1_000 === 0) gathering(rows);
        // Named before anything else: with so many, the rest is not worth waiting for.
        if (keyless.length === 1_000) break;
      }
    }
    if (keyless.length > 0 && from.groups === 0) yield { problems: keyless, rows: keyless.length, after: BEGINNING };
    yield* gathered.units(from.groups);
  } finally {
    gathered.close();
  }
}

function rowsOf(file: InputFile, mapping: Mapping | undefined, from: Place['mark']): AsyncIterable<RowFound> {
  return mapping === undefined ? readEventLines(file, from) : readRows(file, from, mapping);
}
