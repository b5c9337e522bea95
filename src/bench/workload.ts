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

export function figure(parts: Omit<Figure, 'rate' | 'ratio' | 'rssMb'> & { readonly limit?: number }): Figure {
  const rate = parts.events / parts.seconds;
  return {
    ...parts,
    seconds: round(parts.seconds, 3),
    rate: Math.round(rate),
    ...(parts.limit === undefined ? {} : { limit: Math.round(parts.limit), ratio: round(rate / parts.limit, 3) }),
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

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
