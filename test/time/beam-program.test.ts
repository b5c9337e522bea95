import { defineEvent, defineWindow, retractionOf } from 'thereupon';
import type { EventOf } from 'thereupon';
import { testSystem } from 'thereupon/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { testSharedText } from './shared-text.ts';
import { byWindow, timestampOf, transcriptsOf, triggersOf, windowingOf } from './transcripts.ts';
import type { Pane, Transcript } from './transcripts.ts';

const Came = defineEvent({
  type: 'beam.element.came',
  schema: z.object({ element: z.number() }),
  stream: () => 'elements-all',
});
/** Tells of time alone, of another key. */
const TimeTold = defineEvent({ type: 'beam.time.told', schema: z.object({}), stream: () => 'time-all' });
const Fired = defineEvent({
  type: 'beam.pane.fired',
  schema: z.object({
    startMs: z.number(),
    endMs: z.number(),
    earliestMs: z.number(),
    latestMs: z.number(),
    values: z.array(z.number()),
  }),
  stream: () => 'panes-all',
});

const KEY = 'elements';
/** In Beam elements tell nothing of time. Here the latest one does, less this; what tells of time is ahead by it. */
const DISORDER_MS = 1_000_000;

/** What of a transcript no program can say; undefined: it is all expressible. */
function inexpressible({ accumulation_mode }: Transcript): string | undefined {
  if (accumulation_mode === 'discarding')
    return 'a result is about all events of its window, not about those since the result before';
  return undefined;
}

function windowOf(transcript: Transcript) {
  const { early, late } = triggersOf(transcript);
  const { allowed_lateness: latenessMs } = transcript;
  return defineWindow({
    name: 'panes',
    on: [Came, TimeTold],
    key: ({ type }) => (type === Came.type ? KEY : 'time'),
    windows: windowingOf(transcript),
    time: { disorder: DISORDER_MS, idle: 'never' },
    aggregate: {
      initial: (): readonly number[] => [],
      add: (values, event) => (event.type === Came.type ? [...values, event.data.element] : values),
      merge: (left, right) => [...left, ...right],
      result: (values, { startMs, endMs }) => ({
        startMs,
        endMs,
        earliestMs: Math.min(...values),
        latestMs: Math.max(...values),
        values: values.toSorted((left, right) => left - right),
      }),
    },
    ...(early === undefined ? {} : { early: { events: early } }),
    late: latenessMs === 0 ? 'drop' : { correct: latenessMs ?? '1000d', every: late },
    publishes: Fired,
  });
}

function replacedBy({ extensions: { replaces } }: EventOf<typeof Fired>): readonly string[] {
  return typeof replaces === 'string' ? replaces.split(' ') : [];
}

/** What a result takes the place of tells which one of its window it is. */
function panesOf(fired: readonly EventOf<typeof Fired>[], transcript: Transcript): readonly Pane[] {
  const indexes = new Map<string, number>();
  const indexOf = (pane: EventOf<typeof Fired>): number => {
    const index = 1 + Math.max(-1, ...replacedBy(pane).map((id) => indexes.get(id) ?? Number.NaN));
    indexes.set(pane.id, index);
    return index;
  };
  return fired.map((event) => {
    const { startMs, endMs, values } = event.data;
    return {
      window: [startMs, endMs - 1],
      values,
      timestamp: timestampOf(event.data, transcript),
      index: indexOf(event),
      early: event.extensions['timing'] === 'early',
      late: event.extensions['timing'] === 'late',
      final: false,
    };
  });
}

async function play(transcript: Transcript, dies: boolean): Promise<void> {
  await using system = await testSystem({ events: [Came, TimeTold], windows: [windowOf(transcript)] });
  let told = 0;
  for (const step of transcript.transcript) {
    if (step.expect === undefined) told = system.recorded(Fired).length;
    for (const element of step.input ?? []) await system.system.publish(Came, { element }, { time: new Date(element) });
    if (step.watermark !== undefined)
      await system.system.publish(TimeTold, {}, { time: new Date(step.watermark + DISORDER_MS) });
    if (dies) await system.crash();
    await system.settled();
    if (step.expect === undefined) continue;
    const panes = panesOf(system.recorded(Fired), transcript).slice(told);
    expect(panes.toSorted(byWindow)).toEqual(
      step.expect.toSorted(byWindow).map((pane) => expect.objectContaining(pane) as Pane),
    );
  }
  // A pane that takes the place of another takes it back.
  expect(system.recorded(retractionOf(Fired)).map(({ extensions }) => extensions['retracts'])).toEqual(
    system.recorded(Fired).flatMap(replacedBy),
  );
}

describe('the windows of a program are those of Apache Beam, whenever it dies (G6, G8)', () => {
  testSharedText(['windowing-beam/trigger-transcripts-a.yaml'], (text) => {
    for (const transcript of transcriptsOf(text)) {
      const name = `${transcript.name}: ${transcript.timestamp_combiner ?? 'by default'}`;
      const reason = inexpressible(transcript);
      if (reason !== undefined) {
        test.skip(`${name}: not expressible: ${reason}`, () => undefined);
        continue;
      }
      for (const dies of [false, true])
        test(`${name}${dies ? ', dying after each step' : ''}`, async () => {
          if (transcript.error === undefined) await play(transcript, dies);
          else await expect(play(transcript, dies)).rejects.toThrow(/./);
        });
    }
  });
});
