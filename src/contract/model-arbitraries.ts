import type * as fastCheck from 'fast-check';
import type { ListStreamsOptions, ReadOptions, ReadStreamOptions } from '../channel/event-log.ts';
import type { Checkpoint } from '../consumer/checkpoint-store.ts';
import type { Delivery, ListDeliveriesOptions } from '../consumer/delivery-store.ts';
import type { RowQuery, RowWrite } from '../consumer/row-store.ts';
import type { EncodedEvent } from '../event/event.ts';
import { position } from '../event/position.ts';
import { BENCH_START_MS } from './bench-clock.ts';
import type { AppendSketch, Operation, UnitSketch, Write } from './model-operations.ts';
import {
  CATEGORIES,
  CONSUMERS,
  CONTENTS,
  CORRELATIONS,
  EVENT_IDS,
  INDEX_VALUES,
  KEYS,
  NAMESPACES,
  SOURCES,
  STREAMS,
  TYPES,
  COMMANDS,
  TAGS,
} from './model-operations.ts';
import { sampleEvent } from './samples.ts';

/** What of fast-check is used here; the caller brings the library, so that this package does not depend on it. */
export type FastCheck = Pick<
  typeof fastCheck,
  | 'array'
  | 'assert'
  | 'asyncProperty'
  | 'constant'
  | 'constantFrom'
  | 'integer'
  | 'oneof'
  | 'option'
  | 'record'
  | 'tuple'
>;

/** Lists of operations, shrinking to the shortest that still makes a difference. */
export function operationsArbitrary(fc: FastCheck, maxLength: number): fastCheck.Arbitrary<readonly Operation[]> {
  const write = writeArbitrary(fc);
  // Writes stand several times: without much in the store there is nothing to compare.
  return fc.array(
    fc.oneof(
      write,
      write,
      write,
      togetherArbitrary(fc, write),
      logChangeArbitrary(fc),
      stateChangeArbitrary(fc),
      logReadArbitrary(fc),
      stateReadArbitrary(fc),
    ),
    {
      maxLength,
      size: 'max',
    },
  );
}

function writeArbitrary(fc: FastCheck): fastCheck.Arbitrary<Write> {
  const append = appendArbitrary(fc);
  return fc.oneof(
    fc.record({ kind: fc.constant('append' as const), append }),
    fc.record({ kind: fc.constant('append' as const), append }),
    fc.record({ kind: fc.constant('unit' as const), unit: unitArbitrary(fc, append) }),
  );
}

function togetherArbitrary(fc: FastCheck, write: fastCheck.Arbitrary<Write>): fastCheck.Arbitrary<Operation> {
  return fc.record({ kind: fc.constant('together' as const), writes: fc.array(write, { minLength: 2, maxLength: 5 }) });
}

function eventArbitrary(fc: FastCheck): fastCheck.Arbitrary<EncodedEvent> {
  // Stream, type and correlation mostly follow from the id, so that a repeated identity is mostly a true duplicate.
  return fc
    .tuple(
      fc.integer({ min: 0, max: EVENT_IDS - 1 }),
      fc.constantFrom(...SOURCES),
      fc.constantFrom(0, 0, 0, 0, 0, 1),
      fc.constantFrom(0, 0, 0, 1, 2, 3, 4, 4, 5, 5),
    )
    .map(([number, source, shift, content]) =>
      sampleEvent(`e${number}`, {
        source,
        stream: STREAMS[(number + shift) % STREAMS.length] ?? '',
        type: TYPES[number % TYPES.length] ?? '',
        correlationid: CORRELATIONS[number % CORRELATIONS.length] ?? '',
        ...CONTENTS[content],
      }),
    );
}

