import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import type { Aggregate, Firing, WindowRules } from '../../src/time/window-set.ts';
import { session, tumbling } from '../../src/time/windowing.ts';
import type { Windowing } from '../../src/time/windowing.ts';
import { testSharedText } from './shared-text.ts';
import { Windowed } from './windowed.ts';

/** https://github.com/apache/beam/blob/master/sdks/python/apache_beam/testing/data/trigger_transcripts.yaml */
interface Transcript {
  readonly name: string;
  readonly window_fn: string;
  readonly trigger_fn?: string;
  readonly timestamp_combiner?: string;
  readonly accumulation_mode?: string;
  readonly allowed_lateness?: number;
  readonly error?: string;
  readonly transcript: readonly Step[];
}

interface Step {
  readonly input?: readonly number[];
  readonly watermark?: number;
  readonly expect?: readonly Pane[];
  readonly state?: { readonly present?: readonly (readonly [number, number])[] };
}

interface Pane {
  readonly window?: readonly [start: number, last: number];
  readonly values?: readonly number[];
  readonly timestamp?: number;
  readonly index?: number;
  readonly late?: boolean;
  readonly early?: boolean;
  readonly final?: boolean;
}

const collected: Aggregate<number, readonly number[], readonly number[]> = {
  initial: () => [],
  add: (values, value) => [...values, value],
  merge: (left, right) => [...left, ...right],
  result: (values) => values.toSorted((left, right) => left - right),
};

/** Of what a transcript asks for, what is not told here; undefined: it is all expressible. */
function rulesOf({
  window_fn,
  trigger_fn,
  ...more
}: Transcript): WindowRules<number, readonly number[], readonly number[]> {
  const triggers =
    /^(?:Default|AfterWatermark\((?:early=(?:Repeatedly\()?AfterCount\((\d+)\)\)?)?(?:, )?(?:late=(?:Repeatedly\()?AfterCount\((\d+)\)\)?)?\))$/.exec(
      trigger_fn ?? 'Default',
    );
  if (triggers === null) throw new Error(`the trigger ${trigger_fn} is not known here`);
  const [, early, late] = triggers;
  return {
    windowing: windowingOf(window_fn),
    aggregate: collected,
    latenessMs: more.allowed_lateness ?? Number.POSITIVE_INFINITY,
    early: early === undefined ? undefined : { events: Number(early) },
    lateEvents: Number(late ?? 1),
    firings: more.accumulation_mode === 'discarding' ? 'since' : 'all',
  };
}

function windowingOf(text: string): Windowing {
  const [, kind = '', size] = /^(\w+)\((\d+)\)$/.exec(text) ?? [];
  if (/FixedWindows(?:WindowFn)?$/.test(kind)) return tumbling(Number(size));
  if (kind === 'Sessions') return session(Number(size));
  throw new Error(`the windows ${text} are not known here`);
}

function shown(
  firing: Firing<readonly number[]>,
  { timestamp_combiner = 'OUTPUT_AT_EOW', window_fn }: Transcript,
): Pane {
  const { startMs, endMs, index, reason, earliestMs, latestMs, result } = firing;
  const custom = window_fn.startsWith('Custom') ? 100 : 0;
  const timestamp = {
    OUTPUT_AT_EOW: endMs - 1,
    OUTPUT_AT_EARLIEST: earliestMs,
    OUTPUT_AT_LATEST: latestMs,
    OUTPUT_AT_EARLIEST_TRANSFORMED: earliestMs + custom,
  }[timestamp_combiner];
  if (timestamp === undefined) throw new Error(`${timestamp_combiner} is not known here`);
  return {
    window: [startMs, endMs - 1],
    values: result,
    timestamp,
    index,
    early: reason === 'early',
    late: reason === 'late',
    // Late events may come for ever.
    final: false,
  };
}

function play(transcript: Transcript): void {
  const windows = new Windowed(rulesOf(transcript));
  let fired: Firing<readonly number[]>[] = [];
  for (const step of transcript.transcript) {
    if (step.input !== undefined) fired = step.input.flatMap((element) => windows.add('', element, element));
    if (step.watermark !== undefined) fired = [...windows.advance(step.watermark)];
    if (step.expect !== undefined) {
      const panes = fired.map((firing) => shown(firing, transcript)).sort(byWindow);
      const expected = step.expect.toSorted(byWindow);
      expect(panes).toEqual(expected.map((pane) => expect.objectContaining(pane) as Pane));
    }
  }
}

function byWindow(left: Pane, right: Pane): number {
  return (left.window?.[0] ?? 0) - (right.window?.[0] ?? 0) || (left.index ?? 0) - (right.index ?? 0);
}

describe('windows, triggers and lateness are those of Apache Beam', () => {
  testSharedText(['windowing-beam/trigger-transcripts-a.yaml'], (text) => {
    for (const document of parseAllDocuments(text)) {
      const transcript = document.toJS() as Transcript;
      test(`${transcript.name}: ${transcript.timestamp_combiner ?? 'by default'}`, () => {
        if (transcript.error === undefined) play(transcript);
        else expect(() => play(transcript)).toThrow(/./);
      });
    }
  });
});
