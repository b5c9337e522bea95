import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { compilePattern, matches } from '../../index.ts';
import type { JsonValue } from '../../index.ts';
import { UsageError } from '../failure.ts';
import { columnReader, columnRules } from './column.ts';
import type { ReadColumn } from './column.ts';
import { compileTemplate } from './template.ts';
import type { Fill, Scope } from './template.ts';
import { RowProblem, shown } from './unit.ts';
import type { Row, Unit } from './unit.ts';

const listOfNames = z.union([z.string().transform((name) => [name]), z.array(z.string()).min(1)]);
/** Attributes of an event are templates; `when` is an event pattern over the columns. */
const eventRules = z
  .object({ when: z.record(z.string(), z.json()).optional(), data: z.json().optional() })
  .catchall(z.union([z.string(), z.number(), z.boolean(), z.record(z.string(), z.json())]));

const mappingFile = z.strictObject({
  $schema: z.string().optional(),
  description: z.string().optional(),
  format: z.enum(['csv', 'ndjson']).optional(),
  csv: z
    .strictObject({
      delimiter: z.string().length(1).default(','),
      /** Names of the columns, where the file has no line that names them. */
      header: z.array(z.string()).min(1).optional(),
      encoding: z.enum(['utf8', 'latin1']).default('utf8'),
    })
    .prefault({}),
  columns: z.record(z.string(), columnRules).default({}),
  group: z
    .strictObject({
      by: listOfNames,
      rows: z.enum(['consecutive', 'anywhere']).default('consecutive'),
      /** Sorts the rows of a group, so that it gives the same event in whatever order they came. */
      order: listOfNames.optional(),
    })
    .optional(),
  /** What all events have in common. */
  common: eventRules.optional(),
  /** The first one whose `when` holds makes the event. */
  events: z.array(eventRules).min(1),
  /** Rows that no event wants: an error (default), or left out on purpose. */
  unmatched: z.enum(['error', 'ignore']).default('error'),
});

export type EventJsonDraft = Record<string, JsonValue>;

/** A mapping, ready to turn rows into events. */
export interface Mapping {
  readonly format: 'csv' | 'ndjson' | undefined;
  readonly csv: {
    readonly delimiter: string;
    readonly header?: readonly string[] | undefined;
    readonly encoding: 'utf8' | 'latin1';
  };
  readonly group:
    | {
        readonly by: readonly string[];
        readonly rows: 'consecutive' | 'anywhere';
        readonly order?: readonly string[] | undefined;
      }
    | undefined;
  /** The columns that it speaks of: a file without one of them is the wrong file. */
  readonly columns: readonly string[];
  readonly readers: ReadonlyMap<string, ReadColumn>;
  /** The event of these rows; undefined when none is wanted. Errors: RowProblem. */
  eventOf(unit: Unit): EventJsonDraft | undefined;
  /** What tells this mapping from another one. */
  readonly text: string;
}

interface EventRule {
  readonly wants: (row: Row) => boolean;
  readonly attributes: readonly (readonly [name: string, fill: Fill])[];
  readonly data: Fill | undefined;
}

const NEEDED = ['id', 'source', 'type'] as const;

/** Errors: UsageError names the file and the place in it. */
export function loadMapping(file: string): Mapping {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`mapping ${file} cannot be read: ${(error as Error).message}`);
  }
  return parseMapping(text, file);
}

export function parseMapping(text: string, name: string): Mapping {
  try {
    const parsed = mappingFile.safeParse(JSON.parse(text));
    if (!parsed.success)
      throw new RangeError(
        parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the file'}: ${message}`).join('; '),
      );
    return compileMapping(parsed.data, text);
  } catch (error) {
    throw new UsageError(`mapping ${name}: ${(error as Error).message}`);
  }
}

function compileMapping(file: z.output<typeof mappingFile>, text: string): Mapping {
  const scope: Scope = {
    columns: new Set([...Object.keys(file.columns), ...(file.group?.by ?? []), ...(file.group?.order ?? [])]),
  };
  const rules = file.events.map((event, index) =>
    compileEvent({ ...file.common, ...event }, scope, `events[${index}]`),
  );
  const readers = new Map<string, ReadColumn>();
  for (const name of scope.columns) {
    try {
      readers.set(name, columnReader(file.columns[name] ?? columnRules.parse('string')));
    } catch (error) {
      throw new RangeError(`columns.${name}: ${(error as Error).message}`, { cause: error });
    }
  }
  return {
    ...file,
    group: file.group,
    format: file.format,
    columns: [...scope.columns],
    readers,
    text,
    eventOf(unit) {
      const rule = rules.find(({ wants }) => wants(unit[0]));
      if (rule !== undefined) return fillEvent(rule, unit);
      if (file.unmatched === 'ignore') return undefined;
      throw new RowProblem(
        unit[0],
        'no event of the mapping wants this row; "unmatched": "ignore" would leave such rows out',
      );
    },
  };
}

function compileEvent(rules: z.output<typeof eventRules>, scope: Scope, at: string): EventRule {
  const { when, data, ...attributes } = rules;
  for (const name of NEEDED) if (attributes[name] === undefined) throw new RangeError(`${at}: ${name} is missing`);
  for (const name of Object.keys(attributes)) {
    if (!/^[a-z0-9]+$/.test(name))
      throw new RangeError(`${at}.${name}: names of attributes are lower-case letters and digits`);
  }
  for (const name of Object.keys(when ?? {})) if (!name.startsWith('$')) scope.columns.add(name);
  const pattern = when === undefined ? undefined : compilePattern(when);
  return {
    wants: (row) => pattern === undefined || matches(pattern, (name) => row.values[name]),
    attributes: Object.entries(attributes).map(
      ([name, template]) => [name, compileTemplate(template as JsonValue, scope, `${at}.${name}`)] as const,
    ),
    data: data === undefined ? undefined : compileTemplate(data, scope, `${at}.data`),
  };
}

function fillEvent({ attributes, data }: EventRule, unit: Unit): EventJsonDraft {
  const event: EventJsonDraft = { specversion: '1.0' };
  for (const [name, fill] of attributes) {
    const value = fill(unit);
    if (value === undefined || value === '') {
      if (NEEDED.some((needed) => needed === name))
        throw new RowProblem(unit[0], `${name} of the event would be empty: a column of its template has no value`);
      continue;
    }
    if (typeof value === 'object')
      throw new RowProblem(unit[0], `attribute ${name}: expected text, a number or a boolean, found ${shown(value)}`);
    // Numbers may be larger than what CloudEvents calls an integer; the attributes that the specification names are text.
    event[name] = typeof value === 'boolean' ? value : String(value);
  }
  const filled = data?.(unit);
  if (filled !== undefined) Object.assign(event, { datacontenttype: 'application/json', data: filled });
  return event;
}
