import type { EventLog } from '../channel/event-log.ts';
import type { CheckpointStore } from '../consumer/checkpoint-store.ts';
import type { DeliveryStore } from '../consumer/delivery-store.ts';
import type { IndexCondition, RowQuery, RowStore } from '../consumer/row-store.ts';
import { START } from '../event/position.ts';
import type { SchemaStore } from '../schema/schema-store.ts';
import type { Store } from '../store.ts';
import { attestedIn } from './attested.ts';
import {
  CATEGORIES,
  COMMANDS,
  CONSUMERS,
  CORRELATIONS,
  EVENT_IDS,
  INDEX_VALUES,
  NAMESPACES,
  SOURCES,
  STREAMS,
  TAGS,
  TYPES,
} from './model-operations.ts';
import type { Ordinals } from './model-ordinals.ts';

const EVERYTHING = 10_000;
const OPERATORS: readonly IndexCondition['op'][] = ['=', '<', '<=', '>', '>=', 'prefix'];

/** Everything that a store holds, by every way of reading, in words that do not depend on the store. */
export async function survey(store: Store, ordinals: Ordinals): Promise<Readonly<Record<string, unknown>>> {
  return {
    ...(await surveyLog(store.log, ordinals)),
    ...(await surveyStreams(store.log, ordinals)),
    ...(await surveyChain(store, ordinals)),
    ...(await surveyConsumers(store.checkpoints, store.schemas)),
    ...(await surveyDeliveries(store.deliveries)),
    ...(await surveyRows(store.rows)),
  };
}

/** Asks one question about each item. */
async function each<Item, Answer>(
  items: readonly Item[],
  ask: (item: Item) => Promise<Answer>,
): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  for (const item of items) answers.push(await ask(item));
  return answers;
}

async function surveyLog(log: EventLog, ordinals: Ordinals): Promise<Readonly<Record<string, unknown>>> {
  const head = await log.head();
  const forward = await log.read({ limit: EVERYTHING });
  const places = Array.from({ length: ordinals.count + 1 }, (_, ordinal) => ordinals.positionOf(ordinal));
  const identities = SOURCES.flatMap((source) =>
    Array.from({ length: EVENT_IDS }, (_, number) => [source, `e${number}`] as const),
  );
  const instants = [...new Set(forward.flatMap(({ recordedMs }) => [recordedMs, recordedMs + 1]))];
  const read = async (...options: Parameters<EventLog['read']>) => ordinals.worded(await log.read(...options));
  return {
    head: ordinals.ordinalOf(head),
    forward: ordinals.worded(forward),
    backward: await read({ direction: 'backward', limit: EVERYTHING }),
    after: await each(places, (after) => read({ after, limit: 2 })),
    before: await each(places, (after) => read({ after, limit: 2, direction: 'backward' })),
    ofType: await each(TYPES, (type) => read({ types: [type], limit: EVERYTHING })),
    ofConversation: await each(CORRELATIONS, (correlationid) => read({ correlationid, limit: EVERYTHING })),
    ofTag: await each(TAGS, (tag) => read({ tags: [tag], limit: EVERYTHING })),
    ofTags: await read({ tags: TAGS, limit: EVERYTHING, direction: 'backward' }),
    ofTagAndType: await each(TYPES, (type) => read({ tags: ['x:0'], types: [type], limit: 2 })),
    commands: await each(COMMANDS, async (id) => {
      const command = await log.findCommand(id);
      return command === undefined ? undefined : ordinals.wordedCommand(command);
    }),
    found: await each(identities, async ([source, id]) => {
      const event = await log.find(source, id);
      return event === undefined ? undefined : ordinals.worded([event]);
    }),
    foundById: await each(
      Array.from({ length: EVENT_IDS }, (_, number) => `e${number}`),
      async (id) => ordinals.worded(await log.findById(id)),
    ),
    count: await each(places, (after) => log.count(after, head, EVERYTHING)),
    // Several positions are right: what counts is what comes after.
    since: await each(instants, async (recordedMs) =>
      log.count(await log.positionBefore(recordedMs), head, EVERYTHING),
    ),
  };
}

