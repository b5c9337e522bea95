import { getRandomValues } from 'node:crypto';

/** The only source of chance. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** `count` uniform bytes. */
  bytes(count: number): Uint8Array;
}

const POOL_BYTES = 4_096;

/** From the operating system, drawn in pools: one system call per 4 KiB. */
export function systemRandom(): Random {
  const pool = new Uint8Array(POOL_BYTES);
  let used = POOL_BYTES;
  return {
    next: Math.random,
    bytes(count) {
      if (used + count > POOL_BYTES) {
        getRandomValues(pool);
        used = 0;
      }
      used += count;
      return pool.slice(used - count, used);
    },
  };
}

/** The same seed gives the same numbers, on every machine (mulberry32). For tests and simulation, never for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    next,
    bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(next() * 256)),
  };
}
