import { describe, expect, test } from 'vitest';
import type { Aggregate, Firing, WindowRules } from '../../src/time/window-set.ts';
import { testSharedText } from './shared-text.ts';
import { byWindow, timestampOf, transcriptsOf, triggersOf, windowingOf } from './transcripts.ts';
import type { Pane, Transcript } from './transcripts.ts';
import { Windowed } from './windowed.ts';

const collected: Aggregate<number, readonly number[], readonly number[]> = {
  initial: () => [],
  add: (values, value) => [...values, value],
  merge: (left, right) => [...left, ...right],
  result: (values) => values.toSorted((left, right) => left - right),
};

function rulesOf(transcript: Transcript): WindowRules<number, readonly number[], readonly number[]> {
  const { early, late } = triggersOf(transcript);
  return {
    windowing: windowingOf(transcript),
    aggregate: collected,
    latenessMs: transcript.allowed_lateness ?? Number.POSITIVE_INFINITY,
    early: early === undefined ? undefined : { events: early },
    lateEvents: late,
    firings: transcript.accumulation_mode === 'discarding' ? 'since' : 'all',
  };
}

function shown(firing: Firing<readonly number[]>, transcript: Transcript): Pane {
  const { startMs, endMs, index, reason, result } = firing;
  return {
    window: [startMs, endMs - 1],
    values: result,
    timestamp: timestampOf(firing, transcript),
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

describe('windows, triggers and lateness are those of Apache Beam', () => {
  testSharedText(['windowing-beam/trigger-transcripts-a.yaml'], (text) => {
    for (const transcript of transcriptsOf(text)) {
      test(`${transcript.name}: ${transcript.timestamp_combiner ?? 'by default'}`, () => {
        if (transcript.error === undefined) play(transcript);
        else expect(() => play(transcript)).toThrow(/./);
      });
    }
  });
});
