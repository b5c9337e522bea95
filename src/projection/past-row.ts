import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EventLog } from '../channel/event-log.ts';
import { HistoryShortened } from '../errors.ts';
import { deepFreeze } from '../event/json.ts';
import type { Position } from '../event/position.ts';
import { categoryOf } from '../event/stream-name.ts';
import type { Span } from '../time/as-of.ts';
import type { ProjectionDefinition } from './define-projection.ts';

const PAGE = 1_000;
const PAGE_BYTES = 16 * 1_024 * 1_024;

/** A row as the events of a span make it. `shortened`: categories that have lost events. Errors: HistoryShortened where it follows from streams of such a one. */
export async function pastRow(
  log: EventLog,
  { name, reaction, keyOf, evolve }: Pick<ProjectionDefinition, 'name' | 'reaction' | 'keyOf' | 'evolve'>,
  {
    key,
    span,
    from,
    shortened,
    signal,
  }: {
    readonly key: string;
    readonly span: Span;
    /** The view begins with the events after it. */
    readonly from: Position;
    readonly shortened: ReadonlySet<string>;
    readonly signal: AbortSignal | undefined;
  },
): Promise<unknown> {
  const types = reaction.consumes;
  let row: unknown;
  for (let after = from; ;) {
    const page = await log.read({
      after,
      limit: PAGE,
      maxBytes: PAGE_BYTES,
      ...(types === undefined ? {} : { types }),
    });
    for (const event of page) {
      const category = shortened.size === 0 ? undefined : categoryOf(event.stream);
      if (category !== undefined && shortened.has(category))
        throw new HistoryShortened(`row ${key} of view ${name}`, [category], 'only the row of now can be told');
      if (span.isPast(event)) return row;
      if (!span.has(event) || !reaction.selection.matches(event) || keyOf(event) !== key) continue;
      row = deepFreeze(evolve(row, event));
    }
    const last = page.at(-1);
    if (last === undefined) return row;
    after = last.position;
    signal?.throwIfAborted();
    // Others have a turn between two pages.
    await nextTurn();
  }
}
