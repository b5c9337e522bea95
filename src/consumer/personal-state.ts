import { InvalidDefinition } from '../errors.ts';
import type { JsonValue } from '../event/json.ts';
import { erasedData } from '../event/personal-fields.ts';
import type { KeyedState } from './reaction.ts';

/**
 * Subjects of states and values of indexes stay readable when a state is erased, so neither may be made of what is personal in it.
 *
 * Errors    InvalidDefinition names the index; InvalidInput for a subject that is no name.
 */
export function assertSealable(title: string, state: KeyedState, key: string, value: JsonValue): void {
  const { personal } = state;
  if (typeof personal !== 'object') return;
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

function asErased<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
