import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EventLog } from '../channel/event-log.ts';
import { deepFreeze } from '../event/json.ts';
import { START } from '../event/position.ts';
import type { Span } from '../time/as-of.ts';
import type { ProjectionDefinition } from './define-projection.ts';

const PAGE = 1_000;
const PAGE_BYTES = 16 * 1_024 * 1_024;

/** A row as the events of a span make it. */
export async function pastRow(
  log: EventLog,
  { reaction, keyOf, evolve }: Pick<ProjectionDefinition, 'reaction' | 'keyOf' | 'evolve'>,
  { key, span, signal }: { readonly key: string; readonly span: Span; readonly signal: AbortSignal | undefined },
): Promise<unknown> {
  const types = reaction.consumes;
  let row: unknown;
  for (let after = START; ;) {
    const page = await log.read({
      after,
      limit: PAGE,
      maxBytes: PAGE_BYTES,
      ...(types === undefined ? {} : { types }),
    });
    for (const event of page) {
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
