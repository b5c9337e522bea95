import type { JsonValue } from '../../index.ts';
import { cut, padEnd, paintFor, printable, widthOf } from './text.ts';
import type { Ink } from './text.ts';
import type { Screen } from '../terminal.ts';

/** An event as the API gives it: the CloudEvents JSON format, with its place. */
export interface EventJson {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly time: string;
  readonly recordedtime: string;
  readonly stream: string;
  readonly version: number;
  readonly position: number;
  readonly subject?: string;
  readonly correlationid: string;
  readonly causationid?: string;
  readonly causationdepth?: number;
  readonly data?: JsonValue;
  readonly data_base64?: string;
  readonly [attribute: string]: JsonValue | undefined;
}

/** Less of the data than this says nothing. */
const LEAST_DATA = 8;
/** Less than this is the way of an event to the log. */
const LATE_MS = 1_000;

/** Columns that grow to what they have seen, so that lines that come one by one still stand under each other. */
export class EventLines {
  readonly #screen: () => Screen;
  readonly #timeOf: (event: EventJson) => string;
  #typeWidth = 28;
  #streamWidth = 16;

  /** `timeOf`: what a line begins with, of the same width in each. Default: the time of day at which the event was recorded. */
  constructor(screen: () => Screen, timeOf = ({ recordedtime }: EventJson) => clockTime(recordedtime)) {
    this.#screen = screen;
    this.#timeOf = timeOf;
  }

  /** `10:04:11.231  shop.order.placed  order-17@3  {"total":12}`; an event that another one led to begins with `↳`. */
  line(event: EventJson): string {
    const screen = this.#screen();
    const paint = paintFor(screen);
    const caused = event.causationid !== undefined;
    const type = printable(event.type);
    const stream = printable(event.stream);
    const label = `${caused ? '↳ ' : ''}${type}`;
    this.#typeWidth = grown(this.#typeWidth, widthOf(label), 44);
    this.#streamWidth = grown(this.#streamWidth, widthOf(stream) + 1 + String(event.version).length, 40);
    const time = this.#timeOf(event);
    const place = padEnd(
      `${stream}${paint('dim', `@${event.version}`)}`,
      this.#streamWidth + widthOf(paint('dim', '')),
    );
    const head = `${paint('dim', time)}  ${paint(inkOf(event), padEnd(label, this.#typeWidth))}  ${place}  `;
    const room = screen.isTerminal
      ? Math.max(0, screen.columns - time.length - this.#typeWidth - this.#streamWidth - 6)
      : 160;
    return room < LEAST_DATA ? head.trimEnd() : `${head}${paint('dim', cut(shortData(event), room))}`.trimEnd();
  }
}

/** When each of these events happened, and beside it when it was recorded, where that is another time for one of them. */
export function historyTimes(events: readonly EventJson[]): (event: EventJson) => string {
  const isLate = ({ time, recordedtime }: EventJson) =>
    Math.abs(Date.parse(recordedtime) - Date.parse(time)) >= LATE_MS;
  const width = events.some(isLate) ? widthOf(`${calendarTime(0)}  recorded ${calendarTime(0)}`) : 0;
  return (event) =>
    padEnd(
      `${calendarTime(event.time)}${isLate(event) ? `  recorded ${calendarTime(event.recordedtime)}` : ''}`,
      width,
    );
}

/** Data in a few words. */
export function shortData(event: EventJson): string {
  if (event.data_base64 !== undefined) return `${Math.floor((event.data_base64.length * 3) / 4)} bytes`;
  if (event.data === undefined) return '';
  return printable(typeof event.data === 'string' ? event.data : JSON.stringify(event.data));
}

/** The time of day where the reader is. */
export function clockTime(timestamp: string): string {
  const instant = new Date(timestamp);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${two(instant.getHours())}:${two(instant.getMinutes())}:${two(instant.getSeconds())}.${String(instant.getMilliseconds()).padStart(3, '0')}`;
}

/** Date and time where the reader is, to the second. */
export function calendarTime(timestamp: string | number): string {
  const instant = new Date(timestamp);
  if (Number.isNaN(instant.getTime())) return printable(String(timestamp));
  const two = (value: number) => String(value).padStart(2, '0');
  return `${instant.getFullYear()}-${two(instant.getMonth() + 1)}-${two(instant.getDate())} ${clockTime(instant.toISOString()).slice(0, 8)}`;
}

/** Reports of the system stand out where something went wrong; facts do not. */
function inkOf(event: EventJson): Ink {
  if (!event.type.startsWith('thereupon.')) return event.causationid === undefined ? 'cyan' : 'green';
  return /parked|failed|stalled|quarantined|stopped|mismatched/.test(event.type) ? 'red' : 'yellow';
}

/** Grows to what came, but never further than `limit`: one long name must not push everything else off the screen. */
function grown(width: number, needed: number, limit: number): number {
  return Math.max(width, Math.min(needed, limit));
}
