import { offsetOfWallClock, offsetText, zoneOf } from './zone.ts';

/** What stands for a part of a date in a format, and what it may look like. */
const TOKENS: Readonly<Record<string, string>> = {
  yyyy: '(?<year>\\d{4})',
  MM: '(?<month>\\d{2})',
  M: '(?<month>\\d{1,2})',
  dd: '(?<day>\\d{2})',
  d: '(?<day>\\d{1,2})',
  HH: '(?<hour>\\d{2})',
  H: '(?<hour>\\d{1,2})',
  hh: '(?<half>\\d{2})',
  h: '(?<half>\\d{1,2})',
  mm: '(?<minute>\\d{2})',
  ss: '(?<second>\\d{2})',
  SSS: '(?<fraction>\\d{1,9})',
  a: '(?<noon>[AaPp][Mm])',
  XXX: '(?<offset>Z|[+-]\\d{2}:?\\d{2})',
};
const TOKEN = /yyyy|MM|M|dd|d|HH|H|hh|h|mm|ss|SSS|a|XXX|'([^']*)'/g;

/** Accepted without a format: what RFC 3339, SQL and spreadsheets write. */
const USUAL =
  /^(?<year>\d{4})-(?<month>\d{2})-(?<day>\d{2})(?:[T ](?<hour>\d{2}):(?<minute>\d{2})(?::(?<second>\d{2})(?:[.,](?<fraction>\d{1,9}))?)?)?\s?(?<offset>Z|[+-]\d{2}:?\d{2})?$/;

export interface DateRules {
  /** `unix` and `unix-ms` are numbers; otherwise tokens `yyyy M MM d dd H HH h hh a mm ss SSS XXX` and text in single quotes. */
  readonly format?: string | undefined;
  /** Of dates that say none themselves. */
  readonly zone?: string | undefined;
}

/** Turns the text of a date into RFC 3339 with its offset, or says why it is none. */
export type ReadDate = (text: string) => { readonly time: string } | { readonly reason: string };

/** Errors: RangeError for a format or zone that does not exist. */
export function dateReader(rules: DateRules): ReadDate {
  const { format } = rules;
  if (format === 'unix' || format === 'unix-ms') return (text) => unixTime(text, format === 'unix' ? 1_000 : 1);
  const pattern = format === undefined ? USUAL : patternOf(format);
  const zone = rules.zone === undefined ? undefined : zoneOf(rules.zone);
  const expected = format ?? 'yyyy-MM-dd HH:mm:ss';
  return (text) => {
    const parts = pattern.exec(text)?.groups;
    if (parts === undefined) return { reason: `expected a date such as ${expected}` };
    const wallMs = wallClock(parts);
    if (wallMs === undefined) return { reason: 'there is no such date' };
    const said = parts['offset'];
    if (said === undefined && zone === undefined)
      return { reason: 'the date says no time zone; declare "zone" for its column' };
    const offset = said === undefined ? (zone === undefined ? 0 : offsetOfWallClock(wallMs, zone)) : saidOffset(said);
    if (offset === undefined) return { reason: `clocks in ${rules.zone ?? ''} never showed this time` };
    return {
      time: `${new Date(wallMs)
        .toISOString()
        .replace(/\.000Z$/, '')
        .replace(/Z$/, '')}${offsetText(offset)}`,
    };
  };
}

function patternOf(format: string): RegExp {
  let source = '';
  let end = 0;
  for (const match of format.matchAll(TOKEN)) {
    source += literally(format.slice(end, match.index));
    source += match[1] === undefined ? (TOKENS[match[0]] ?? '') : literally(match[1]);
    end = match.index + match[0].length;
  }
  source += literally(format.slice(end));
  for (const part of ['year', 'month', 'day']) {
    if (!source.includes(`(?<${part}>`)) throw new RangeError(`date format ${JSON.stringify(format)} has no ${part}`);
  }
  return new RegExp(`^${source}$`);
}

function literally(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}

/** The time on the wall, as if it were UTC; undefined when the calendar has no such day or the clock no such time. */
function wallClock(parts: Readonly<Record<string, string | undefined>>): number | undefined {
  const number = (name: string, otherwise: number) => (parts[name] === undefined ? otherwise : Number(parts[name]));
  const [year, month, day] = [number('year', 0), number('month', 1), number('day', 1)];
  let hour = number('hour', 0);
  if (parts['half'] !== undefined) {
    const half = number('half', 12);
    if (half < 1 || half > 12 || parts['noon'] === undefined) return undefined;
    hour = (half % 12) + (parts['noon'].toLowerCase() === 'pm' ? 12 : 0);
  }
  const fractionMs = Math.trunc(Number(`0.${parts['fraction'] ?? '0'}`) * 1_000);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, number('minute', 0), number('second', 0), fractionMs);
  const exists = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && date.getUTCHours() === hour;
  return exists && number('minute', 0) < 60 && number('second', 0) < 60 ? date.getTime() : undefined;
}

function saidOffset(text: string): number | undefined {
  if (text === 'Z') return 0;
  const hours = Number(text.slice(1, 3));
  const minutes = Number(text.slice(-2));
  return hours > 23 || minutes > 59 ? undefined : (text.startsWith('-') ? -1 : 1) * (hours * 60 + minutes);
}

function unixTime(text: string, unitMs: number): { time: string } | { reason: string } {
  const value = Number(text);
  if (text === '' || !Number.isFinite(value) || Math.abs(value * unitMs) > 8_640_000_000_000_000)
    return { reason: 'expected a number since 1970' };
  return { time: new Date(Math.trunc(value * unitMs)).toISOString() };
}
