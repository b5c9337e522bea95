import type { JsonValue, Position, ProjectionDefinition, RecordedEvent } from '../index.ts';
import { awaitPosition } from './await-position.ts';
import { frame } from './live-streams.ts';
import { ViewBehind } from './refusals.ts';
import type { Serving } from './route.ts';

/** A view that is paused or far behind, or of which something is attempted again, is asked again so often. */
const BEHIND_MS = 1_000;
/** Reported when other rows have taken the place of those of a view. */
const SWITCHED = 'thereupon.build.switched';
/** Reported when what was set aside of a view is taken up, or given up so that what was behind it goes on, or all is begun anew. */
const TAKEN_UP = [
  'thereupon.delivery.released',
  'thereupon.delivery.discarded',
  'thereupon.delivery.expired',
  'thereupon.consumer.replayed',
];
/** Reported when nobody can read any more what rows say of somebody. */
const FORGOTTEN = 'thereupon.subject.forgotten';

/** Rows that a query gives now, in their order. */
type Ask = () => Promise<readonly { readonly key: string; readonly row: unknown }[]>;

/**
 * What a query gives, and then how that changes: a message `result` with all rows, then messages `change` with the rows that are new or otherwise,
 * the keys of those that are gone, and the order of all keys.
 *
 * Guarantee The last message tells what the view gives with everything up to its `id`, or later; what is attempted again is told when it is
 *           handled, what is a dead letter when that was taken up. Of changes that follow each other quickly one message may tell.
 */
export async function* liveQuery(
  serving: Serving,
  view: ProjectionDefinition,
  ask: Ask,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  const { system } = serving;
  // The place is taken before the view is asked: what changes in between is looked at again.
  let seen: Position = await system.events.head();
  const types = [...view.on.map(({ type }) => type), SWITCHED, ...TAKEN_UP, FORGOTTEN];
  const events = system.events.subscribe({ types, after: seen, signal });
  const place = await firstPlace(serving, view, seen, signal);
  // Rows may change by themselves while something of the view is attempted again. Known before they are read: else the last change could be missed.
  let isUnsettled = await system.consumers.isAttemptedAgain(view.name, seen);
  let rows = await textsOf(ask);
  yield frame(place, { items: [...rows].map(([key, text]) => ({ key, row: parsed(text) })) }, 'result');
  const changes = async () => {
    await reached(serving, view, seen, signal);
    if (signal.aborted) return undefined;
    isUnsettled = await system.consumers.isAttemptedAgain(view.name, seen);
    const before = rows;
    rows = await textsOf(ask);
    return difference(before, rows);
  };
  if (place < seen) {
    const change = await changes();
    if (change !== undefined) yield frame(seen, change, 'change');
  }
  for await (const event of withLooks(events, () => isUnsettled, system.environment)) {
    if (event !== undefined) {
      if (event.position <= seen || !isAbout(event, view)) continue;
      seen = await system.events.head();
    }
    const change = await changes();
    if (signal.aborted) return;
    if (change !== undefined) yield frame(seen, change, 'change');
  }
}

/** The events, and undefined now and then while it is to be looked again. */
async function* withLooks(
  events: AsyncIterable<RecordedEvent>,
  looksAgain: () => boolean,
  { clock }: Serving['system']['environment'],
): AsyncGenerator<RecordedEvent | undefined, void, undefined> {
  const iterator = events[Symbol.asyncIterator]();
  try {
    let next = iterator.next();
    for (;;) {
      let cancel: (() => void) | undefined;
      const look = looksAgain()
        ? [new Promise<undefined>((resolve) => (cancel = clock.setTimer(BEHIND_MS, () => resolve(undefined))))]
        : [];
      const found = await Promise.race([next, ...look]);
      cancel?.();
      if (found?.done === true) return;
      yield found?.value;
      if (found !== undefined) next = iterator.next();
    }
  } finally {
    await iterator.return?.();
  }
}

/** Undefined: nothing is otherwise. */
function difference(before: Texts, now: Texts): JsonValue | undefined {
  const changed = [...now].filter(([key, text]) => before.get(key) !== text);
  const removed = [...before.keys()].filter((key) => !now.has(key));
  const keys = [...now.keys()];
  const isMoved = [...before.keys()].join('\n') !== keys.join('\n');
  if (changed.length + removed.length === 0 && !isMoved) return undefined;
  return { changed: changed.map(([key, text]) => ({ key, row: parsed(text) })), removed, keys };
}

/** Where the rows are that are told first. Of a view that stands still, or that a new version is built of, they are told as they are. */
async function firstPlace(
  serving: Serving,
  view: ProjectionDefinition,
  head: Position,
  signal: AbortSignal,
): Promise<Position> {
  const { isReached, status } = await serving.system.consumers.reached(view.name, head);
  if (!isReached && status.state !== 'running') return status.position;
  await reached(serving, view, head, signal);
  return head;
}

/** What is reported of another view is nothing to this one. */
function isAbout({ type, data }: RecordedEvent, { name }: ProjectionDefinition): boolean {
  if (type === SWITCHED) return (data as { readonly view?: unknown }).view === name;
  return !TAKEN_UP.includes(type) || (data as { readonly consumer?: unknown }).consumer === name;
}

/** By key, each row as text, which tells whether it is otherwise. */
type Texts = ReadonlyMap<string, string>;

async function textsOf(ask: Ask): Promise<Texts> {
  return new Map((await ask()).map(({ key, row }) => [key, JSON.stringify(row)]));
}

function parsed(text: string): JsonValue {
  return JSON.parse(text) as JsonValue;
}

/** However long that takes: a view that is paused goes on at some time. */
async function reached(
  serving: Serving,
  view: ProjectionDefinition,
  position: Position,
  signal: AbortSignal,
): Promise<void> {
  const { clock } = serving.system.environment;
  while (!signal.aborted) {
    try {
      return await awaitPosition(serving, view.name, position, { isAnyhow: true });
    } catch (error) {
      if (!(error instanceof ViewBehind)) throw error;
      await new Promise<void>((resolve) => {
        const cancel = clock.setTimer(BEHIND_MS, resolve);
        signal.addEventListener(
          'abort',
          () => {
            cancel();
            resolve();
          },
          { once: true },
        );
      });
    }
  }
}
