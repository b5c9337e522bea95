const DAY_MS = 86_400_000;
/** The shortest one: `2026-11-23T08:17:00Z`. */
const MIN_LENGTH = 20;

/**
 * The instant that an RFC 3339 timestamp names, or undefined when the text is not one.
 *
 * Shape     `T` and `Z` in either case; an offset is required; calendar fields and offset must exist (no 30 February, no hour 24).
 * Units     milliseconds since 1970-01-01T00:00:00Z; finer digits are cut off.
 * Guarantee No clock, no Date parsing. A leap second (`:60`) is accepted where one can be, in the last UTC second of a month, and
 *           is the instant after it, as in POSIX time.
 * Source    RFC 3339, sections 5.6 and 5.7
 */
export function timestampMs(text: string): number | undefined {
  if (text.length < MIN_LENGTH) return undefined;
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 2);
  const day = digits(text, 8, 2);
  const hour = digits(text, 11, 2);
  const minute = digits(text, 14, 2);
  const second = digits(text, 17, 2);
  if (year < 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return undefined;
  if (text[4] !== '-' || text[7] !== '-' || text[13] !== ':' || text[16] !== ':') return undefined;
  if (text[10] !== 'T' && text[10] !== 't') return undefined;

  const fractionEnd = endOfFraction(text);
  if (fractionEnd === -1) return undefined;
  const offsetMinutes = offset(text, fractionEnd);
  if (offsetMinutes === undefined) return undefined;
  const wholeMs =
    daysSince1970(year, month, day) * DAY_MS + (hour * 60 + minute - offsetMinutes) * 60_000 + second * 1_000;
  if (second === 60 && !startsMonth(wholeMs)) return undefined;
  return wholeMs + fractionMs(text, fractionEnd);
}

/** The number in `count` digits, or -1 when they are not all digits. */
function digits(text: string, start: number, count: number): number {
  let value = 0;
  for (let index = start; index < start + count; index += 1) {
    const digit = text.charCodeAt(index) - 48;
    if (!(digit >= 0 && digit <= 9)) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** Index after the seconds and their fraction, -1 when there is a point without a digit. */
function endOfFraction(text: string): number {
  if (text[19] !== '.') return 19;
  let end = 20;
  while (digits(text, end, 1) >= 0) end += 1;
  return end === 20 ? -1 : end;
}

function fractionMs(text: string, end: number): number {
  let value = 0;
  for (let index = 20; index < 23; index += 1) value = value * 10 + (index < end ? digits(text, index, 1) : 0);
  return value;
}

/** Minutes east of UTC, when an offset and nothing else stands at `start`. */
function offset(text: string, start: number): number | undefined {
  const sign = text[start];
  if (sign === 'Z' || sign === 'z') return text.length === start + 1 ? 0 : undefined;
  if ((sign !== '+' && sign !== '-') || text.length !== start + 6 || text[start + 3] !== ':') return undefined;
  const hours = digits(text, start + 1, 2);
  const minutes = digits(text, start + 4, 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return undefined;
  return (sign === '-' ? -1 : 1) * (hours * 60 + minutes);
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Counted in years that begin in March, so that the leap day is the last one; Date.UTC takes year 99 for 1999. */
function daysSince1970(year: number, month: number, day: number): number {
  const marchYear = month > 2 ? year : year - 1;
  const marchMonth = month > 2 ? month - 3 : month + 9;
  const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400);
  return marchYear * 365 + leapDays + Math.floor((153 * marchMonth + 2) / 5) + day - 1 - 719_468;
}

function startsMonth(instantMs: number): boolean {
  return instantMs % DAY_MS === 0 && new Date(instantMs).getUTCDate() === 1;
}
