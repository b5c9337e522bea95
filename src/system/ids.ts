import { createHash } from 'node:crypto';
import { stringify, v7 } from 'uuid';
import type { Clock } from './clock.ts';
import type { Random } from './random.ts';

/** Makes identifiers. */
export interface Ids {
  /** A UUID version 7, increasing within the process: new rows land side by side in an index. */
  next(): string;
  /** 16 lower-case hexadecimal digits, not all zero: a W3C span id. */
  spanId(): string;
  /** 32 lower-case hexadecimal digits, not all zero: a W3C trace id. */
  traceId(): string;
}

export function createIds(clock: Clock, random: Random): Ids {
  let lastMs = 0;
  let sequence = 0;
  const hex = (count: number) => {
    const bytes = random.bytes(count);
    if (bytes.every((byte) => byte === 0)) bytes[0] = 1;
    return Buffer.from(bytes.buffer, bytes.byteOffset, count).toString('hex');
  };
  return {
    next() {
      const nowMs = clock.now();
      if (nowMs > lastMs) {
        lastMs = nowMs;
        sequence = 0;
      } else {
        sequence += 1;
      }
      return v7({ msecs: lastMs, seq: sequence, random: random.bytes(16) });
    },
    spanId: () => hex(8),
    traceId: () => hex(16),
  };
}

/**
 * The id that follows from its parts: the same parts give the same id, so that a repeated attempt repeats the same fact.
 *
 * Shape     a UUID version 8 (RFC 9562): SHA-256 of the length-prefixed parts; with `atMs` its first 48 bits are that instant, so that
 *           ids of one time land side by side in an index, as those of version 7 do. At random places an index costs a page each.
 */
export function deterministicId(parts: readonly (string | number)[], atMs?: number): string {
  const hash = createHash('sha256');
  for (const part of parts) {
    const text = String(part);
    hash.update(`${Buffer.byteLength(text)}:${text}`);
  }
  const bytes = hash.digest().subarray(0, 16);
  if (atMs !== undefined) bytes.writeUIntBE(atMs, 0, 6);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return stringify(bytes);
}
