import { hash } from 'node:crypto';
import type { JsonValue } from '../event/json.ts';

/** 132 bits: two commands under one id that agree by chance will not be met. */
const DIGEST_LENGTH = 22;

/** What a command asks for, in a few characters: the same again can be told from another one. Stored: the form may never change. */
export function commandDigest(name: string, data: JsonValue): string {
  return hash('sha256', `${JSON.stringify(name)}\n${JSON.stringify(inOrder(data))}`, 'base64url').slice(
    0,
    DIGEST_LENGTH,
  );
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
