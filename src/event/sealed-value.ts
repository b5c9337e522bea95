import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { JsonValue } from './json.ts';

/** A key of a person, as long as there is one: without its secret, what it sealed is erased. */
export interface SubjectKey {
  readonly id: string;
  secret: KeyObject | undefined;
}

/** A personal value as it is stored: `<id of the key>.<s: a string, j: other JSON>.<base64url of nonce, ciphertext and tag>`. */
export interface SealedValue {
  readonly $sealed: string;
}

/** Where a value was sealed: it can be opened nowhere else. */
export interface SealedPlace {
  /** An event type, or `row <key>`. */
  readonly of: string;
  readonly place: string;
}

export const KEY_ID_BYTES = 16;
export const KEY_BYTES = 32;
export const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';
const TOKEN = /^([\w-]{22})\.([sj])\.([\w-]{38,})$/;
/** In text of JSON, also in JSON that is text in other JSON. */
const IN_TEXT = /\$sealed\\*":\\*"([\w-]{22})\./g;

/** Whether a JSON value is one that was sealed. */
export function isSealed(value: unknown): value is SealedValue {
  if (typeof value !== 'object' || value === null) return false;
  const token = (value as Partial<SealedValue>).$sealed;
  return typeof token === 'string' && TOKEN.test(token) && Object.keys(value).length === 1;
}

/** Whether some text may hold sealed values. */
export function mayHoldSealed(text: string): boolean {
  return text.includes('$sealed');
}

/** The ids of the keys of what is sealed in some text. */
export function keyIdsIn(text: string, into: Set<string>): void {
  for (const [, id] of text.matchAll(IN_TEXT)) if (id !== undefined) into.add(id);
}

export function keyIdOf({ $sealed }: SealedValue): string {
  return $sealed.slice(0, $sealed.indexOf('.'));
}

export function sealedString({ $sealed }: SealedValue): boolean {
  return TOKEN.exec($sealed)?.[2] === 's';
}

/** Seals a value for its place. `nonce`: never used before with the key. */
export function seal(value: JsonValue, key: SubjectKey, where: SealedPlace, nonce: Uint8Array): SealedValue {
  if (key.secret === undefined) throw new Error(`key ${key.id} is gone`);
  const kind = typeof value === 'string' ? 's' : 'j';
  const cipher = createCipheriv(CIPHER, key.secret, nonce);
  cipher.setAAD(additionalData(key.id, kind, where));
  const plain = typeof value === 'string' ? value : JSON.stringify(value);
  const sealed = Buffer.concat([nonce, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return { $sealed: `${key.id}.${kind}.${sealed.toString('base64url')}` };
}

/** Undefined: it is not what was sealed at this place. The key must be there. */
export function openSealed({ $sealed }: SealedValue, secret: KeyObject, where: SealedPlace): JsonValue | undefined {
  const [, id = '', kind = '', text = ''] = TOKEN.exec($sealed) ?? [];
  const bytes = Buffer.from(text, 'base64url');
  try {
    const decipher = createDecipheriv(CIPHER, secret, bytes.subarray(0, NONCE_BYTES));
    decipher.setAAD(additionalData(id, kind, where));
    decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
    const cipherText = bytes.subarray(NONCE_BYTES, bytes.length - TAG_BYTES);
    const plain = Buffer.concat([decipher.update(cipherText), decipher.final()]).toString('utf8');
    return kind === 's' ? plain : (JSON.parse(plain) as JsonValue);
  } catch {
    return undefined;
  }
}

/** JSON with nothing of what is sealed but that it is: what two sealings of one value have in common. */
export function withoutSealed(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (isSealed(value)) return { $sealed: '' };
  if (Array.isArray(value)) return value.map(withoutSealed);
  return Object.fromEntries(Object.entries(value).map(([name, child]) => [name, withoutSealed(child)]));
}

function additionalData(keyId: string, kind: string, { of, place }: SealedPlace): Buffer {
  return Buffer.from(JSON.stringify([keyId, kind, of, place]));
}
