import type { Limits } from './limits.ts';

/** One figure of one run: what `thereupon bench --json` prints, a line each. */
export interface Figure {
  readonly workload: string;
  readonly events: number;
  readonly seconds: number;
  /** Events a second. */
  readonly rate: number;
  /** What the machine can do at most, measured in the same run: plain file append and fdatasync of the same bytes, or plain statements. */
  readonly limit?: number;
  readonly ratio?: number;
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  readonly rssMb: number;
  readonly note: string;
}

export interface WorkloadContext {
  /** A fresh place for a store; removed afterwards. */
  readonly storePath: (name: string) => Promise<string>;
  /** A store given by the caller, used in place of fresh ones. */
  readonly store: string | undefined;
  readonly limits: Limits;
  /** Scales the number of events; 1 is the published size. */
  readonly scale: number;
}

export interface Workload {
  readonly name: string;
  readonly what: string;
  /** Only on demand: takes minutes. */
  readonly long?: boolean;
  run(context: WorkloadContext): Promise<Figure | readonly Figure[]>;
}

/** The resident set of this process in MiB. */
export function rssMb(): number {
  return Math.round(process.memoryUsage.rss() / 1_048_576);
}

/** The largest that it has been. */
export function peakRssMb(): number {
  return Math.round(process.resourceUsage().maxRSS / 1_024);
}

export function figure(
  parts: Omit<Figure, 'rate' | 'ratio' | 'rssMb' | 'limit'> & { readonly limit?: number | undefined },
): Figure {
  const { limit, ...measured } = parts;
  const rate = parts.events / parts.seconds;
  return {
    ...measured,
    seconds: round(parts.seconds, 3),
    rate: Math.round(rate),
    ...(limit === undefined ? {} : { limit: Math.round(limit), ratio: round(rate / limit, 3) }),
    ...(parts.p50Ms === undefined ? {} : { p50Ms: round(parts.p50Ms, 3) }),
    ...(parts.p99Ms === undefined ? {} : { p99Ms: round(parts.p99Ms, 3) }),
    rssMb: rssMb(),
  };
}

/** The value below which a part of the sorted samples lies. */
export function percentile(samples: Float64Array, part: number): number {
  const sorted = samples.toSorted();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}

/** Work and what limits it in turns, since machines change their speed: how long all of the work took, and the limit on average. */
export async function inTurns(
  turns: number,
  limit: (() => Promise<number>) | undefined,
  work: (turn: number) => Promise<number>,
): Promise<{ readonly seconds: number; readonly limit: number | undefined }> {
  let seconds = 0;
  let limits = 0;
  for (let turn = 0; turn < turns; turn += 1) {
    limits += (await limit?.()) ?? 0;
    seconds += await work(turn);
  }
  return { seconds, limit: limit === undefined ? undefined : limits / turns };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
