import { createHmac, hash } from 'node:crypto';
import type { JsonValue } from '../event/json.ts';
import type { SubjectKey } from '../event/sealed-value.ts';

/** 132 bits: two commands under one id that agree by chance will not be met. */
const DIGEST_LENGTH = 22;

/** What a command asks for, in a few characters: the same again can be told from another one. Stored: the form may never change. */
export function commandDigest(name: string, data: JsonValue): string {
  return hash('sha256', asText(name, data), 'base64url').slice(0, DIGEST_LENGTH);
}

/** Of a command about a person, with a key of theirs: nobody who has not got it can try out what was asked. Stored: the form may never change. */
export function sealedDigest(name: string, data: JsonValue, { id, secret }: SubjectKey): string {
  if (secret === undefined) throw new Error(`key ${id} is gone`);
  // What else is done with the key says nothing of this.
  const ofDigests = createHmac('sha256', secret).update('thereupon.command-digest').digest();
  const digest = createHmac('sha256', ofDigests).update(asText(name, data)).digest('base64url');
  return `${id}.${digest.slice(0, DIGEST_LENGTH)}`;
}

/** The key of a digest of `sealedDigest`; undefined: it needs none. */
export function keyOfDigest(digest: string): string | undefined {
  const end = digest.indexOf('.');
  return end === -1 ? undefined : digest.slice(0, end);
}

function asText(name: string, data: JsonValue): string {
  return `${JSON.stringify(name)}\n${JSON.stringify(inOrder(data))}`;
}

/** Of a command whose id was made here: nobody can have asked under it before. */
export const NO_DIGEST = '';

/** With members in code unit order: a client may say them in another one when it asks again. */
function inOrder(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(inOrder);
  const members = value as Readonly<Record<string, JsonValue>>;
  // Without a prototype: __proto__ is a name like any other.
  const ordered = Object.create(null) as Record<string, JsonValue>;
  for (const name of Object.keys(members).sort()) {
    const child = members[name];
    if (child !== undefined) ordered[name] = inOrder(child);
  }
  return ordered;
}
