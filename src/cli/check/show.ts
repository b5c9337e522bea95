import type { DesignedEvent, DesignFinding, VersionFinding } from '../../index.ts';
import { padEnd, paintFor, plural, printable, widthOf } from '../output/text.ts';
import type { Ink, Paint } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';
import type { Comparison, EventHistory } from './histories.ts';

const GUIDE = 'docs/guides/schemas.md';

/** What each mode demands, to whoever reads of it for the first time. */
const DEMANDS: Readonly<Record<string, string>> = {
  none: 'nothing is demanded',
  backward: 'what is recorded has to be readable with the new schemas',
  forward: 'what the new schemas allow has to be readable with the old ones',
  full: 'new and old schemas have to read what the other ones allow',
};

export async function showComparison({ events, mode, notDefined, ok }: Comparison, terminal: Terminal): Promise<void> {
  const paint = paintFor(terminal.out);
  const width = Math.max(0, ...events.map(({ type }) => widthOf(printable(type))));
  for (const event of events) await terminal.write(historyText(event, width, { paint, columns: columnsOf(terminal) }));
  if (notDefined.length > 0)
    terminal.note(`\nnot defined by this program, and so not compared: ${notDefined.map(printable).join(', ')}\n`);
  const [first = 'backward'] = mode.split(/-(?=transitive)/);
  const against = mode.endsWith('transitive') ? ', every pair of versions' : '';
  await terminal.write(`\nmode ${mode}: ${DEMANDS[first] ?? ''}${against}\n`);
  if (ok) {
    await terminal.write(`${paint('green', '✓')} ${plural(events.length, 'event')}: nothing is wrong\n`);
    return;
  }
  const wrong = events.filter(({ state }) => state === 'incompatible');
  const findings = wrong.reduce((sum, event) => sum + event.findings.length, 0);
  await terminal.write(
    `${paint('red', '✗')} ${plural(wrong.length, 'event')} of ${events.length} with ${plural(findings, 'finding')}\n` +
      `  → what is recorded stays as it is: change the new schema so that it fits, give the fact a new type, or demand less (--mode, or compatibility in the configuration)\n` +
      `  → each rule is explained in ${GUIDE}\n`,
  );
}

interface Page {
  readonly paint: Paint;
  readonly columns: number;
}

const STATES: Readonly<Record<EventHistory['state'], readonly [mark: string, ink: Ink, words: string]>> = {
  new: ['·', 'dim', 'new: not in the store yet'],
  unchanged: ['✓', 'green', 'unchanged'],
  compatible: ['✓', 'green', 'compatible'],
  incompatible: ['✗', 'red', 'incompatible'],
};

function historyText(event: EventHistory, width: number, page: Page): string {
  const [mark, ink, words] = STATES[event.state];
  const remarks = [
    ...event.changedInPlace.map(
      (version) => `v${version} is not the v${version} of the store: give a changed schema a new version`,
    ),
    ...event.notCompared.map((version) => `v${version} has no JSON Schema and was not compared`),
  ];
  const versions = event.versions.map((version) => `v${version}`).join(', ');
  const title = `${page.paint(ink, mark)} ${page.paint('bold', padEnd(printable(event.type), width))}  ${padEnd(versions, 6)}  ${[words, ...remarks].join('; ')}\n`;
  return `${title}${event.findings.map((finding) => versionFindingText(finding, page)).join('')}`;
}

function versionFindingText(finding: VersionFinding, page: Page): string {
  const { rule, direction, place, was, is, reason, olderVersion, newerVersion, olderPointer, newerPointer } = finding;
  const { paint } = page;
  const between =
    olderVersion === newerVersion ? `v${olderVersion} as recorded → as defined` : `v${olderVersion} → v${newerVersion}`;
  return (
    `    ${paint('red', rule)}  ${paint('bold', printable(place))}  ${paint('dim', `${between}, ${direction}`)}\n` +
    `      was ${printable(was)}  ${paint('dim', `at #${printable(olderPointer)}`)}\n` +
    `      is  ${printable(is)}  ${paint('dim', `at #${printable(newerPointer)}`)}\n` +
    wrapped(`${reason}.`, 6, page.columns)
  );
}

export async function showDesign(
  events: readonly DesignedEvent[],
  findings: readonly DesignFinding[],
  terminal: Terminal,
): Promise<void> {
  const page: Page = { paint: paintFor(terminal.out), columns: columnsOf(terminal) };
  for (const { type, version } of events) {
    const own = findings.filter((finding) => finding.type === type && finding.version === version);
    if (own.length === 0) continue;
    const title = page.paint('bold', printable(type));
    await terminal.write(
      `${title}${version === 1 ? '' : ` v${version}`}\n${own.map((finding) => designText(finding, page)).join('')}\n`,
    );
  }
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const warnings = findings.length - errors;
  const looked = plural(events.length, 'event');
  if (findings.length === 0) {
    await terminal.write(`${page.paint('green', '✓')} ${looked}: nothing to say of their design\n`);
    return;
  }
  const counts = [
    ...(errors > 0 ? [plural(errors, 'error')] : []),
    ...(warnings > 0 ? [plural(warnings, 'warning')] : []),
  ].join(', ');
  await terminal.write(
    `${errors > 0 ? page.paint('red', '✗') : page.paint('yellow', '!')} ${looked}: ${counts}\n` +
      `  → rules can be switched, for all events or for one: design in the configuration, see ${GUIDE}\n`,
  );
}

function designText({ rule, severity, place, reason, example }: DesignFinding, { paint, columns }: Page): string {
  const [mark, ink] = severity === 'error' ? (['✗', 'red'] as const) : (['!', 'yellow'] as const);
  return (
    `  ${paint(ink, `${mark} ${rule}`)}  ${place === 'type' ? 'its name' : printable(place)}\n` +
    wrapped(reason, 4, columns) +
    wrapped(`→ ${example}`, 4, columns, (line) => paint('cyan', line))
  );
}

function columnsOf({ out }: Terminal): number {
  return Math.min(out.columns, 110);
}

/** Words in lines, each behind the same space. */
function wrapped(text: string, indent: number, columns: number, paint = (line: string): string => line): string {
  const lines: string[] = [];
  let line = '';
  for (const word of printable(text).split(' ')) {
    if (line !== '' && indent + widthOf(line) + 1 + widthOf(word) > columns) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].map((own) => `${' '.repeat(indent)}${paint(own)}\n`).join('');
}
