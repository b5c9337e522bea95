import type { InlineProjection, InlineRows } from '../consumer/inline-rows.ts';
import type { RowWrite } from '../consumer/row-store.ts';
import type { Reaction } from '../consumer/reaction.ts';
import { InvalidDefinition, WrongState } from '../errors.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { PersonalTypes } from '../event/event-opening.ts';
import type { JsonValue } from '../event/json.ts';
import { withMethods } from './store-methods.ts';
import type { Store } from '../store.ts';

/**
 * In the middle of a write there is nobody who could wait for a key. Those of events that are recorded there are in memory, since they were sealed
 * with them; where one is not, the store gives the projection up to a loop, which waits for it, and takes it again when that is at rest.
 */
function notInMemory(what: string): WrongState {
  return new WrongState(`the key of ${what} is not in memory, and has to be read first`);
}

/** Projections are given events that can be read. `known`: with keys that are in memory; undefined: one is not. */
export function openingInline(
  inlineRows: InlineRows,
  known: (events: readonly RecordedEvent[]) => readonly RecordedEvent[] | undefined,
): InlineRows {
  return {
    begin: (projection) =>
      inlineRows.begin(
        withMethods<InlineProjection>(projection, {
          project(events, look) {
            const opened = known(events);
            if (opened === undefined) throw notInMemory('an event');
            return projection.project(opened, {
              row: (namespace, key) => look.row(namespace, key),
              find(source, id) {
                const event = look.find(source, id);
                return event && (known([event])?.[0] ?? event);
              },
            });
          },
        }),
      ),
    end: (consumer) => inlineRows.end(consumer),
  };
}

/** What seals and opens rows with keys that are in memory; undefined: one is not. */
export interface RowsAtOnce {
  sealedAtOnce(rows: readonly RowWrite[]): readonly RowWrite[] | undefined;
  openedAtOnce(namespace: string, key: string, row: JsonValue): JsonValue | undefined;
}

/** Rows are sealed as they are written where events are recorded, and opened as they are looked at there. */
export function sealingInline(inlineRows: InlineRows, rows: RowsAtOnce): InlineRows {
  return {
    begin: (projection) =>
      inlineRows.begin(
        withMethods<InlineProjection>(projection, {
          project(events, look) {
            const written = projection.project(events, {
              row(namespace, key) {
                const row = look.row(namespace, key);
                if (row === undefined) return undefined;
                const opened = rows.openedAtOnce(namespace, key, row);
                if (opened === undefined) throw notInMemory(`row ${key} of ${namespace}`);
                return opened;
              },
              find: (source, id) => look.find(source, id),
            });
            const sealed = rows.sealedAtOnce(written);
            if (sealed === undefined) throw notInMemory('a row');
            return sealed;
          },
        }),
      ),
    end: (consumer) => inlineRows.end(consumer),
  };
}

/** Errors: InvalidDefinition where several nodes record events, of which each would have to have the keys of all. */
export function assertInlineOpened(types: PersonalTypes, reactions: readonly Reaction[], store: Store): void {
  if (types.size === 0 || store.cluster === undefined) return;
  const inline = reactions.find(
    (reaction) =>
      reaction.inline !== undefined &&
      (reaction.consumes === undefined || reaction.consumes.some((type) => types.has(type))),
  );
  if (inline === undefined) return;
  throw new InvalidDefinition(
    `projection "${inline.name}"`,
    `mode 'inline' of events with personal fields is not to be had on ${store.backend}, where each node would have to have the keys of all; define it with mode: 'async' and read one's own write with ?after-position=, or let it take events without personal fields`,
  );
}