function appendArbitrary(fc: FastCheck): fastCheck.Arbitrary<AppendSketch> {
  const version = fc.oneof(
    fc.integer({ min: 0, max: 4 }),
    fc.constantFrom('none' as const, 'exists' as const, 'any' as const),
  );
  const identity = fc.record({
    source: fc.constantFrom(...SOURCES),
    id: fc.integer({ min: 0, max: EVENT_IDS - 1 }).map((number) => `e${number}`),
  });
  const claim = fc.record(
    { stream: fc.constantFrom(...STREAMS), version, last: identity },
    { requiredKeys: ['stream', 'version'] },
  );
  const query = fc.record(
    {
      types: fc.array(fc.constantFrom(...TYPES), { maxLength: 2 }),
      tags: fc.array(fc.constantFrom(...TAGS), { minLength: 1, maxLength: 2 }),
      after: fc.integer({ min: 0, max: 30 }),
    },
    { requiredKeys: ['after'] },
  );
  const command = fc.record({
    id: fc.constantFrom(...COMMANDS),
    name: fc.constant('do'),
    digest: fc.constantFrom('d0', 'd1'),
    outcome: fc.constantFrom(undefined, null, { why: ['ü'] }),
  });
  return fc
    .record({
      events: fc.array(eventArbitrary(fc), { minLength: 1, maxLength: 4 }),
      isEmpty: fc.constantFrom(false, false, false, true),
      expected: fc.oneof(fc.constant([]), fc.constant([]), fc.array(claim, { minLength: 1, maxLength: 2 })),
      unless: fc.oneof(fc.constant([]), fc.constant([]), fc.array(query, { minLength: 1, maxLength: 2 })),
      command: fc.option(command, { nil: undefined }),
      onDuplicate: fc.constantFrom('verify' as const, 'keep-first' as const),
    })
    .map(({ isEmpty, events, ...append }) => ({
      ...append,
      events: isEmpty && append.command !== undefined ? [] : events,
    }));
}

function unitArbitrary(fc: FastCheck, append: fastCheck.Arbitrary<AppendSketch>): fastCheck.Arbitrary<UnitSketch> {
  const small = fc.integer({ min: 1, max: 8 });
  return fc.record({
    consumer: fc.constantFrom(...CONSUMERS),
    checkpoint: fc.option(
      small.map((low): Checkpoint => ({ low: position(low), done: [[position(low + 2), position(low + 5)]] })),
      { nil: undefined },
    ),
    appends: fc.oneof(fc.constant([]), fc.constant([]), fc.array(append, { minLength: 1, maxLength: 2 })),
    rows: fc.array(rowArbitrary(fc), { maxLength: 4 }),
    put: fc.array(deliveryArbitrary(fc), { maxLength: 3 }),
    remove: fc.array(small, { maxLength: 2 }),
  });
}

function rowArbitrary(fc: FastCheck): fastCheck.Arbitrary<RowWrite> {
  const indexValue = fc.option(fc.constantFrom(...INDEX_VALUES), { nil: undefined });
  return fc
    .tuple(
      fc.constantFrom(...NAMESPACES),
      fc.constantFrom(...KEYS),
      fc.constantFrom(undefined, null, 1, 'v', [1, { a: null }]),
      indexValue,
      indexValue,
    )
    .map(([namespace, key, value, i, j]) => ({
      namespace,
      key,
      value,
      indexes: { ...(i === undefined ? {} : { i }), ...(j === undefined ? {} : { j }) },
    }));
}

function deliveryArbitrary(fc: FastCheck): fastCheck.Arbitrary<Omit<Delivery, 'consumer'>> {
  return fc.record({
    position: fc.integer({ min: -2, max: 8 }).map(position),
    key: fc.constantFrom('k', 'l', 'é'),
    state: fc.constantFrom('retrying' as const, 'parked' as const, 'waiting' as const),
    attempts: fc.integer({ min: 0, max: 3 }),
    firstFailedMs: fc.constantFrom(undefined, BENCH_START_MS),
    lastFailedMs: fc.constantFrom(undefined, BENCH_START_MS + 1),
    dueMs: fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined }),
    priority: fc.integer({ min: -1, max: 1 }),
    error: fc.constantFrom(undefined, { name: 'Error', message: 'm', code: undefined, stack: 's', cause: undefined }),
    edited: fc.constantFrom(undefined, { data: null }, { data: [1] }),
    taken: fc.constantFrom(undefined, { watermarkMs: null, afterMs: 5 }, {
      watermarkMs: -7,
      afterMs: 0,
      due: true,
    } as const),
  });
}

