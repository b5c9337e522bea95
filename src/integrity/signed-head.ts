import { createHash, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { InvalidInput } from '../errors.ts';
import { position } from '../event/position.ts';
import { isoTime } from '../system/clock.ts';
import type { ChainHead } from './verification.ts';

/** The form of what is signed. Another one is another number. */
const FORMAT = 1;
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/v;

/**
 * The head of a hash chain, signed: kept elsewhere, it shows later that the log still begins with what it held then.
 *
 * Shape     hash: 64 lower-case hexadecimal digits; times RFC 3339; key: which one signed, the SHA-256 of its public half (SPKI, DER) as
 *           hexadecimal digits; signature: Ed25519, base64.
 */
export interface SignedHead {
  readonly format: number;
  readonly number: number;
  readonly position: number;
  readonly hash: string;
  readonly recordedtime: string;
  readonly signedtime: string;
  readonly key: string;
  readonly signature: string;
}

/**
 * Signs a head.
 *
 * Shape     privateKey: Ed25519, as PEM (PKCS #8), such as `openssl genpkey -algorithm ed25519` makes.
 * Errors    InvalidInput when it is no such key.
 */
export function signHead(head: ChainHead, privateKey: string, nowMs: number): SignedHead {
  const key = keyOf(privateKey, 'privateKey', createPrivateKey);
  const { number, position: place, hash, recordedMs } = head;
  const unsigned = {
    format: FORMAT,
    number,
    position: place,
    hash,
    recordedtime: isoTime(recordedMs),
    signedtime: isoTime(nowMs),
    key: fingerprint(createPublicKey(key)),
  };
  return { ...unsigned, signature: sign(undefined, textOf(unsigned), key).toString('base64') };
}

/**
 * The head that was signed, where it was signed by that key.
 *
 * Shape     publicKey: Ed25519, as PEM (SPKI), such as `openssl pkey -pubout` makes of the private one.
 * Errors    InvalidInput names what of the signed head is not as it must be: also when another key signed it, or it was changed since.
 */
export function assertSigned(value: unknown, publicKey: string): Pick<ChainHead, 'number' | 'position' | 'hash'> {
  const head = assertShape(value);
  // The public one would be made of it without a word.
  if (PRIVATE_KEY.test(publicKey))
    throw new InvalidInput({
      path: 'publicKey',
      expected:
        'an Ed25519 public key as PEM, and that is a private key; give the public one, and keep the private one elsewhere',
      found: 'a private key',
    });
  const key = keyOf(publicKey, 'publicKey', createPublicKey);
  const own = fingerprint(key);
  if (head.key !== own)
    throw new InvalidInput({ path: 'head.key', expected: `${own}, that of the public key`, found: head.key });
  if (!verify(undefined, textOf(head), key, Buffer.from(head.signature, 'base64')))
    throw new InvalidInput({
      path: 'head.signature',
      expected: 'the signature of this head; the head, or the signature, was changed since it was signed',
      found: head.signature,
    });
  return { number: head.number, position: position(head.position), hash: head.hash };
}

function textOf({
  format,
  number,
  position: place,
  hash,
  recordedtime,
  signedtime,
  key,
}: Omit<SignedHead, 'signature'>): Buffer {
  return Buffer.from(
    `thereupon signed head ${format}\n${[number, place, hash, recordedtime, signedtime, key].join('\n')}\n`,
  );
}

function fingerprint(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ format: 'der', type: 'spki' }))
    .digest('hex');
}

function keyOf(pem: string, path: string, create: (pem: string) => KeyObject): KeyObject {
  const kind = path === 'privateKey' ? 'private' : 'public';
  const expected = `an Ed25519 ${kind} key as PEM`;
  let key: KeyObject;
  try {
    key = create(pem);
  } catch (error) {
    // What was given may be a secret.
    throw new InvalidInput({ path, expected, found: 'something else' }, { cause: error });
  }
  if (key.asymmetricKeyType !== 'ed25519')
    throw new InvalidInput({ path, expected, found: `one of type ${key.asymmetricKeyType ?? 'unknown'}` });
  return key;
}

const SHAPE: { readonly [Name in keyof SignedHead]: readonly [expected: string, (value: unknown) => boolean] } = {
  format: [`${FORMAT}, which is what this version of thereupon reads`, (value) => value === FORMAT],
  number: ['a whole number from 1', (value) => Number.isSafeInteger(value) && Number(value) >= 1],
  position: ['a whole number from 0', (value) => Number.isSafeInteger(value) && Number(value) >= 0],
  hash: ['64 lower-case hexadecimal digits', (value) => typeof value === 'string' && /^[\da-f]{64}$/v.test(value)],
  recordedtime: ['text', (value) => typeof value === 'string'],
  signedtime: ['text', (value) => typeof value === 'string'],
  key: ['64 lower-case hexadecimal digits', (value) => typeof value === 'string' && /^[\da-f]{64}$/v.test(value)],
  signature: ['text', (value) => typeof value === 'string'],
};

function assertShape(value: unknown): SignedHead {
  if (typeof value !== 'object' || value === null)
    throw new InvalidInput({ path: 'head', expected: 'a signed head', found: value });
  for (const [name, [expected, holds]] of Object.entries(SHAPE)) {
    const found = (value as Readonly<Record<string, unknown>>)[name];
    if (!holds(found)) throw new InvalidInput({ path: `head.${name}`, expected, found });
  }
  return value as SignedHead;
}
