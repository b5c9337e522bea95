import { InvalidDefinition } from '../errors.ts';
import type { JsonValue } from '../event/json.ts';
import type { StoredEvent } from '../event/event.ts';
import { erasedData, replacePersonal, valueAt } from '../event/personal-fields.ts';
import { recordedEvent } from '../event/recorded-event.ts';
import { personalTexts, textsIn } from '../event/redaction.ts';
import type { KeyedState } from './reaction.ts';

/**
 * Subjects of states and values of indexes stay readable when a state is erased, so neither may be made of what is personal in it.
 *
 * Errors    InvalidDefinition names the index; InvalidInput for a subject that is no name.
 */
export function assertSealable(
  title: string,
  state: Pick<KeyedState, 'indexes' | 'indexNames' | 'personal'>,
  key: string,
  value: JsonValue,
): void {
  const { personal } = state;
  // Operators look at theirs themselves.
  if (typeof personal !== 'object' || 'partsOf' in personal) return;
  const subject = personal.subjectOf(value, key);
  const without = erasedData(value, personal) as JsonValue;
  if (asErased(() => personal.subjectOf(without, key)) !== subject)
    throw new InvalidDefinition(title, 'personal.subject reads a personal field; make it of something else');
  if (state.indexNames.length === 0) return;
  const values = state.indexes(value);
  const left = asErased(() => state.indexes(without));
  const index = state.indexNames.find((name) => left?.[name] !== values[name]);
  if (index !== undefined)
    throw new InvalidDefinition(
      title,
      `index ${index} reads a personal field, and what it gives stays readable when that is erased; make it of something else`,
    );
}

/** The personal values of a state, and of the events that are kept in it, as they would stand in a message. */
export function personalTextsOf(state: KeyedState | undefined, value: JsonValue | undefined): readonly string[] {
  const personal = state?.personal;
  if (state === undefined || typeof personal !== 'object' || value === undefined) return [];
  const stored = state.form === undefined ? value : state.form.stored(value);
  const parts = 'partsOf' in personal ? personal.partsOf(stored) : [{ path: [], fields: personal }];
  const texts: string[] = [];
  for (const { path, fields } of parts)
    replacePersonal(valueAt(stored, path), fields, (found) => void texts.push(...textsIn(found)));
  if (state.form !== undefined) collectTexts(value, texts);
  return texts;
}

function collectTexts(value: unknown, into: string[]): void {
  if (typeof value !== 'object' || value === null) return;
  if (isStored(value)) into.push(...personalTexts(recordedEvent(value)));
  else for (const child of Object.values(value)) collectTexts(child, into);
}

function isStored(value: object): value is StoredEvent {
  return 'recordedMs' in value && 'encoding' in value;
}

function asErased<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
