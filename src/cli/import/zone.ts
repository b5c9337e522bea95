/** Minutes east of UTC at an instant. */
export type OffsetAt = (instantMs: number) => number;

/**
 * A time zone: `Z`, an offset such as `+01:00`, or a name of the IANA database such as `Europe/London`.
 *
 * Errors    RangeError when there is no such zone.
 */
export function zoneOf(name: string): OffsetAt {
  if (name === 'Z' || name === 'UTC') return () => 0;
  const fixed = /^([+-])(\d{2}):(\d{2})$/.exec(name);
  if (fixed !== null) {
    const hours = Number(fixed[2]);
    const minutes = Number(fixed[3]);
    if (hours > 23 || minutes > 59) throw new RangeError(`${name} is no offset`);
    const offset = (fixed[1] === '-' ? -1 : 1) * (hours * 60 + minutes);
    return () => offset;
  }
  const format = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' });
  return (instantMs) => {
    const text = format.formatToParts(instantMs).find(({ type }) => type === 'timeZoneName')?.value ?? '';
    const found = /([+-])(\d{2}):(\d{2})/.exec(text);
    return found === null ? 0 : (found[1] === '-' ? -1 : 1) * (Number(found[2]) * 60 + Number(found[3]));
  };
}

/**
 * The offset that a clock on the wall of a zone had when it showed this time (given as if it were UTC); undefined when it never did,
 * in the hour that is left out in spring. Of the two times in autumn it is the first one.
 */
export function offsetOfWallClock(wallMs: number, zone: OffsetAt): number | undefined {
  const around = [zone(wallMs - 86_400_000), zone(wallMs + 86_400_000)];
  return around.find((offset) => zone(wallMs - offset * 60_000) === offset);
}

/** `+01:00`; `Z` for none. */
export function offsetText(minutes: number): string {
  if (minutes === 0) return 'Z';
  const size = Math.abs(minutes);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}
