import { hash } from 'node:crypto';
import type { EncodedEvent } from './event.ts';

/** Bytes of a digest. */
export const DIGEST_BYTES = 32;

/**
 * Everything that an event is but for its place in the log, in 32 bytes: another event has another one, whatever differs.
 *
 * Shape     SHA-256 as 32 characters of one byte each (latin1): as a string it costs half of what a buffer does. Over how long each of its parts is,
 *           `-` for one that is not there, and then the parts. Stored, and compared with what other versions of the program stored: the form may
 *           never change.
 * Guarantee Not what `contentDigest` is, which answers whether two events say the same: here time, causes and who acted count, too.
 */
export function eventDigest(event: EncodedEvent): string {
  const { id, source, type, schemaVersion, stream, subject, time, correlationid, causationid, encoding } = event;
  const data = encoding === 'none' ? undefined : (event.data ?? undefined);
  const attributes = event.attributes === undefined ? undefined : JSON.stringify(event.attributes);
  const lengths = `${id.length} ${source.length} ${type.length} ${schemaVersion} ${stream.length} ${lengthOf(subject)} ${time.length} ${correlationid.length} ${lengthOf(causationid)} ${encoding} ${lengthOf(attributes)} ${lengthOf(data)}\n`;
  const parts = `${id}${source}${type}${stream}${subject ?? ''}${time}${correlationid}${causationid ?? ''}${attributes ?? ''}`;
  return hash('sha256', `${lengths}${parts}${data ?? ''}`, 'binary');
}

function lengthOf(part: string | undefined): number | string {
  return part === undefined ? '-' : part.length;
}
