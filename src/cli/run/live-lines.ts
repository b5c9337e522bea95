import { asStored, UpcastFailed } from '../../index.ts';
import type { RecordedEvent, System } from '../../index.ts';
import { clockTime } from '../output/event-line.ts';
import { cut, padEnd, paintFor, printable, widthOf } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';

/** More lines in a second than anybody reads are counted instead. */
const LINES_PER_SECOND = 30;
const WIDEST = 56;
/** What the system reports of itself and a person at the screen wants to know at once. */
const REPORTS =
  /^thereupon\.(?:delivery\.parked|event\.quarantined|data\.mismatched|loop\.stopped|consumer\.stalled|build\.failed|delivery\.expired|event\.late|hold\.overflowed|pattern\.overflowed|sequence\.(?:gap|lost|reset|stepped-back))$/;

/**
 * Shows what happens, and what reacted, while it happens:
 *
 *     10:04:11.231  shop.order.placed                     order-17@1  {"orderId":"17"}
 *     10:04:11.236    ⇒ reserve-stock: shop.stock.reserved  order-17@2  {"orderId":"17"}
 */
export class LiveLines {
  readonly #terminal: Terminal;
  /** Names of reactions by the `source` of what they publish. */
  readonly #reactions: ReadonlyMap<string, string>;
  #second = 0;
  #shown = 0;
  #hidden = 0;
  /** Of what happened: as wide as the longest that is known, so that everything stands under each other from the first line on. */
  #width: number;
  #streamWidth = 16;

  constructor(system: System, terminal: Terminal) {
    this.#terminal = terminal;
    const source = system.options.source ?? '/thereupon';
    const reactions = system.consumers.reactions.filter(({ kind }) => kind !== 'system');
    this.#reactions = new Map(reactions.map(({ name }) => [`${source}/${encodeURIComponent(name)}`, name]));
    const facts = reactions.flatMap(({ consumes }) => consumes ?? []);
    const effects = reactions.flatMap(({ name, publishes }) => publishes.map(({ type }) => effectOf(name, type)));
    this.#width = Math.min(WIDEST, Math.max(20, ...[...facts, ...effects].map((text) => widthOf(text))));
  }

  /** Follows the log until the signal is aborted. */
  async follow(system: System, signal: AbortSignal): Promise<void> {
    const facts = async () => {
      for await (const event of system.events.subscribe({ signal })) await this.#show(event);
    };
    const reports = async () => {
      for await (const event of system.events.subscribe({ signal, categories: ['thereupon'] }))
        if (REPORTS.test(event.type)) await this.#show(event);
    };
    await Promise.all([facts(), reports()]);
  }

  async #show(event: RecordedEvent): Promise<void> {
    const second = Math.floor(this.#terminal.now() / 1_000);
    if (second !== this.#second) {
      const hidden = this.#hidden;
      this.#second = second;
      this.#shown = 0;
      this.#hidden = 0;
      if (hidden > 0)
        await this.#terminal.write(`${paintFor(this.#terminal.out)('dim', `              … ${hidden} more`)}\n`);
    }
    if (this.#shown >= LINES_PER_SECOND) {
      this.#hidden += 1;
      return;
    }
    this.#shown += 1;
    await this.#terminal.write(`${event.type.startsWith('thereupon.') ? this.#report(event) : this.#fact(event)}\n`);
  }

  #fact(event: RecordedEvent): string {
    const { out } = this.#terminal;
    const paint = paintFor(out);
    const type = printable(event.type);
    const by = event.causationid === undefined ? undefined : this.#reactions.get(event.source);
    const plain = event.causationid === undefined ? type : by === undefined ? `  ↳ ${type}` : effectOf(by, type);
    this.#width = Math.max(this.#width, Math.min(WIDEST, widthOf(plain)));
    const gap = ' '.repeat(Math.max(0, this.#width - widthOf(plain)));
    const shown =
      by === undefined
        ? paint(event.causationid === undefined ? 'cyan' : 'green', plain)
        : `  ${paint('yellow', '⇒')} ${paint('bold', by)}: ${paint('green', type)}`;
    const time = clockTime(event.recordedtime);
    const place = `${printable(event.stream)}@${event.version}`;
    this.#streamWidth = Math.max(this.#streamWidth, Math.min(36, widthOf(place)));
    const stream = padEnd(place, this.#streamWidth);
    const head = `${paint('dim', time)}  ${shown}${gap}  ${stream}  `;
    const room = out.isTerminal ? out.columns - time.length - this.#width - widthOf(stream) - 6 : 120;
    return `${head}${room < 12 ? '' : paint('dim', cut(dataOf(event), room))}`.trimEnd();
  }

  #report(event: RecordedEvent): string {
    const paint = paintFor(this.#terminal.out);
    const { consumer, position, reason, error, issues } = (event.data ?? {}) as {
      consumer?: string;
      position?: number;
      reason?: string;
      error?: { message?: string };
      issues?: { path: string; message: string }[];
    };
    const issue = issues?.map(({ path, message }) => `${path}: ${message}`).join('; ');
    const why = error?.message ?? timeOrNumbers(event) ?? reason ?? issue ?? '';
    const parked = event.type === 'thereupon.delivery.parked' && position !== undefined;
    const advice = parked
      ? paint('dim', `  → thereupon dead-letters show ${printable(consumer ?? '')}~${position}`)
      : '';
    const what = event.type.slice('thereupon.'.length).replace('.', ' ');
    return `${paint('dim', clockTime(event.recordedtime))}  ${paint('red', `  ✗ ${printable(consumer ?? event.stream.replace(/^thereupon-/, ''))}: ${what}`)}  ${printable(why)}${advice}`;
  }
}

/** What was late, and by when; what a producer's numbers lack. */
function timeOrNumbers({ type, data }: RecordedEvent): string | undefined {
  const { key, time, watermark, of, from, to } = (data ?? {}) as {
    key?: string;
    time?: string;
    watermark?: string | null;
    of?: { source: string; subject: string };
    from?: number;
    to?: number;
  };
  if (typeof of === 'object' && from !== undefined && to !== undefined)
    return `${from === to ? from : `${from} to ${to}`} of ${of.subject} from ${of.source}`;
  if (type !== 'thereupon.event.late' || time === undefined) return undefined;
  return `${key ?? ''} of ${time}${typeof watermark === 'string' ? `, time had come to ${watermark}` : ''}`;
}

function effectOf(reaction: string, type: string): string {
  return `  ⇒ ${reaction}: ${type}`;
}

function dataOf(event: RecordedEvent): string {
  const data = shownData(event);
  if (data === undefined) return '';
  if (data instanceof Uint8Array) return `${data.length} bytes`;
  return printable(typeof data === 'string' ? data : JSON.stringify(data));
}

/** What cannot be brought up is shown as it was recorded: whoever mends the upcaster looks at this. */
function shownData(event: RecordedEvent): unknown {
  try {
    return event.data;
  } catch (error) {
    if (error instanceof UpcastFailed) return asStored(event).data;
    throw error;
  }
}