function logChangeArbitrary(fc: FastCheck): fastCheck.Arbitrary<Operation> {
  const ordinal = fc.integer({ min: 0, max: EVENT_IDS * 2 });
  const trim = fc.record({
    category: fc.constantFrom(...CATEGORIES),
    olderThanMs: fc.option(fc.integer({ min: 0, max: 60 }), { nil: undefined }),
    keepNewest: fc.option(fc.integer({ min: 0, max: 6 }), { nil: undefined }),
    notAbove: ordinal,
    keep: fc.array(ordinal, { maxLength: 3 }).map((keep) => keep.sort((left, right) => left - right)),
    limit: fc.integer({ min: 1, max: 10 }),
  });
  const stream = fc.constantFrom(...STREAMS);
  return fc.oneof(
    fc.record({ kind: fc.constant('truncate' as const), stream, beforeVersion: fc.integer({ min: 0, max: 6 }) }),
    fc.record({ kind: fc.constant('delete' as const), stream }),
    fc.record({ kind: fc.constant('trim' as const), trim }),
    fc.record({ kind: fc.constant('trim' as const), trim }),
    fc.record({ kind: fc.constant('reopen' as const) }),
    fc.record({ kind: fc.constant('begin-chain' as const) }),
    fc.record({ kind: fc.constant('pass-time' as const), byMs: fc.integer({ min: -20, max: 40 }) }),
    fc.record({ kind: fc.constant('pass-time' as const), byMs: fc.integer({ min: 0, max: 40 }) }),
  );
}

function stateChangeArbitrary(fc: FastCheck): fastCheck.Arbitrary<Operation> {
  const consumer = fc.constantFrom(...CONSUMERS);
  const putConsumer = fc.record({
    kind: fc.constant('put-consumer' as const),
    consumer,
    low: fc.integer({ min: 0, max: 9 }),
  });
  const replaceConsumer = fc
    .record({
      kind: fc.constant('replace-consumer' as const),
      consumer,
      by: consumer,
      rows: fc.constantFrom([], [...NAMESPACES], NAMESPACES.toReversed()),
    })
    .filter(({ by, ...replaced }) => by !== replaced.consumer);
  return fc.oneof(
    putConsumer,
    putConsumer,
    fc.record({ kind: fc.constant('remove-consumer' as const), consumer }),
    replaceConsumer,
    replaceConsumer,
    fc.record({ kind: fc.constant('clear-rows' as const), namespace: fc.constantFrom(...NAMESPACES) }),
    fc.record({
      kind: fc.constant('put-schema' as const),
      type: fc.constantFrom('t', 'é'),
      version: fc.integer({ min: 1, max: 11 }),
      summary: fc.constantFrom(undefined, '', 's'),
    }),
  );
}

const DIRECTIONS = [undefined, 'forward', 'backward'] as const;

