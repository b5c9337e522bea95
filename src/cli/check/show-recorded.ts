import type { RecordedCheck, RecordedFinding } from '../../index.ts';
import { paintFor, plural, printable } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';

/** Findings that say the same of further events are counted. */
const SHOWN = 5;

/** What was found in recorded events, after the schemas. */
/** So many findings that differ are shown. */
const GROUPS = 30;
/** No more events of each version can be looked at. */
const MOST = 10_000;

/** `most`: so many events of each version were looked at, at the most. */
export async function showRecorded(
  { ok, looked, findings }: RecordedCheck,
  most: number,
  terminal: Terminal,
): Promise<void> {
  const paint = paintFor(terminal.out);
  const events = looked.reduce((sum, { events: count }) => sum + count, 0);
  const kinds = looked.map(({ type, version, events: count }) => `${printable(type)} v${version}: ${count}`);
  await terminal.write(
    `\nrecorded: ${plural(events, 'event')} looked at${kinds.length === 0 ? '' : ` (${kinds.join(', ')})`}\n`,
  );
  const alike = Map.groupBy(findings, ({ rule, who, type, version, place, reason }) =>
    JSON.stringify([rule, who, type, version, place, reason]),
  );
  const groups = [...alike.values()];
  for (const group of groups.slice(0, GROUPS)) {
    const [first] = group;
    if (first === undefined) continue;
    const [mark, ink] = first.severity === 'error' ? (['✗', 'red'] as const) : (['!', 'yellow'] as const);
    await terminal.write(
      `  ${paint(ink, `${mark} ${first.rule}`)}  ${paint('bold', printable(first.place))}  ${aboutOf(first)}\n      ${printable(first.reason)}\n${placesOf(group)}`,
    );
  }
  if (groups.length > GROUPS) await terminal.write(`  and ${groups.length - GROUPS} more, all of them with --json\n`);
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const warnings = findings.length - errors;
  const noted = warnings === 0 ? '' : ` for certain; ${plural(warnings, 'warning')}`;
  await terminal.write(
    ok
      ? `${paint('green', '✓')} nothing that was looked at would break${noted}\n`
      : `${paint('red', '✗')} ${plural(errors, 'finding')} in what is recorded: this program would break there\n`,
  );
  if (most < MOST && looked.some(({ events: count }) => count >= most))
    await terminal.write(`  there may be more than was looked at: --sample ${Math.min(most * 10, MOST)}\n`);
}

function aboutOf({ who, type, version }: RecordedFinding): string {
  const of = version === undefined ? printable(type) : `${printable(type)} v${version}`;
  return who === undefined ? of : `${printable(who)}, ${of}`;
}

function placesOf(group: readonly RecordedFinding[]): string {
  const events = group.flatMap(({ event }) => (event === undefined ? [] : [event]));
  const shown = events.slice(0, SHOWN);
  const more = events.length > SHOWN ? `      and ${events.length - SHOWN} more\n` : '';
  return `${shown.map(({ source, id, position }) => `      ${printable(source)} ${printable(id)}  at position ${position}\n`).join('')}${more}`;
}
