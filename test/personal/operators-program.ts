import {
  and,
  defineAutomation,
  defineEvent,
  defineMonitor,
  definePattern,
  definePatterns,
  defineSilence,
  defineWindow,
  every,
  not,
  one,
  open,
  tumbling,
} from 'thereupon';
import type { StoreFactory } from 'thereupon';
import { z } from 'zod';

interface About {
  readonly person: string;
}

const subject = ({ person }: About) => person;
const keyOf = ({ data }: { readonly data: About }) => data.person;

/** A program of everything that keeps states over event time, on data with personal fields, or on the same without. */
export function operators(isPersonal: boolean, { version = 1 } = {}) {
  const sealed = (fields: readonly string[], erased?: Record<string, never[]>) =>
    isPersonal ? { personal: { subject, fields, ...(erased === undefined ? {} : { erased }) } } : {};
  const stream = subject;
  const shape = { person: z.string(), heart: z.number().nullable(), note: z.string() };
  const Measured = defineEvent({
    type: 'clinic.heart.measured',
    stream,
    ...sealed(['heart', 'note']),
    ...(version === 1
      ? { schema: z.object(shape) }
      : {
          version: 2,
          schema: z.object({ ...shape, ward: z.string().default('new') }),
          upcast: { 1: (data: object) => ({ ...data, ward: 'unknown' }) },
        }),
  } as never) as unknown as ReturnType<typeof measured>;
  const Confirmed = defineEvent({
    type: 'clinic.heart.confirmed',
    stream: ({ person }: About & { by: string }) => `confirmed-${person}`,
    schema: z.object({ person: z.string(), by: z.string() }),
    ...sealed(['by']),
  });
  const told = (type: string) =>
    defineEvent({
      type: `clinic.${type}`,
      stream: ({ person }: About & { said: string[] }) => `${type}-${person}`,
      schema: z.object({ person: z.string(), said: z.array(z.string()) }),
      ...sealed(['said'], { said: [] }),
    });
  const Summed = told('hour.summed');
  const Alarmed = told('alarm.raised');
  const Silent = told('silence.noticed');
  const Matched = told('pair.matched');
  const Named = told('names.matched');
  const Counted = told('count.told');
  const Ordered = told('order.told');
  const Totalled = told('day.totalled');
  const time = { disorder: '10m' } as const;

  return {
    Measured,
    Confirmed,
    results: [Summed, Alarmed, Silent, Matched, Named, Counted, Ordered, Totalled],
    open: (store: StoreFactory) =>
      open({
        store,
        events: [Measured, Confirmed, Summed, Alarmed, Silent, Matched, Named, Counted, Ordered, Totalled],
        windows: [
          defineWindow({
            name: 'notes',
            on: Measured,
            key: keyOf,
            time,
            windows: tumbling('1h'),
            aggregate: {
              initial: (): string[] => [],
              add: (notes, { data }) => [...notes, data.note],
              result: (notes, { key }) => ({ person: key, said: notes }),
            },
            early: { events: 2 },
            late: { correct: '2h' },
            publishes: Summed,
            personal: isPersonal ? { subject: (_notes, key) => key, fields: ['*'] } : 'none',
          }),
          defineWindow({
            name: 'totals',
            on: Summed,
            key: keyOf,
            time: { disorder: '3d' },
            windows: tumbling('1d'),
            aggregate: {
              initial: () => ({ letters: 0 }),
              add: ({ letters }, { data }) => ({ letters: letters + data.said.join('').length }),
              remove: ({ letters }, { data }) => ({ letters: letters - data.said.join('').length }),
              result: ({ letters }, { key }) => ({ person: key, said: [`${letters} letters`] }),
            },
            publishes: Totalled,
            personal: 'none',
          }),
        ],
        monitors: [
          defineMonitor({
            name: 'racing',
            on: Measured,
            key: keyOf,
            time,
            value: ({ data }) => data.heart ?? undefined,
            measure: { average: { events: 3 } },
            fires: { above: 120 },
            publishes: Alarmed,
            alarm: ({ key, measured: mean }) => ({ person: key, said: [`mean ${mean}`] }),
            personal: isPersonal ? { subject: (key) => key } : 'none',
          }),
          defineSilence({
            name: 'silence',
            on: Measured,
            key: keyOf,
            time,
            for: '3h',
            publishes: Silent,
            alarm: ({ key, since }) => ({ person: key, said: [since] }),
          }),
        ],
        automations: [
          defineAutomation({
            name: 'pairs',
            on: definePattern({
              key: keyOf,
              time,
              sequence: [every(one('measured', Measured)), one('confirmed', Confirmed)],
              within: '4h',
            }),
            publishes: [Matched],
            run: ({ key, events, publish }) =>
              void publish(Matched, {
                person: key,
                said: [...events.measured.map(({ data }) => data.note), ...events.confirmed.map(({ data }) => data.by)],
              }),
          }),
          defineAutomation({
            name: 'many',
            on: definePatterns({
              key: keyOf,
              time,
              patterns: {
                both: {
                  sequence: [
                    every(
                      and(
                        one('high', Measured).where({ data: { heart: [{ numeric: ['>', 100] }] } }),
                        one('by', Confirmed),
                      ),
                    ),
                  ],
                },
                alone: { sequence: [every(one('first', Measured)), not(Confirmed).within('1h')] },
              },
            }),
            publishes: [Named],
            run: ({ key, events, pattern, publish }) =>
              void publish(Named, {
                person: key,
                said: [
                  pattern,
                  ...Object.values(events).flatMap((found) => found.map(({ data }) => JSON.stringify(data))),
                ],
              }),
          }),
          defineAutomation({
            name: 'numbered',
            on: Measured,
            key: keyOf,
            publishes: [Counted],
            sequence: { onGap: 'hold', wait: '100d' },
            state: {
              initial: () => ({ last: '' }),
              personal: isPersonal ? { subject: (_state, key) => key, fields: ['last'] } : 'none',
            },
            run({ event, state, publish }) {
              const { last } = state.get();
              state.set({ last: event.data.note });
              void publish(Counted, { person: event.data.person, said: [last, event.data.note] });
            },
          }),
          defineAutomation({
            name: 'in-time',
            on: Measured,
            key: keyOf,
            publishes: [Ordered],
            inTime: { disorder: '10m' },
            state: {
              initial: () => ({ last: '' }),
              personal: isPersonal ? { subject: (_state, key) => key, fields: ['last'] } : 'none',
            },
            run({ event, state, publish }) {
              const { last } = state.get();
              state.set({ last: event.data.note });
              void publish(Ordered, { person: event.data.person, said: [last, event.data.note] });
            },
          }),
        ],
      }),
  };
}

/** For its type alone. */
function measured() {
  return defineEvent({
    type: 'clinic.heart.measured',
    stream: subject,
    schema: z.object({ person: z.string(), heart: z.number().nullable(), note: z.string() }),
  });
}

export type Program = ReturnType<typeof operators>;
