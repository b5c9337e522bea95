import { createHash, timingSafeEqual } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { InvalidInput, assertActor } from '../index.ts';
import type { Actor, NamedKey } from '../index.ts';
import { ForeignRequest, Unauthorized } from './refusals.ts';

/** What of a request says who asks. */
export interface Asker {
  readonly method: string;
  readonly url: string;
  header(name: string): string | undefined;
}

/** Throws when the request must not be answered. Answers whose key it carries; undefined: it needs none. */
export type Access = (asker: Asker) => Actor | undefined;

/**
 * Who may ask: with keys, who has one; without, programs of this machine and pages that this server itself gave.
 *
 * Guarantee Keys are compared in constant time. Without keys a name that somebody pointed at this machine (DNS rebinding) and a foreign
 *           page in this machine's browser (cross-site request) get nothing.
 * Errors    Unauthorized, ForeignRequest
 */
export function accessOf(apiKeys: readonly (string | NamedKey)[]): Access {
  const keys = apiKeys.map(keyOf);
  for (const [index, key] of keys.entries()) {
    // Never the key itself in an error: it would end in a log.
    if (typeof key !== 'string' || !/^[\x21-\x7e]+$/.test(key)) {
      throw new InvalidInput({
        path: `server.apiKeys[${index}]`,
        expected: 'visible ASCII characters without spaces',
        found: typeof key === 'string' ? `${key.length} characters` : key,
      });
    }
  }
  if (apiKeys.length === 0) return assertLocal;
  const known = keys.map((key, index) => {
    const sum = digest(key);
    const own = apiKeys[index];
    return {
      sum,
      actor: actorOf(typeof own === 'object' ? own.name : `key-${sum.toString('hex').slice(0, 12)}`, index),
    };
  });
  return (asker) => {
    const given = /^Bearer +([\x21-\x7e]+) *$/i.exec(asker.header('authorization') ?? '')?.[1];
    const found = digest(given ?? '');
    let actor: Actor | undefined;
    for (const each of known) if (timingSafeEqual(each.sum, found)) actor = each.actor;
    if (given === undefined || actor === undefined) throw new Unauthorized(given !== undefined);
    return actor;
  };
}

/** Whether only this machine can reach the address or name. */
export function isLoopback(host: string): boolean {
  const name = host
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
    .toLowerCase();
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  return name === '::1' || (isIPv4(name) && name.startsWith('127.'));
}

/** The text of a key. */
function keyOf(apiKey: string | NamedKey): string {
  return typeof apiKey === 'object' && (apiKey as NamedKey | null) !== null ? apiKey.key : (apiKey as string);
}

/** Errors: InvalidInput. */
function actorOf(name: string, index: number): Actor {
  const actor = { type: 'api_key', id: name };
  try {
    assertActor(actor);
    return Object.freeze(actor);
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    throw new InvalidInput({
      path: `server.apiKeys[${index}].name`,
      expected: 'a name, such as shop-backend',
      found: name,
    });
  }
}

function assertLocal(asker: Asker): undefined {
  const host = asker.header('host') ?? new URL(asker.url).host;
  if (!isLoopback(host.replace(/:\d*$/, ''))) throw new ForeignRequest('Host', host);
  const site = asker.header('sec-fetch-site');
  const navigation = asker.header('sec-fetch-mode') === 'navigate' && asker.method === 'GET';
  if (site !== undefined && site !== 'same-origin' && site !== 'none' && !navigation)
    throw new ForeignRequest('Sec-Fetch-Site', site);
  const origin = asker.header('origin');
  if (origin !== undefined && origin !== `http://${host}`) throw new ForeignRequest('Origin', origin);
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
