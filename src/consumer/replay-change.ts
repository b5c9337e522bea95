import { WrongState } from '../errors.ts';
import { BEFORE_ALL, START } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { awaitsBuild, fromTheBeginning, versionOf } from './adapt.ts';
import type { ConsumerRecord, RecordChange } from './checkpoint-store.ts';
import { missedAfterReplay } from './missed-events.ts';
import { namespaceOf } from './namespaces.ts';
import type { Reaction } from './reaction.ts';

/**
 * What lets a consumer handle everything behind a place again.
 *
 * Errors    WrongState for a replay from the middle of a consumer that keeps state, and where the store has an older version of it.
 */
export function replayChange(record: ConsumerRecord, reaction: Reaction, place: Position): RecordChange {
  const { kind, name, state, tables, version } = reaction;
  const { form } = record;
  if ((state !== undefined || tables !== undefined) && place !== START) {
    throw new WrongState(
      `${kind} ${name} keeps ${state === undefined ? 'tables' : 'state'}, and a replay from the middle would count events twice; replay it from the beginning`,
    );
  }
  if (awaitsBuild(record, reaction)) {
    throw new WrongState(
      `${kind} ${name} is of version ${versionOf(form)} in the store, and version ${version} takes its place when it is built; replay it after that`,
    );
  }
  const forget = {
    above: place === START ? BEFORE_ALL : place,
    rows: [
      ...(state === undefined ? [] : [state.namespace]),
      ...(tables === undefined ? [] : [tables.namespace]),
      // From the middle they go one by one, as the events are handled.
      ...(place === START ? [namespaceOf('out', name)] : []),
    ],
  };
  const began = form.began !== undefined && place < form.began ? place : form.began;
  const missed = form.missed && missedAfterReplay(form.missed, place);
  return {
    checkpoint: { low: place, done: [] },
    forget,
    form: { ...form, looksFor: fromTheBeginning(form.looksFor), began, missed, replayed: true },
  };
}
