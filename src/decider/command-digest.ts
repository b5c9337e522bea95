import { hash } from 'node:crypto';
import type { JsonValue } from '../event/json.ts';

/** 132 bits: two commands under one id that agree by chance will not be met. */
const DIGEST_LENGTH = 22;

/** What a command asks for, in a few characters: the same again can be told from another one. Stored: the form may never change. */
export function commandDigest(name: string, data: JsonValue): string {
  return hash('sha256', `${JSON.stringify(name)}\n${canonical(data)}`, 'base64url').slice(0, DIGEST_LENGTH);
}

/** With members in code unit order, those that are undefined left out. */
function canonical(value: JsonValue): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${(value as readonly JsonValue[]).map(canonical).join(',')}]`;
  const members = Object.entries(value as Readonly<Record<string, JsonValue | undefined>>);
  members.sort(([left], [right]) => (left < right ? -1 : 1));
  const texts: string[] = [];
  for (const [name, child] of members)
    if (child !== undefined) texts.push(`${JSON.stringify(name)}:${canonical(child)}`);
  return `{${texts.join(',')}}`;
}
