import { ACTOR_TYPES, InvalidInput, assertActor } from '../../index.ts';
import type { Actor } from '../../index.ts';
import { UsageError } from '../failure.ts';

/** Of an option `--actor`: `user:anna`, or a type alone. Errors: UsageError. */
export function parseActor(text: string): Actor {
  const split = text.indexOf(':');
  const actor = split === -1 ? { type: text } : { type: text.slice(0, split), id: text.slice(split + 1) };
  try {
    assertActor(actor);
    return actor;
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    throw new UsageError(
      `--actor: expected type:id, such as user:anna, with a type of ${ACTOR_TYPES.join(', ')}; found ${JSON.stringify(text)}`,
    );
  }
}
