import type { PersonalTypes } from '../event/event-opening.ts';
import { NONCE_BYTES } from '../event/sealed-value.ts';
import type { Sealing } from '../schema/sealing.ts';
import type { SubjectKeys } from './subject-keys.ts';

/** What seals the personal fields of a program. */
export function sealingOf(types: PersonalTypes, keys: SubjectKeys): Sealing {
  return {
    types,
    current: (subject) => keys.current(subject),
    obtain: (subject) => keys.obtain(subject),
    isForgetting: (subject) => keys.isForgetting(subject),
    get forgettings() {
      return keys.forgettings;
    },
    fetch: (ids) => keys.fetch(ids),
    nonce: () => keys.nonce(NONCE_BYTES),
  };
}
