import { InvalidInput } from '../errors.ts';

/** A span of time: milliseconds, or a number with a unit: `'250ms'`, `'30s'`, `'5m'`, `'12h'`, `'3d'`, `'2w'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd' | 'w'}`;

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** The last instant that has a date: later ones are as good as never. */
const LAST_INSTANT_MS = 8_640_000_000_000_000;

/** The instant that lies `delayMs` after another one, whole and with a date, however long the delay. */
export function instantAfter(ms: number, delayMs: number): number {
  return Math.min(Math.ceil(ms + delayMs), LAST_INSTANT_MS);
}

/** The duration in milliseconds. `path` names the option in the error. */
export function durationMs(duration: Duration, path: string): number {
  if (typeof duration === 'number') {
    if (Number.isFinite(duration) && duration >= 0) return duration;
  } else if (typeof duration === 'string') {
    const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/.exec(duration);
    const unit = match?.[2] === undefined ? undefined : UNIT_MS[match[2]];
    if (match !== null && unit !== undefined) return Number(match[1]) * unit;
  }
  throw new InvalidInput({
    path,
    expected: "milliseconds or a duration such as '250ms', '30s', '3d'",
    found: duration,
  });
}
