import { createHash, timingSafeEqual } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { InvalidInput } from '../index.ts';
import { ForeignRequest, Unauthorized } from './refusals.ts';

/** What of a request says who asks. */
export interface Asker {
  readonly method: string;
  readonly url: string;
  header(name: string): string | undefined;
}

/** Throws when the request must not be answered. */
export type Access = (asker: Asker) => void;

/**
 * Who may ask: with keys, who has one; without, programs of this machine and pages that this server itself gave.
 *
 * Guarantee Keys are compared in constant time. Without keys a name that somebody pointed at this machine (DNS rebinding) and a foreign
 *           page in this machine's browser (cross-site request) get nothing.
 * Errors    Unauthorized, ForeignRequest
 */
export function accessOf(apiKeys: readonly string[]): Access {
  for (const [index, key] of apiKeys.entries()) {
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
  const digests = apiKeys.map(digest);
  return (asker) => {
    const given = /^Bearer +([\x21-\x7e]+) *$/i.exec(asker.header('authorization') ?? '')?.[1];
    const found = digest(given ?? '');
    let known = false;
    for (const each of digests) known = timingSafeEqual(each, found) || known;
    if (given === undefined || !known) throw new Unauthorized(given !== undefined);
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

function assertLocal(asker: Asker): void {
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
