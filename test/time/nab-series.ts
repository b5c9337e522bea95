/** The series of the Numenta benchmark, as ../../../shared/data/sensors-nab/SOURCE.md describes them. */
const MINUTE_MS = 60_000;
export const DISORDER_MS = 10 * MINUTE_MS;
export const SERIES = [
  'machine_temperature_system_failure',
  'ec2_cpu_utilization_24ae8d',
  'occupancy_6005',
  'art_daily_jumpsup',
];

export interface Reading {
  readonly timeMs: number;
  readonly value: number;
  /** Its row: a reading that is told twice is one. */
  readonly id: number;
}

export interface Answers {
  readonly rows: number;
  readonly threshold: string;
  readonly 'median step s': number;
  readonly [question: string]: unknown;
}

export function readingsOf(csv: string): readonly Reading[] {
  return csv
    .trim()
    .split('\n')
    .slice(1)
    .map((line, id) => {
      const [time = '', value] = line.split(',');
      return { timeMs: Date.parse(`${time.replace(' ', 'T')}Z`), value: Number(value), id };
    });
}

/** The orders in which the readings come. */
export const ORDERS: Readonly<Record<string, (readings: readonly Reading[]) => readonly Reading[]>> = {
  'in file order': (readings) => readings,
  'reversed within ten minutes': (readings) => {
    const spans = Map.groupBy(readings, ({ timeMs }) => Math.floor(timeMs / DISORDER_MS));
    return [...spans.values()].flatMap((span) => span.toReversed());
  },
  'with every tenth doubled': (readings) =>
    readings.flatMap((reading) => (reading.id % 10 === 0 ? [reading, reading] : [reading])),
};

/** What is beyond the threshold of a series. */
export function isBad({ threshold }: Pick<Answers, 'threshold'>): (value: number) => boolean {
  const [, operator, limit] = /value ([<>]) ([\d.]+)/.exec(threshold) ?? [];
  return (value) => (operator === '<' ? value < Number(limit) : value > Number(limit));
}

/** What is to come out of a series. */
export function expectedOf(answers: Answers) {
  return {
    beyond: answers['rows beyond threshold'],
    crossings: answers['crossings into the bad range (file order)'],
    runs: answers['runs reaching 3 consecutive bad readings'],
    hours: answers['tumbling 1-hour windows with data'],
    badHours: answers['hours with mean beyond threshold'],
    gaps: answers['gaps longer than 3 steps (absence of readings)'],
  };
}
