import { and, defineAutomation, defineEvent, definePattern, every, not, one, or } from 'thereupon';
import type { AutomationDefinition, EventDefinition, MatchedSoFar, PatternStep, RecordedEvent, Side } from 'thereupon';
import { testSystem } from 'thereupon/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { casesOf, DIFFERENT, outcomeOf, SIDDHI_FILES } from './siddhi-cases.ts';
import type { SiddhiCase } from './siddhi-cases.ts';
import { parseSiddhi } from './siddhi-text.ts';
import type { SiddhiAbsent, SiddhiApp, SiddhiEvent, SiddhiStep, SiddhiWanted } from './siddhi-text.ts';
import { testSharedText } from './shared-text.ts';

const Value = z.union([z.string(), z.number(), z.boolean()]);
const Told = z.object({ key: z.string(), values: z.record(z.string(), Value) });
type ToldData = z.infer<typeof Told>;
const Matched = defineEvent({
  type: 'siddhi.pattern.matched',
  schema: z.object({ row: z.array(Value.nullable()) }),
  stream: () => 'matches-all',
});

/** An event type for each stream. */
function definitionsOf({ streams }: SiddhiApp): ReadonlyMap<string, EventDefinition> {
  return new Map(
    Object.keys(streams).map((stream) => [
      stream,
      defineEvent({ type: `siddhi.told.${stream.toLowerCase()}`, schema: Told, stream: ({ key }) => `key-${key}` }),
    ]),
  );
}

/** The pattern of an app in the words of this library. */
class Translation {
  readonly #app: SiddhiApp;
  readonly #definitions: ReadonlyMap<string, EventDefinition>;
  readonly #streams: ReadonlyMap<string, string>;

  constructor(app: SiddhiApp, definitions: ReadonlyMap<string, EventDefinition>) {
    this.#app = app;
    this.#definitions = definitions;
    this.#streams = new Map([...definitions].map(([stream, { type }]) => [type, stream]));
  }

  automation(): AutomationDefinition {
    const { pattern, select, having } = this.#app;
    const { every: stretch, withinMs, order } = pattern;
    const steps = pattern.steps.map((step) => this.#step(step));
    const [from, to] = stretch ?? [steps.length, steps.length];
    const [first, ...others] = steps.slice(from, to + 1);
    const on = definePattern({
      sequence:
        first === undefined ? steps : [...steps.slice(0, from), every(first, ...others), ...steps.slice(to + 1)],
      order,
      ...(withinMs === Number.POSITIVE_INFINITY ? {} : { within: withinMs }),
      key: (event) => (event.data as ToldData).key,
      time: { idle: 'never' },
    });
    return defineAutomation({
      name: 'query',
      on,
      publishes: [Matched],
      run: async ({ events, publish }) => {
        const bound = this.#bound(events);
        if (!having(bound)) return;
        await publish(Matched, { row: select.map((shown) => (shown(bound) ?? null) as z.infer<typeof Value> | null) });
      },
    });
  }

  #step(step: SiddhiStep): PatternStep {
    if (step.kind === 'count') {
      const part = this.#one(step.event);
      return step.min === 1 && step.max === 1 ? part : part.count({ atLeast: step.min, atMost: step.max });
    }
    if (step.kind === 'absent') return this.#not(step.absent);
    const sides = step.sides.map((side): Side => ('absent' in side ? this.#not(side) : this.#one(side)));
    const [first, second, ...others] = sides;
    if (first === undefined || second === undefined) throw new Error('sides are two at least');
    return step.kind === 'all' ? and(first, second, ...others) : or(first, second, ...others);
  }

  #one({ name, stream, matches }: SiddhiWanted) {
    return one(name, this.#definition(stream)).where((event, soFar) => matches(this.#event(event), this.#bound(soFar)));
  }

  #not({ stream, absent, forMs }: SiddhiAbsent) {
    const no = not(this.#definition(stream), (event, soFar) => absent(this.#event(event), this.#bound(soFar)));
    return forMs === undefined ? no : no.within(forMs);
  }

  #definition(stream: string): EventDefinition {
    const definition = this.#definitions.get(stream);
    if (definition === undefined) throw new Error(`the stream ${stream} is not defined`);
    return definition;
  }

  #bound(events: MatchedSoFar): Readonly<Record<string, readonly SiddhiEvent[]>> {
    return Object.fromEntries(
      Object.entries(events).map(([name, found]) => [name, found.map((of) => this.#event(of))]),
    );
  }

  #event({ type, data }: RecordedEvent): SiddhiEvent {
    return { stream: this.#streams.get(type) ?? '', values: (data as ToldData).values };
  }
}

const START_MS = Date.parse('2026-01-01T00:00:00Z');
const ALL = 'all';

/** What the program says of the events of a case, having died after so many of them. */
async function rowsOf({ siddhi_app, events, advance_to }: SiddhiCase, diesAfter: number) {
  const app = parseSiddhi(siddhi_app);
  const definitions = definitionsOf(app);
  await using system = await testSystem({
    events: [...definitions.values()],
    automations: [new Translation(app, definitions).automation()],
  });
  const tell = (stream: string, key: string, values: ToldData['values'], t: number) => {
    const definition = definitions.get(stream);
    if (definition === undefined) throw new Error(`the stream ${stream} is not defined`);
    return system.system.publish(definition, { key, values }, { time: new Date(START_MS + t) });
  };
  for (const [index, { t, stream, data }] of events.entries()) {
    if (index === diesAfter) await system.crash();
    const columns = app.streams[stream] ?? [];
    const values = Object.fromEntries(columns.map((name, place) => [name, data[place]])) as ToldData['values'];
    await tell(stream, app.partition?.({ stream, values }) ?? ALL, values, t);
  }
  if (diesAfter === events.length) await system.crash();
  // Of another key: time has come so far. Every stream tells of it, since a pattern need not have all of them.
  for (const stream of definitions.keys()) await tell(stream, 'end', {}, advance_to);
  await system.settled();
  expect(await system.parked()).toEqual([]);
  expect(system.reported('thereupon.event.late')).toEqual([]);
  return system.recorded(Matched).map(({ data }) => data.row);
}

describe('automations over patterns run for what matches in Siddhi, whenever they die (CE1 to CE3, G6, G8)', () => {
  testSharedText(SIDDHI_FILES, (...texts) => {
    for (const of of casesOf(texts)) {
      const different = DIFFERENT[of.name];
      if (different !== undefined) {
        test(`${of.name}: ${different.reason}`, async () => expect(await rowsOf(of, 1)).toHaveLength(different.count));
        continue;
      }
      test(of.name, async () => {
        for (let diesAfter = 0; diesAfter <= of.events.length; diesAfter += 1) {
          const rows = await rowsOf(of, diesAfter);
          expect({ count: rows.length, rows }, `died after ${diesAfter}`).toEqual(outcomeOf(of, expect.anything()));
        }
      });
    }
  });
});