async function surveyStreams(log: EventLog, ordinals: Ordinals): Promise<Readonly<Record<string, unknown>>> {
  return {
    streams: await log.listStreams({ limit: EVERYTHING }),
    categories: await each(CATEGORIES, (category) => log.listStreams({ category, limit: EVERYTHING })),
    streamStates: await each(STREAMS, (stream) => log.streamState(stream)),
    streamEvents: await each(STREAMS, async (stream) =>
      ordinals.worded(await log.readStream(stream, { limit: EVERYTHING })),
    ),
    lastOfStreams: await each(STREAMS, async (stream) =>
      ordinals.worded(await log.readStream(stream, { direction: 'backward', limit: 1 })),
    ),
  };
}

/** How events are shared out among links is each store's own. */
async function surveyChain(store: Store, ordinals: Ordinals): Promise<Readonly<Record<string, unknown>>> {
  if ((await store.chain.last()) === undefined) return { attested: undefined };
  const found = await attestedIn(store).catch((error: Error) => error);
  // The model holds: what does not differs from it.
  if (found instanceof Error) return { attested: found.message };
  const { removed } = found;
  return { attested: removed.toSorted((left, right) => left - right).map((place) => ordinals.ordinalOf(place)) };
}

async function surveyConsumers(
  checkpoints: CheckpointStore,
  schemas: SchemaStore,
): Promise<Readonly<Record<string, unknown>>> {
  return {
    consumers: await checkpoints.list(),
    loaded: await each(CONSUMERS, (consumer) => checkpoints.load(consumer)),
    schemas: await schemas.list(),
  };
}

async function surveyDeliveries(deliveries: DeliveryStore): Promise<Readonly<Record<string, unknown>>> {
  const states = ['retrying', 'parked', 'waiting'] as const;
  return {
    deliveries: await deliveries.list({ limit: EVERYTHING }),
    deliveriesInState: await each(states, (state) => deliveries.list({ states: [state], limit: EVERYTHING })),
    deliveryCounts: (await deliveries.counts())
      .map(({ consumer, state, count }) => `${consumer} ${state} ${count}`)
      .sort(),
    heldKeys: await each(CONSUMERS, (consumer) => deliveries.heldKeys(consumer, undefined, EVERYTHING)),
    heldKeysAfter: await each(CONSUMERS, (consumer) => deliveries.heldKeys(consumer, 'k', 2)),
    due: await each(CONSUMERS, (consumer) => deliveries.due(consumer, EVERYTHING, EVERYTHING)),
    nextDue: await each(CONSUMERS, (consumer) => deliveries.nextDueMs(consumer, -1)),
    nextDueAfter: await each(CONSUMERS, (consumer) => deliveries.nextDueMs(consumer, 40)),
    pointedTo: await deliveries.positions(START, EVERYTHING),
  };
}

async function surveyRows(rows: RowStore): Promise<Readonly<Record<string, unknown>>> {
  const conditions = OPERATORS.flatMap((op) =>
    INDEX_VALUES.map((value): IndexCondition => ({ index: 'i', op, value })),
  );
  const queries: readonly RowQuery[] = [
    { limit: EVERYTHING },
    ...(['asc', 'desc'] as const).flatMap((direction) =>
      ['i', 'j'].map((index): RowQuery => ({ orderBy: { index, direction }, limit: EVERYTHING })),
    ),
    ...conditions.map((condition): RowQuery => ({ where: [condition], limit: EVERYTHING })),
  ];
  const ofNamespaces = await each(NAMESPACES, async (namespace) => [
    await rows.count(namespace),
    ...(await each(queries, (query) => rows.query(namespace, query))),
  ]);
  return { rows: ofNamespaces };
}
