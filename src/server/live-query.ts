import type { JsonValue, Position, ProjectionDefinition, RecordedEvent } from '../index.ts';
import { awaitPosition } from './await-position.ts';
import { frame } from './live-streams.ts';
import { ViewBehind } from './refusals.ts';
import type { Serving } from './route.ts';

/** A view that is paused or far behind is asked again so often. */
const BEHIND_MS = 1_000;
/** Reported when other rows have taken the place of those of a view. */
const SWITCHED = 'thereupon.build.switched';

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
  const types = [...view.on.map(({ type }) => type), SWITCHED];
  const events = system.events.subscribe({ types, after: seen, signal });
  await reached(serving, view, seen, signal);
  let rows = await textsOf(ask);
  yield frame(seen, { items: [...rows].map(([key, text]) => ({ key, row: parsed(text) })) }, 'result');
  for await (const event of events) {
    if (event.position <= seen || (event.type === SWITCHED && !isAbout(event, view))) continue;
    seen = await system.events.head();
    await reached(serving, view, seen, signal);
    if (signal.aborted) return;
    const now = await textsOf(ask);
    const changed = [...now].filter(([key, text]) => rows.get(key) !== text);
    const removed = [...rows.keys()].filter((key) => !now.has(key));
    const keys = [...now.keys()];
    const isMoved = [...rows.keys()].join('\n') !== keys.join('\n');
    rows = now;
    if (changed.length + removed.length === 0 && !isMoved) continue;
    yield frame(seen, { changed: changed.map(([key, text]) => ({ key, row: parsed(text) })), removed, keys }, 'change');
  }
}

function isAbout({ data }: RecordedEvent, { name }: ProjectionDefinition): boolean {
  return (data as { readonly view?: unknown }).view === name;
}

/** By key, each row as text, which tells whether it is otherwise. */
async function textsOf(ask: Ask): Promise<ReadonlyMap<string, string>> {
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
