import { BlockList, isIP, isIPv6 } from 'node:net';
import { InvalidInput, actorAttributes, circumstanceAttributes, decodeHeaderValue } from '../index.ts';
import type { Caller, IncomingEvent, ServerOptions } from '../index.ts';
import type { RouteRequest } from './route.ts';

/** Finds the address that a request comes from; undefined: it is not to be kept. */
export type AddressOf = (socket: string | undefined, forwarded: string | undefined) => string | undefined;

/**
 * How addresses of callers are told: not at all, by the connection, or, where that is one of a trusted proxy, by what the proxy says of it
 * (`X-Forwarded-For`, from its end: what stands before the first address that is no trusted proxy, anybody may have said).
 *
 * Errors    InvalidInput names the option.
 */
export function addressesOf({ keepAddresses = false, trustedProxies = [] }: ServerOptions): AddressOf {
  if (typeof keepAddresses !== 'boolean')
    throw new InvalidInput({ path: 'server.keepAddresses', expected: 'true or false', found: keepAddresses });
  const trusted = listOf(trustedProxies);
  if (!keepAddresses) return () => undefined;
  return (socket, forwarded) => {
    let address = plain(socket);
    if (address === undefined) return undefined;
    for (const said of (forwarded ?? '').split(',').toReversed()) {
      if (!isTrusted(trusted, address)) break;
      const before = plain(said.trim());
      if (before === undefined) break;
      address = before;
    }
    return address;
  };
}

/** Why a request is made, as its header says. Errors: InvalidEvent for one that cannot be decoded. */
export function reasonOf(header: (name: string) => string | undefined): string | undefined {
  const text = header('thereupon-reason');
  return text === undefined ? undefined : decodeHeaderValue(text, 'Thereupon-Reason');
}

/** Through what a request came; `isNamed`: it names somebody else than the owner of its key. */
export function callerOf(
  { actor, address }: Pick<RouteRequest<unknown, unknown>, 'actor' | 'address'>,
  isNamed: boolean,
): Caller | undefined {
  const key = isNamed ? actor?.id : undefined;
  if (key === undefined && address === undefined) return undefined;
  return { ...(key === undefined ? {} : { key }), ...(address === undefined ? {} : { address }) };
}

/**
 * Events with all that the server knows of how they came. Who publishes with a key and says nothing of whom for publishes for the owner of the key.
 *
 * Guarantee Which key and which address is what the server saw, whatever the events say, as far as it has keys and keeps addresses.
 */
export function attributed(
  events: readonly IncomingEvent[],
  request: Pick<RouteRequest<unknown, unknown>, 'actor' | 'address' | 'header'>,
): readonly IncomingEvent[] {
  const { actor, address } = request;
  const reason = reasonOf(request.header);
  if (actor === undefined && address === undefined && reason === undefined) return events;
  return events.map((event) => {
    const said: Record<string, IncomingEvent['extensions'][string]> = { ...event.extensions };
    if (actor !== undefined) delete said['authkey'];
    if (address !== undefined) delete said['authaddress'];
    const isNamed = said['authtype'] !== undefined || said['authid'] !== undefined;
    const own = {
      ...(reason === undefined || said['authreason'] !== undefined ? {} : { reason }),
      caller: callerOf(request, isNamed),
    };
    const who = isNamed || actor === undefined ? {} : actorAttributes(actor);
    return { ...event, extensions: { ...said, ...who, ...circumstanceAttributes(own) } };
  });
}

/** An address without a zone, and one of IPv4 as such. Undefined: it is none. */
function plain(text: string | undefined): string | undefined {
  const address = text?.replace(/^\[(.*)\](?::\d+)?$/, '$1').replace(/%.*$/, '');
  if (address === undefined || isIP(address) === 0) return undefined;
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address.toLowerCase();
}

function isTrusted(trusted: BlockList, address: string): boolean {
  return trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

function listOf(proxies: readonly string[]): BlockList {
  const list = new BlockList();
  if (!Array.isArray(proxies))
    throw new InvalidInput({ path: 'server.trustedProxies', expected: 'a list of addresses', found: proxies });
  for (const [index, given] of (proxies as readonly unknown[]).entries()) {
    const [address = '', bits, ...rest] = typeof given === 'string' ? given.split('/') : [];
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    const most = family === 'ipv6' ? 128 : 32;
    const isRange = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most);
    if (isIP(address) === 0 || !isRange || rest.length > 0)
      throw new InvalidInput({
        path: `server.trustedProxies[${index}]`,
        expected: 'an address or a range, such as 10.0.0.7 or 10.0.0.0/8',
        found: given,
      });
    list.addSubnet(address, bits === undefined ? most : Number(bits), family);
  }
  return list;
}
