import type { Handling } from '../consumer/reaction.ts';
import { storedError } from '../consumer/stored-error.ts';
import { SYSTEM_EVENTS } from '../event/system-events.ts';
import type { SequenceGap, SequenceOptions } from './in-sequence.ts';

/** A source that cannot be asked is as one that does not answer: what is missing is waited for as long, and no longer. */
export async function asked(
  handling: Pick<Handling, 'isLast' | 'key' | 'log' | 'number' | 'report'>,
  ask: SequenceOptions['ask'],
  gap: SequenceGap,
): Promise<void> {
  try {
    await ask?.(gap);
  } catch (error) {
    if (!handling.isLast(error)) throw error;
    const { source, subject, from, to } = gap;
    const { name, message } = storedError(error);
    handling.log.warn({ ...gap, err: error }, 'a source could not be asked for what is missing');
    handling.report(SYSTEM_EVENTS.sequenceUnasked, {
      key: handling.key,
      of: { source, subject },
      from,
      to,
      attempts: handling.number,
      error: { name, message },
    });
  }
}
