import type { JsonValue, Position, ProjectionDefinition, RecordedEvent } from '../index.ts';
import { awaitPosition } from './await-position.ts';
import { frame } from './live-streams.ts';
import { ViewBehind } from './refusals.ts';
import type { Serving } from './route.ts';

/** A view that is paused or far behind is asked again so often. */
const BEHIND_MS = 1_000;
/** Reported when other rows have taken the place of those of a view. */
const SWITCHED = 'thereupon.build.switched';
/** Reported when nobody can read any more what rows say of somebody. */
const FORGOTTEN = 'thereupon.subject.forgotten';

/** Rows that a query gives now, in their order. */
type Ask = () => Promise<readonly { readonly key: string; readonly row: unknown }[]>;

/**
 * What a query gives, and then how that changes: a message `result` with all rows, then messages `change` with the rows that are new or otherwise,
 * the keys of those that are gone, and the order of all keys.
 *
 * Guarantee The last message tells what the view gives with everything up to its `id`, or later. Of changes that follow each other quickly one
 *           message may tell.
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
  const types = [...view.on.map(({ type }) => type), SWITCHED, FORGOTTEN];
  const events = system.events.subscribe({ types, after: seen, signal });
  const place = await firstPlace(serving, view, seen, signal);
  let rows = await textsOf(ask);
  yield frame(place, { items: [...rows].map(([key, text]) => ({ key, row: parsed(text) })) }, 'result');
  const changes = async () => {
    await reached(serving, view, seen, signal);
    if (signal.aborted) return undefined;
    const before = rows;
    rows = await textsOf(ask);
    return difference(before, rows);
  };
  if (place < seen) {
    const change = await changes();
    if (change !== undefined) yield frame(seen, change, 'change');
  }
  for await (const event of events) {
    if (event.position <= seen || (event.type === SWITCHED && !isAbout(event, view))) continue;
    seen = await system.events.head();
    const change = await changes();
    if (signal.aborted) return;
    if (change !== undefined) yield frame(seen, change, 'change');
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

function isAbout({ data }: RecordedEvent, { name }: ProjectionDefinition): boolean {
  return (data as { readonly view?: unknown }).view === name;
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
      return await awaitPosition(serving, view.name, position);
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
