import type { EventLog } from '../channel/event-log.ts';
import { retractedEvent, retractedType } from '../event/derived-definitions.ts';
import type { RecordedEvent } from '../event/event.ts';
import { START } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { deterministicId } from '../system/ids.ts';
import type { ConsumerForm, MissedEvents } from './checkpoint-store.ts';
import type { InlineLook } from './inline-rows.ts';
import { isMissed } from './missed-events.ts';
import { namespaceOf } from './namespaces.ts';
import type { Handling, Reaction } from './reaction.ts';
import type { RowStore, RowWrite } from './row-store.ts';

/** Rows that are read together. */
const PAGE = 500;

/** The row that says of an event that a consumer never handled it. */
export function leftOutRow(consumer: string, { source, id }: Pick<RecordedEvent, 'id' | 'source'>): RowWrite {
  return { namespace: namespaceOf('out', consumer), key: keyOf(source, id), value: true, indexes: {} };
}

/** Takes that row away. */
export function notLeftOutRow(consumer: string, event: Pick<RecordedEvent, 'id' | 'source'>): RowWrite {
  return { ...leftOutRow(consumer, event), value: undefined };
}

/** As `LeftOut.has`, in the middle of a write. */
export function isLeftOutOf(
  consumer: string,
  { began = START, missed = [] }: Pick<ConsumerForm, 'began' | 'missed'>,
  { source, id }: Pick<RecordedEvent, 'id' | 'source'>,
  look: InlineLook,
): boolean {
  if (look.row(namespaceOf('out', consumer), keyOf(source, id)) !== undefined) return true;
  if (began === START && missed.length === 0) return false;
  const event = look.find(source, id);
  return event !== undefined && isFromBefore(event, began, missed);
}

/** Whether it was recorded before the consumer began, or when it did not take its type. */
function isFromBefore(event: RecordedEvent, began: Position, missed: readonly MissedEvents[]): boolean {
  return event.position <= began || isMissed(missed, event);
}

function keyOf(source: string, id: string): string {
  return deterministicId(['left out', source, id]);
}

/** Whether a consumer may take the event out again, as it was recorded, or takes another one out with it. */
export function mayBeTakenBack(reaction: Pick<Reaction, 'takesBack'> | undefined, { type }: RecordedEvent): boolean {
  const takesBack = reaction?.takesBack;
  return takesBack !== undefined && (takesBack.has(type) || takesBack.has(retractedType(type) ?? type));
}

/** Takes out what an event takes back, unless it was never taken in. */
export async function unlessLeftOut(handling: Handling, takeOut: () => void | Promise<void>): Promise<void> {
  const { source, id } = retractedEvent(handling.event);
  if (!(await handling.isLeftOut(source, id))) await takeOut();
}

/**
 * Events that a consumer was never given, or did not handle in the end: those from before it began, or from when it did not take their
 * type, those that were given up and those that had outlived their use. What was never taken in must not be taken out when it is taken back.
 *
 * Guarantee Rows go with the unit in which the event is settled, and are forgotten when the consumer is replayed.
 */
export class LeftOut {
  readonly #reaction: Pick<Reaction, 'name' | 'takesBack'>;
  readonly #stores: Stores;
  /** What is on its way to the store. */
  readonly #pending = new Set<string>();
  /** Rows that were there when the session began. */
  readonly #known = new Set<string>();
  /** Of these, those that were handled since. */
  readonly #handled = new Set<string>();
  #began: Position = START;
  #missed: readonly MissedEvents[] = [];

  constructor(reaction: Pick<Reaction, 'name' | 'takesBack'>, stores: Stores) {
    this.#reaction = reaction;
    this.#stores = stores;
  }

  /** A session begins of a consumer that is of this form. */
  begins({ began = START, missed = [] }: Pick<ConsumerForm, 'began' | 'missed'>): void {
    this.#began = began;
    this.#missed = missed;
    this.#pending.clear();
    this.#known.clear();
    this.#handled.clear();
  }

  /** Reads which events it left out: after a replay some of these are handled after all. */
  async load(): Promise<void> {
    const namespace = namespaceOf('out', this.#reaction.name);
    for (let after: { key: string; value: undefined } | undefined; ;) {
      const page = await this.#stores.rows.query(namespace, { limit: PAGE, ...(after === undefined ? {} : { after }) });
      for (const { key } of page) this.#known.add(key);
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) return;
      after = { key: last.key, value: undefined };
    }
  }

  /** What is to be written of an event that was handled; undefined: nothing. */
  handled({ source, id }: RecordedEvent): RowWrite | undefined {
    if (this.#known.size === 0) return undefined;
    const key = keyOf(source, id);
    if (!this.#known.delete(key)) return undefined;
    this.#handled.add(key);
    return notLeftOutRow(this.#reaction.name, { source, id });
  }

  /** What is to be written of an event that is settled without having been handled; undefined: nobody takes such a one back. */
  rowOf(event: RecordedEvent): RowWrite | undefined {
    if (this.#reaction.takesBack?.has(event.type) !== true) return undefined;
    return leftOutRow(this.#reaction.name, event);
  }

  /** That row is on its way to the store. */
  writes({ key }: RowWrite): void {
    this.#pending.add(key);
  }

  committed(rows: readonly RowWrite[]): void {
    if (this.#pending.size > 0) for (const { key } of rows) this.#pending.delete(key);
  }

  async has(source: string, id: string): Promise<boolean> {
    const { name } = this.#reaction;
    const key = keyOf(source, id);
    if (this.#handled.has(key)) return false;
    if (this.#pending.has(key) || (await this.#stores.rows.get(namespaceOf('out', name), key)) !== undefined)
      return true;
    if (this.#began === START && this.#missed.length === 0) return false;
    const event = await this.#stores.log.find(source, id);
    return event !== undefined && isFromBefore(event, this.#began, this.#missed);
  }
}

interface Stores {
  readonly rows: Pick<RowStore, 'get' | 'query'>;
  readonly log: Pick<EventLog, 'find'>;
}
