import { isIPv4, isIPv6 } from 'node:net';

/**
 * Writes an IP address as a family digit and its bits, `4` + 32 or `6` + 128 characters, so that a network is a prefix
 * of each of its addresses.
 *
 * Shape undefined for everything that is not an address; an IPv6 zone (`%eth0`) is not part of one.
 */
export function addressBits(text: string): string | undefined {
  if (isIPv4(text)) return `4${text.split('.').map(octetBits).join('')}`;
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const [front = '', back] = text.split('::');
  const head = groupBits(front);
  const tail = back === undefined ? '' : groupBits(back);
  return `6${head}${'0'.repeat(128 - head.length - tail.length)}${tail}`;
}

/** Reads `address/bits` as the bit prefix of the network; undefined when it is not one. Host bits are ignored. */
export function networkBits(cidr: string): string | undefined {
  const [address = '', length = '', ...more] = cidr.split('/');
  const bits = addressBits(address);
  if (bits === undefined || more.length > 0 || !/^\d{1,3}$/.test(length)) return undefined;
  const kept = 1 + Number(length);
  return kept > bits.length ? undefined : bits.slice(0, kept);
}

function octetBits(octet: string): string {
  return Number(octet).toString(2).padStart(8, '0');
}

function groupBits(groups: string): string {
  if (groups === '') return '';
  const bits = groups
    .split(':')
    .map((group) =>
      group.includes('.')
        ? group.split('.').map(octetBits).join('')
        : Number.parseInt(group, 16).toString(2).padStart(16, '0'),
    );
  return bits.join('');
}
