import { session, tumbling } from 'thereupon';
import type { Windowing } from 'thereupon';
import { parseAllDocuments } from 'yaml';

/** https://github.com/apache/beam/blob/master/sdks/python/apache_beam/testing/data/trigger_transcripts.yaml */
export interface Transcript {
  readonly name: string;
  readonly window_fn: string;
  readonly trigger_fn?: string;
  readonly timestamp_combiner?: string;
  readonly accumulation_mode?: string;
  readonly allowed_lateness?: number;
  readonly error?: string;
  readonly transcript: readonly Step[];
}

export interface Step {
  readonly input?: readonly number[];
  readonly watermark?: number;
  readonly expect?: readonly Pane[];
  readonly state?: { readonly present?: readonly (readonly [number, number])[] };
}

export interface Pane {
  readonly window?: readonly [start: number, last: number];
  readonly values?: readonly number[];
  readonly timestamp?: number;
  readonly index?: number;
  readonly late?: boolean;
  readonly early?: boolean;
  readonly final?: boolean;
}

export function transcriptsOf(yaml: string): readonly Transcript[] {
  return parseAllDocuments(yaml).map((document) => document.toJS() as Transcript);
}

/** After so many events a window fires before its end, and after so many late ones; undefined: it does not. Errors: another trigger. */
export function triggersOf({ trigger_fn = 'Default' }: Transcript): {
  readonly early: number | undefined;
  readonly late: number;
} {
  const triggers =
    /^(?:Default|AfterWatermark\((?:early=(?:Repeatedly\()?AfterCount\((\d+)\)\)?)?(?:, )?(?:late=(?:Repeatedly\()?AfterCount\((\d+)\)\)?)?\))$/.exec(
      trigger_fn,
    );
  if (triggers === null) throw new Error(`the trigger ${trigger_fn} is not known here`);
  const [, early, late] = triggers;
  return { early: early === undefined ? undefined : Number(early), late: Number(late ?? 1) };
}

/** Errors: other windows. */
export function windowingOf({ window_fn }: Transcript): Windowing {
  const [, kind = '', size] = /^(\w+)\((\d+)\)$/.exec(window_fn) ?? [];
  if (/FixedWindows(?:WindowFn)?$/.test(kind)) return tumbling(Number(size));
  if (kind === 'Sessions') return session(Number(size));
  throw new Error(`the windows ${window_fn} are not known here`);
}

/** The time of a pane, as a transcript asks for it. */
export function timestampOf(
  { endMs, earliestMs, latestMs }: { readonly endMs: number; readonly earliestMs: number; readonly latestMs: number },
  { timestamp_combiner = 'OUTPUT_AT_EOW', window_fn }: Transcript,
): number {
  const custom = window_fn.startsWith('Custom') ? 100 : 0;
  const timestamp = {
    OUTPUT_AT_EOW: endMs - 1,
    OUTPUT_AT_EARLIEST: earliestMs,
    OUTPUT_AT_LATEST: latestMs,
    OUTPUT_AT_EARLIEST_TRANSFORMED: earliestMs + custom,
  }[timestamp_combiner];
  if (timestamp === undefined) throw new Error(`${timestamp_combiner} is not known here`);
  return timestamp;
}

/** Panes in the order of their windows, and each window's in theirs. */
export function byWindow(left: Pane, right: Pane): number {
  return (left.window?.[0] ?? 0) - (right.window?.[0] ?? 0) || (left.index ?? 0) - (right.index ?? 0);
}
