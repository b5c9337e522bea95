import { defineCommand, defineDecider, defineEvent, defineProjection, fact, refuse } from 'thereupon';
import { z } from 'zod';
import type { Line } from './histories.ts';

const stream = ({ patient }: { patient: string }) => `patient-${patient}`;
const done = z.object({ patient: z.string(), activity: z.string() });

export const ActivityDone = defineEvent({ type: 'ward.activity.done', schema: done, stream });
export const ReadingTaken = defineEvent({
  type: 'ward.reading.taken',
  schema: done.extend({ value: z.number().nullable() }),
  stream,
});
export const CaseClosed = defineEvent({ type: 'ward.case.closed', schema: z.object({ patient: z.string() }), stream });
export const CloseCase = defineCommand({ name: 'ward.close-case', schema: z.object({ patient: z.string() }), stream });

export interface Patient {
  readonly activities: number;
  readonly triagedMs: number | null;
  /** Within an hour after the first triage. */
  readonly hadAntibioticsSoon: boolean;
  readonly lactic: {
    readonly readings: number;
    readonly high: number;
    readonly last: number | null;
    readonly rises: number;
  };
  readonly releasedMs: number | null;
  readonly returnsWithin28Days: number;
  readonly isClosed: boolean;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const unknown: Patient = {
  activities: 0,
  triagedMs: null,
  hadAntibioticsSoon: false,
  lactic: { readings: 0, high: 0, last: null, rises: 0 },
  releasedMs: null,
  returnsWithin28Days: 0,
  isClosed: false,
};

function afterActivity(state: Patient, activity: string, timeMs: number): Patient {
  const next = { ...state, activities: state.activities + 1 };
  const { triagedMs, releasedMs } = state;
  if (activity === 'ER Sepsis Triage') return { ...next, triagedMs: triagedMs ?? timeMs };
  if (activity === 'IV Antibiotics' && triagedMs !== null && timeMs - triagedMs <= HOUR_MS)
    return { ...next, hadAntibioticsSoon: true };
  if (activity.startsWith('Release ')) return { ...next, releasedMs: timeMs };
  if (activity === 'Return ER' && releasedMs !== null && timeMs - releasedMs <= 28 * DAY_MS)
    return { ...next, returnsWithin28Days: state.returnsWithin28Days + 1 };
  return next;
}

/** Folds what others publish. */
export const patients = defineDecider({
  name: 'patient',
  initial: () => unknown,
  evolve: [
    [ActivityDone, (state, { data, time }) => afterActivity(state, data.activity, Date.parse(time))],
    [
      ReadingTaken,
      (state, { data: { activity, value } }) => {
        const next = { ...state, activities: state.activities + 1 };
        const { readings, high, last, rises } = state.lactic;
        if (activity !== 'LacticAcid') return next;
        if (value === null) return { ...next, lactic: { ...state.lactic, readings: readings + 1 } };
        const rose = last !== null && value > last;
        return {
          ...next,
          lactic: {
            readings: readings + 1,
            high: high + (value > 2 ? 1 : 0),
            last: value,
            rises: rises + (rose ? 1 : 0),
          },
        };
      },
    ],
    [CaseClosed, (state) => ({ ...state, isClosed: true })],
  ],
  decide: [
    [
      CloseCase,
      (state, { data }) => {
        if (state.isClosed) return refuse('closed');
        return state.releasedMs === null ? refuse('not-released') : fact(CaseClosed, data);
      },
    ],
  ],
});

export const days = defineProjection({
  name: 'days',
  key: ({ time }) => time.slice(0, 10),
  initial: () => 0,
  on: [
    [ActivityDone, (count) => count + 1],
    [ReadingTaken, (count) => count + 1],
  ],
});

const READINGS = new Set(['CRP', 'LacticAcid', 'Leucocytes']);

export function publicationOf(line: Line, index: number) {
  const { case_id: patient = '', activity = '', time = '' } = line;
  const options = { id: `line ${index}`, time };
  if (!READINGS.has(activity)) return { event: ActivityDone, data: { patient, activity }, options };
  const text = line[activity] ?? '';
  return { event: ReadingTaken, data: { patient, activity, value: text === '' ? null : Number(text) }, options };
}

/** Of a case's lines up to an instant, looked at all at once. */
export function patientIn(lines: readonly Line[]): Patient {
  const timesOf = (holds: (activity: string) => boolean) =>
    lines.filter(({ activity = '' }) => holds(activity)).map(({ time = '' }) => Date.parse(time));
  const is = (name: string) => (activity: string) => activity === name;
  const isRelease = (activity: string) => activity.startsWith('Release ');
  const lactic = lines.filter(({ activity }) => activity === 'LacticAcid');
  const values = lactic.flatMap(({ LacticAcid: value = '' }) => (value === '' ? [] : [Number(value)]));
  const [triagedMs = null] = timesOf(is('ER Sepsis Triage'));
  const triage = lines.findIndex(({ activity }) => activity === 'ER Sepsis Triage');
  const returns = lines.flatMap(({ activity, time = '' }, index) => {
    const release = lines.slice(0, index).findLast((line) => isRelease(line['activity'] ?? ''));
    return activity === 'Return ER' && release !== undefined
      ? [Date.parse(time) - Date.parse(release['time'] ?? '')]
      : [];
  });
  return {
    activities: lines.length,
    triagedMs,
    hadAntibioticsSoon:
      triagedMs !== null &&
      lines
        .slice(triage)
        .some(({ activity, time = '' }) => activity === 'IV Antibiotics' && Date.parse(time) <= triagedMs + HOUR_MS),
    lactic: {
      readings: lactic.length,
      high: values.filter((value) => value > 2).length,
      last: values.at(-1) ?? null,
      rises: values.filter((value, index) => index > 0 && value > (values[index - 1] ?? value)).length,
    },
    releasedMs: timesOf(isRelease).at(-1) ?? null,
    returnsWithin28Days: returns.filter((ms) => ms <= 28 * DAY_MS).length,
    isClosed: false,
  };
}
