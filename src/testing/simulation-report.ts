import type { Divergence } from './simulate.ts';
import type { Crash, Telling } from './simulation-plan.ts';
import { isFact } from './simulation-run.ts';
import type { Told } from './simulation-run.ts';

/** Of what differs, and of the data of an event, so much is shown. */
const SHOWN = 160;

/** What came out differently, and the fewest events that show it, for a person. */
export function reportOf({ run, seed, difference, plan, events }: Divergence, history: readonly Told[]): string {
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
  const then = crash === undefined ? '' : `\n${' '.repeat(14)}${crashed(crash)}`;
  return `${after} ${`#${index + 1}`.padEnd(5)} ${described(history[index])}${again}${then}`;
}

function crashed({ write, when }: Crash): string {
  const which = ['first', 'second', 'third', 'fourth'][write - 1] ?? `${write}th`;
  return when === 'before'
    ? `the process dies before its ${which} write after that is durable, and starts again`
    : `the process dies when its ${which} write after that is durable, before it hears of it, and starts again`;
}

function described(told: Told | undefined): string {
  if (told === undefined) return 'an event';
  if (isFact(told)) return cut(`${told[0].type} ${JSON.stringify(told[1])}`);
  const { type, source, id, payload } = told;
  return cut(`${type} (${source} ${id}) ${payload.encoding === 'none' ? '' : JSON.stringify(payload.data)}`);
}
