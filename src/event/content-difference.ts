import { contentAttributes } from './content-digest.ts';
import type { EncodedEvent } from './event.ts';
import { sameJson } from './json.ts';
import { mayHoldSealed, withoutSealed } from './sealed-value.ts';

/** What `differs` says of an event that is known by its digest alone, because it was trimmed. */
export const DIFFERS_FROM_TRIMMED: readonly string[] = ['content'];

/**
 * The names of what two events with one (source, id) say differently; empty when they state the same fact.
 *
 * Shape     `type`, `schemaVersion`, `stream`, `subject`, `encoding`, `data`, then names of further attributes.
 * Guarantee JSON data is compared as values; what is sealed in it only by being there, since two sealings of one value have nothing in common
 *           and the key of the first may be gone. What the system sets at each call (time, trace, correlation, causation,
 *           partition key, who acts and how that came) is not compared: a second attempt may carry others.
 */
export function contentDifference(stored: EncodedEvent, given: EncodedEvent): string[] {
  const differs: string[] = (['type', 'schemaVersion', 'stream', 'subject', 'encoding'] as const).filter(
    (name) => stored[name] !== given[name],
  );
  if (stored.encoding === given.encoding && !sameData(stored, given)) differs.push('data');
  const known = contentAttributes(stored);
  const said = contentAttributes(given);
  for (const name of new Set([...known.keys(), ...said.keys()])) {
    if (known.get(name) !== said.get(name)) differs.push(name);
  }
  return differs;
}

function sameData(stored: EncodedEvent, given: EncodedEvent): boolean {
  if (stored.data === given.data) return true;
  if (stored.encoding !== 'json' || stored.data === null || given.data === null) return false;
  const [known, said] = [JSON.parse(stored.data), JSON.parse(given.data)] as [unknown, unknown];
  if (mayHoldSealed(stored.data) && mayHoldSealed(given.data))
    return sameJson(withoutSealed(known), withoutSealed(said));
  return sameJson(known, said);
}
