import type { JsonDifference, JsonValue, StateAt } from '../../index.ts';
import type { Api, Query } from '../access/api.ts';
import { pathOf } from '../access/api.ts';
import type { AccessOptions } from '../access/connect.ts';
import { writeJson } from '../command.ts';
import { UsageError } from '../failure.ts';
import { table } from '../output/table.ts';
import { plural, printable } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';

interface PastOptions extends AccessOptions {
  readonly at?: string;
  readonly diff?: string;
  readonly recorded?: boolean;
  readonly from?: number;
  readonly last?: number;
}

interface Difference {
  readonly from: StateAt;
  readonly to: StateAt;
  readonly differences: readonly JsonDifference[];
}

/** What the options ask of the past of a stream. Undefined: nothing. Errors: UsageError. */
export function pastQuery({ at, diff, recorded, from, last }: PastOptions): Query | undefined {
  if (at === undefined) {
    if (diff !== undefined || recorded === true)
      throw new UsageError(`${diff === undefined ? '--recorded' : '--diff'}: expected --at beside it`);
    return undefined;
  }
  if (from !== undefined || last !== undefined)
    throw new UsageError('--at shows a state, and --from and --last show events; give one of them');
  const first = pointOf('--at', at);
  const second = diff === undefined ? undefined : pointOf('--diff', diff);
  if (second !== undefined && second.kind !== first.kind)
    throw new UsageError(`--diff: expected a point of the same kind as --at (${first.kind}), found ${diff}`);
  if (recorded === true && first.kind !== 'at')
    throw new UsageError('--recorded: expected --at to be an instant or a date');
  return { [first.kind]: first.value, diff: second?.value, by: recorded === true ? 'recorded' : undefined };
}

export async function showPast(
  api: Api,
  stream: string,
  query: Query,
  options: PastOptions,
  terminal: Terminal,
): Promise<void> {
  const found = await api.get<StateAt | Difference>(`/streams${pathOf(stream)}`, query);
  if (options.json === true) return writeJson(terminal, found);
  if (!('differences' in found)) {
    await terminal.write(`${placeOf(found)}\n${JSON.stringify(found.state, undefined, 2)}\n`);
    return;
  }
  await terminal.write(`from  ${placeOf(found.from)}\nto    ${placeOf(found.to)}\n`);
  if (found.differences.length === 0) return terminal.note('nothing is otherwise\n');
  await terminal.write('\n');
  await terminal.write(
    table(
      found.differences,
      [
        { title: 'WHERE', text: ({ path }) => printable(path === '' ? '(all of it)' : path), ink: () => 'bold' },
        { title: 'WAS', text: ({ before }) => valueText(before) },
        { title: 'IS', text: ({ after }) => valueText(after) },
      ],
      terminal.out,
    ),
  );
}

/** What the options ask of the past of a row. Undefined: nothing. Errors: UsageError. */
export function pastRowQuery({ at, recorded }: Pick<PastOptions, 'at' | 'recorded'>): Query {
  const query = pastQuery({ ...(at === undefined ? {} : { at }), ...(recorded === undefined ? {} : { recorded }) });
  if (query?.['version'] !== undefined)
    throw new UsageError(`--at: expected an instant, a date or p42, since a row has no versions, found ${at}`);
  return query ?? {};
}

function pointOf(
  option: string,
  text: string,
): { readonly kind: 'at' | 'position' | 'version'; readonly value: string } {
  const [, letter, number] = /^([vp])(\d{1,15})$/i.exec(text) ?? [];
  if (number !== undefined) return { kind: letter?.toLowerCase() === 'v' ? 'version' : 'position', value: number };
  if (/^\d{4}-\d{2}-\d{2}/.test(text) && !Number.isNaN(Date.parse(text.slice(0, 10))))
    return { kind: 'at', value: text };
  throw new UsageError(
    `${option}: expected an instant (2026-11-23T08:17:00Z), a date (2026-11-23), v3 or p42, found ${JSON.stringify(text)}`,
  );
}

function placeOf({ stream, version, events, time, decider }: StateAt): string {
  const made = events === version ? '' : `made of ${plural(events, 'event')}, the last is `;
  const when = time === undefined ? 'before its first event' : `${made}version ${version}, as of ${time}`;
  return `${printable(stream)}, ${when} (${printable(decider)})`;
}

function valueText(value: JsonValue | undefined): string {
  return value === undefined ? '–' : printable(JSON.stringify(value));
}
