import { SENSORS } from './monitors.ts';

export interface Taken {
  readonly sensor: string;
  readonly celsius: number;
  /** By how many seconds it is told late. */
  readonly lateSeconds: number;
}

/**
 * What sensors tell, for ever: temperatures that wander, most at once, some a little late, few by minutes. One sensor fails now and then for a
 * while. The same seed gives the same.
 */
export function* readings(seed: number): Generator<Taken, never, undefined> {
  const random = mulberry32(seed);
  const warmth = new Map<string, number>(SENSORS.map((sensor, index) => [sensor, 20 + index * 8]));
  let silent: { sensor: string; left: number } | undefined;
  for (;;) {
    if (silent === undefined && random() < 0.004)
      silent = { sensor: SENSORS[Math.floor(random() * SENSORS.length)] ?? 'roof', left: 400 };
    for (const sensor of SENSORS) {
      const before = warmth.get(sensor) ?? 20;
      // Drawn to 58 °C, where nothing is too hot, and further away at times.
      const celsius = Math.round((before + (random() - 0.5) * 6 + (58 - before) * 0.01) * 10) / 10;
      warmth.set(sensor, celsius);
      if (silent !== undefined && (silent.left -= 1) <= 0) silent = undefined;
      if (silent?.sensor === sensor) continue;
      const chance = random();
      yield { sensor, celsius, lateSeconds: chance < 0.9 ? 0 : chance < 0.99 ? random() * 20 : random() * 600 };
    }
  }
}

function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
