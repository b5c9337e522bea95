import type { Divergence } from './simulate.ts';
import { orderlyMs } from './simulation-plan.ts';
import type { Crash, Telling } from './simulation-plan.ts';
import { isFact } from './simulation-run.ts';
import type { Told } from './simulation-run.ts';

/** Of what differs, and of the data of an event, so much is shown. */
const SHOWN = 160;

/** What came out differently, and the fewest events that show it, for a person. */
export function reportOf(
  { run, seed, difference, plan, events }: Divergence,
  history: readonly Told[],
  /** Reactions that go by time. */
  timed: ReadonlySet<string>,
): string {
  const { kind, reaction, what, expected, found } = difference;
  const isUnsteady = run === 0;
  const lines = [
    isUnsteady
      ? `told twice in order, the same history came out differently (seed ${seed}): what ${reaction} does follows from more than its events`
      : `run ${run} (seed ${seed}) came out differently: ${reaction}, ${kind} ${what}`,
    `  ${isUnsteady ? 'the first time ' : 'told in order  '} ${shown(expected)}`,
    `  ${isUnsteady ? 'the second time' : 'in this run    '} ${shown(found)}`,
    '',
    `  it was still seen with ${events} of ${history.length} events${isUnsteady ? '' : ', told like this'}:`,
    ...plan.map((telling, place) => `    ${toldLine(telling, place, plan, history)}`),
  ];
  if (timed.has(reaction) && plan.some(({ index, atMs }) => atMs > orderlyMs(index)))
    lines.push(
      '',
      `  ${reaction} goes by time: of an event that comes late it may rightly say something else. Whether anything else`,
      '  is wrong is seen without these faults: --fault delay=0 --fault reorder=0 (faults: { delay: 0, reorder: 0 }).',
    );
  return lines.join('\n');
}

function shown(text: string | undefined): string {
  return text === undefined ? 'nothing' : cut(text);
}

function cut(text: string): string {
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN - 1)}…`;
}

function toldLine(
  { index, atMs, crash }: Telling,
  place: number,
  plan: readonly Telling[],
  history: readonly Told[],
): string {
  const first = plan.findIndex((telling) => telling.index === index);
  const after = `+${(atMs / 1_000).toFixed(0)} s`.padEnd(8);
  const again = first < place ? ' (again)' : '';
  const lateMs = atMs - orderlyMs(index);
  const late = lateMs === 0 || again !== '' ? '' : ` (${lateText(lateMs)} after its turn)`;
  const then = crash === undefined ? '' : `\n${' '.repeat(14)}${crashed(crash)}`;
  return `${after} ${`#${index + 1}`.padEnd(5)} ${described(history[index])}${again}${late}${then}`;
}

function lateText(ms: number): string {
  return ms < 120_000 ? `${Math.ceil(ms / 1_000)} s` : `${Math.round(ms / 60_000)} min`;
}

function crashed({ write, when }: Crash): string {
  const which = ['first', 'second', 'third', 'fourth'][write - 1] ?? `${write}th`;
  return when === 'before'
    ? `then the process is killed just before its ${which} write becomes durable, and is started again`
    : `then the process is killed just after its ${which} write became durable, and is started again`;
}

function described(told: Told | undefined): string {
  if (told === undefined) return 'an event';
  if (isFact(told)) return cut(`${told[0].type} ${JSON.stringify(told[1])}`);
  const { type, source, id, payload } = told;
  return cut(`${type} (${source} ${id}) ${payload.encoding === 'none' ? '' : JSON.stringify(payload.data)}`);
}