function logReadArbitrary(fc: FastCheck): fastCheck.Arbitrary<Operation> {
  const ordinal = fc.integer({ min: 0, max: EVENT_IDS * 2 });
  const limit = fc.integer({ min: 1, max: 12 });
  const types = fc.option(fc.array(fc.constantFrom(...TYPES, 'none'), { maxLength: 2 }), { nil: undefined });
  const readOptions = fc
    .record({
      limit,
      direction: fc.constantFrom(...DIRECTIONS),
      types,
      correlationid: fc.constantFrom(undefined, undefined, 'none', ...CORRELATIONS),
    })
    .map(present<ReadOptions>);
  const streamOptions = fc
    .record({
      limit,
      direction: fc.constantFrom(...DIRECTIONS),
      fromVersion: fc.option(fc.integer({ min: 1, max: 8 }), { nil: undefined }),
    })
    .map(present<ReadStreamOptions>);
  const listOptions = fc
    .record({
      limit,
      category: fc.constantFrom(undefined, ...CATEGORIES),
      after: fc.constantFrom(undefined, ...STREAMS),
    })
    .map(present<ListStreamsOptions>);
  return fc.oneof(
    fc.record({
      kind: fc.constant('read' as const),
      after: fc.option(ordinal, { nil: undefined }),
      options: readOptions,
    }),
    fc.record({
      kind: fc.constant('read-stream' as const),
      stream: fc.constantFrom(...STREAMS),
      options: streamOptions,
    }),
    fc.record({ kind: fc.constant('list-streams' as const), options: listOptions }),
    fc.record({ kind: fc.constant('count' as const), after: ordinal, upTo: ordinal, limit }),
    fc.record({
      kind: fc.constant('position-before' as const),
      recordedMs: fc.integer({ min: -10, max: 200 }).map((afterMs) => BENCH_START_MS + afterMs),
    }),
  );
}

function stateReadArbitrary(fc: FastCheck): fastCheck.Arbitrary<Operation> {
  const limit = fc.integer({ min: 1, max: 6 });
  const consumer = fc.constantFrom(...CONSUMERS);
  const index = fc.constantFrom('i', 'j');
  const indexValue = fc.constantFrom(...INDEX_VALUES);
  const condition = fc.record({
    index,
    op: fc.constantFrom('=' as const, '<' as const, '<=' as const, '>' as const, '>=' as const, 'prefix' as const),
    value: indexValue,
  });
  const where = fc.oneof(fc.constant([]), fc.tuple(condition), fc.tuple(condition), fc.tuple(condition, condition));
  const key = fc.constantFrom(...KEYS);
  const byKey = fc.record({
    limit,
    where,
    after: fc.option(
      key.map((last) => ({ key: last, value: undefined })),
      { nil: undefined },
    ),
  });
  const orderBy = fc.record({ index, direction: fc.constantFrom('asc' as const, 'desc' as const) });
  const byIndex = fc.record({
    limit,
    where,
    orderBy,
    after: fc.option(fc.record({ key, value: indexValue }), { nil: undefined }),
  });
  const states = fc.option(
    fc.array(fc.constantFrom('retrying' as const, 'parked' as const, 'waiting' as const), { maxLength: 2 }),
    { nil: undefined },
  );
  const after = fc.option(fc.record({ consumer, position: fc.integer({ min: 0, max: 9 }).map(position) }), {
    nil: undefined,
  });
  const listOptions = fc
    .record({
      limit,
      consumer: fc.option(consumer, { nil: undefined }),
      key: fc.constantFrom(undefined, 'k', 'é'),
      states,
      after,
    })
    .map(present<ListDeliveriesOptions>);
  return fc.oneof(
    fc.record({
      kind: fc.constant('query' as const),
      namespace: fc.constantFrom(...NAMESPACES),
      query: fc.oneof(byKey, byIndex, byIndex).map(present<RowQuery>),
    }),
    fc.record({ kind: fc.constant('list-deliveries' as const), options: listOptions }),
    fc.record({ kind: fc.constant('due' as const), consumer, untilMs: fc.integer({ min: 0, max: 6 }), limit }),
    fc.record({
      kind: fc.constant('held-keys' as const),
      consumer,
      after: fc.option(fc.constantFrom('', 'k', 'l', 'é'), { nil: undefined }),
      limit,
    }),
  );
}

type Optional<Options> = { readonly [Name in keyof Options]: Options[Name] | undefined };

/** Options without the members that are undefined: absent is absent. */
function present<Options extends object>(options: Optional<Options>): Options {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Options;
}
