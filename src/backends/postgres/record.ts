import type { CommandEntry } from '../../channel/append-conditions.ts';
import type { Appended, StreamClaim } from '../../channel/event-log.ts';
import type { UnitOutcome } from '../../consumer/unit-of-work.ts';
import type { EncodedEvent, RecordedEvent } from '../../event/event.ts';
import { eventDigest } from '../../event/event-digest.ts';
import { laneOfOrderingKey } from '../../consumer/lanes.ts';
import { position } from '../../event/position.ts';
import { storedCorrelation, storedEncoding, storedSubject } from './event-rows.ts';
import { recordedEvent } from '../../event/recorded-event.ts';
import { bigints, integers, smallints, texts } from './array-value.ts';
import { identityOf } from './append-plan.ts';
import { namedColumns } from './delivery-store.ts';
import type { SqlValue, Statement } from './database.ts';
import type { Appending, Flushed } from './flush.ts';
import type { Foreseen } from './foresight.ts';
import type { Entry, PreparedRow } from './row-store.ts';
import { compareText, toText } from './text.ts';

/** No version is higher. */
const ANY_VERSION = Number.MAX_SAFE_INTEGER;
/** Of what follows another event of the flush in its stream. */
const UNCLAIMED = { least: 0, most: ANY_VERSION };
/** See the functions in the first migration. */
const RECORD_MANY = statement('record_events', 40);
/** See the function in the fourth migration. */
const RECORD_COMMANDS = statement('record_commands', 46);
/** See the function in the fifth migration. */
const RECORD_LINKED = statement('record_linked', 47);
/** See the function in the sixth migration. */
const RECORD_PROJECTED = statement('record_projected', 60);
const RECORD_CHECKPOINTS = statement('record_checkpoints', 9);
const ONE_PARAMETERS = 17;
/** So many events cost less one by one, in one statement, than as arrays. */
const FEW = 4;
const RECORD_FEW = Array.from({ length: FEW }, (_, index) => fewStatement(index + 1));
/** See the function in the eighth migration. */
const RECORD_ONE_LINKED = statement('record_event_linked', ONE_PARAMETERS + 1);
/** Of a call of the function: the rows of projections follow from others by now. */
export const OVERTAKEN = 'TH002';
/** Of a call of the function: what it recorded would not be what was asked for, or there is no table yet for the positions. */
export const NOT_RECORDED: ReadonlySet<string> = new Set(['TH001', '23505', '23514']);

export type RecordAnswer = [head: number | null, atMs: number, bases: readonly number[] | null];

export interface Call {
  readonly nowMs: number;
  /** The number under which this process listens. */
  readonly listener: number;
  /** Its name, among all flushes. */
  readonly flush: string;
  /** Which one must have been carried out last. Undefined: whichever. */
  readonly after: string | undefined;
  /** The log keeps a hash chain. */
  readonly chained: boolean;
}

/** What the function records of a stream. */
interface StreamPart {
  /** From 1, among those that get events, in the order of the first of them; 0: it gets none. */
  place: number;
  events: number;
  least: number;
  most: number;
}

/**
 * A flush in which everything is as writers expect: no event is known, every claim holds, every unit is that of a holder who still is one.
 * Then the server needs to be asked once. Whether it is so it finds out itself; if not, nothing is written.
 */
export class OneStatement {
  readonly writes: readonly Appending[];
  readonly #streams = new Map<string, StreamPart>();
  #places = 0;
  readonly #commands: (CommandEntry & { readonly first: number; readonly events: number })[] = [];
  /** It is sent as a few calls of one event each. */
  #oneByOne = false;
  readonly #events: { readonly event: EncodedEvent; readonly part: StreamPart; readonly nth: number }[] = [];

  /** What comes of the events, where projections are inline. */
  #foreseen: Foreseen | undefined;

  private constructor(writes: readonly Appending[]) {
    this.writes = writes;
  }

  /** Undefined: one of the writes needs more than that. */
  static of(writes: readonly Appending[]): OneStatement | undefined {
    const consumers = new Set<string>();
    for (const { unit } of writes) {
      if (unit === undefined) continue;
      // Of two units of one consumer the second may remove what the first puts.
      if (!isPlain(unit) || consumers.has(unit.consumer)) return undefined;
      consumers.add(unit.consumer);
    }
    const whole = new OneStatement(writes);
    const identities = new Set<string>();
    for (const { requests } of writes)
      for (const { events, expected = [], unless = [], command } of requests) {
        if (unless.length > 0) return undefined;
        if (command !== undefined && !whole.#addCommand(command, events.length)) return undefined;
        if (!expected.every((claim) => whole.#claim(claim))) return undefined;
        for (const event of events) {
          const identity = identityOf(event);
          if (identities.has(identity) || event.attributes?.['tags'] !== undefined) return undefined;
          identities.add(identity);
          whole.#add(event);
        }
      }
    return whole;
  }

  get events(): readonly EncodedEvent[] {
    return this.#events.map(({ event }) => event);
  }

  /** What is written follows from more than the writers have said. */
  get isForeseen(): boolean {
    return this.#foreseen !== undefined;
  }

  /** The rows of projections come with the events. */
  with(foreseen: Foreseen): this {
    this.#foreseen = foreseen;
    return this;
  }

  /** The statement of a few events and nothing else. */
  #few(isLinked: boolean): Statement | undefined {
    // Streams about which something is claimed, and no event is for them.
    const isThatAlone =
      this.#places === this.#streams.size &&
      this.#commands.length === 0 &&
      this.writes.every(({ unit }) => unit === undefined);
    if (!isThatAlone) return undefined;
    // All that one flush records is in one link.
    if (isLinked) return this.#events.length === 1 ? RECORD_ONE_LINKED : undefined;
    return RECORD_FEW[this.#events.length - 1];
  }

  /** What the server is asked, and with which values; and whether the next flush may name this one as the last before it. */
  call({ nowMs, listener, flush, after, chained }: Call): {
    readonly statement: Statement;
    readonly values: readonly SqlValue[];
    readonly isNamed: boolean;
  } {
    const isLinked = chained && this.#events.length > 0;
    const few = after === undefined && this.#foreseen === undefined ? this.#few(isLinked) : undefined;
    if (few !== undefined) {
      this.#oneByOne = true;
      const values = this.#events.flatMap(({ event, part, nth }) => [
        ...valuesOfOne(event, nth === 1 ? part : UNCLAIMED, nowMs),
        listener,
        ...(isLinked ? [Buffer.from(eventDigest(event), 'latin1')] : []),
      ]);
      return { statement: few, values, isNamed: false };
    }
    const checkpoints = this.#checkpoints();
    if (this.#isCheckpoints) {
      const values = [...checkpoints, nowMs, flush, after ?? null];
      return { statement: RECORD_CHECKPOINTS, values, isNamed: true };
    }
    const values = [...this.#values(nowMs, checkpoints), listener, flush, after ?? null];
    if (this.#commands.length === 0 && !isLinked && this.#foreseen === undefined)
      return { statement: RECORD_MANY, values, isNamed: true };
    const all = [...values, ...this.#commandColumns()];
    if (!isLinked && this.#foreseen === undefined) return { statement: RECORD_COMMANDS, values: all, isNamed: true };
    const digests = isLinked
      ? Buffer.from(this.#events.map(({ event }) => eventDigest(event)).join(''), 'latin1')
      : null;
    if (this.#foreseen === undefined) return { statement: RECORD_LINKED, values: [...all, digests], isNamed: true };
    const looked = lookedColumns(this.#foreseen);
    return { statement: RECORD_PROJECTED, values: [...all, digests, ...looked], isNamed: true };
  }

  /** Checkpoints and nothing else. */
  get #isCheckpoints(): boolean {
    return (
      this.#streams.size === 0 &&
      this.#commands.length === 0 &&
      this.writes.every(
        ({ unit }) => unit === undefined || unit.remove.length + unit.put.length + unit.rows.length === 0,
      )
    );
  }

  /** Of two checkpoints of one group the later stands. */
  #checkpoints(): readonly SqlValue[] {
    const held = this.writes.flatMap(({ unit }) =>
      (unit?.lease?.checkpoints ?? []).map(({ lane, low, done }) => ({
        consumer: unit?.consumer ?? '',
        token: unit?.lease?.token ?? 0,
        number: unit?.lease?.number ?? 0,
        lane,
        low,
        done,
      })),
    );
    const last = [...new Map(held.map((entry) => [`${entry.lane} ${entry.consumer}`, entry])).values()].sort(
      (left, right) => compareText(left.consumer, right.consumer) || left.lane - right.lane,
    );
    return [
      texts(last.map(({ consumer }) => toText(consumer))),
      smallints(last.map(({ lane }) => lane)),
      bigints(last.map(({ token }) => token)),
      bigints(last.map(({ number }) => number)),
      bigints(last.map(({ low }) => low)),
      texts(last.map(({ done }) => done)),
    ];
  }

  #values(nowMs: number, checkpoints: readonly SqlValue[]): readonly SqlValue[] {
    const appended: (readonly [string, StreamPart])[] = [];
    const claimed: (readonly [string, StreamPart])[] = [];
    for (const [stream, part] of this.#streams) (part.events === 0 ? claimed : appended).push([stream, part]);
    appended.sort(([, left], [, right]) => left.place - right.place);
    const events = this.#events.map(({ event }) => event);
    const removed = this.writes.flatMap(({ unit }) =>
      (unit?.remove ?? []).map((place) => [toText(unit?.consumer ?? ''), place] as const),
    );
    const put = this.writes.flatMap(({ unit }) =>
      (unit?.put ?? []).map((row) => [unit?.lease?.token ?? 0, row] as const),
    );
    return [
      texts(appended.map(([stream]) => toText(stream))),
      bigints(appended.map(([, part]) => part.events)),
      bigints(appended.map(([, { least }]) => least)),
      bigints(appended.map(([, { most }]) => most)),
      texts(claimed.map(([stream]) => toText(stream))),
      bigints(claimed.map(([, { least }]) => least)),
      bigints(claimed.map(([, { most }]) => most)),
      texts(events.map(({ stream }) => toText(stream))),
      integers(this.#events.map(({ part }) => part.place)),
      bigints(this.#events.map(({ nth }) => nth)),
      smallints(events.map(laneOfOrderingKey)),
      texts(events.map(({ type }) => toText(type))),
      integers(events.map(({ schemaVersion }) => schemaVersion)),
      texts(events.map(({ source }) => toText(source))),
      texts(events.map(({ id }) => toText(id))),
      texts(events.map(storedSubject)),
      texts(events.map(({ time }) => toText(time))),
      texts(events.map(storedCorrelation)),
      texts(events.map(({ causationid }) => (causationid === undefined ? null : toText(causationid)))),
      texts(events.map(storedEncoding)),
      texts(events.map(({ attributes }) => (attributes === undefined ? null : JSON.stringify(attributes)))),
      texts(events.map(({ data, encoding }) => (data === null || encoding === 'none' ? null : toText(data)))),
      nowMs,
      ...checkpoints,
      texts(removed.map(([consumer]) => consumer)),
      bigints(removed.map(([, place]) => place)),
      put.length === 0 ? null : JSON.stringify(put.map(([, row]) => namedColumns(row))),
      bigints(put.map(([token]) => token)),
      ...this.#rows(),
    ];
  }

  /** Of two writes to one row the later stands. */
  #rows(): readonly SqlValue[] {
    const namespaces = new Map<string, number>();
    const rows = new Map<string, readonly [place: number, row: PreparedRow]>();
    const units = this.writes.flatMap(({ unit }) => unit?.rows ?? []);
    for (const row of [...units, ...(this.#foreseen?.rows ?? [])]) {
      const place = namespaces.get(row.namespace) ?? namespaces.size + 1;
      namespaces.set(row.namespace, place);
      rows.set(`${place} ${row.key}`, [place, row]);
    }
    const written = [...rows.values()];
    return [
      texts([...namespaces.keys()]),
      integers(written.map(([place]) => place)),
      texts(written.map(([, { key }]) => key)),
      texts(written.map(([, { json }]) => json ?? null)),
    ];
  }

  flushed([head, recordedMs, bases]: RecordAnswer): Flushed {
    let next = 0;
    const recorded: RecordedEvent[] = [];
    const place = (): Appended => {
      const entry = this.#events[next];
      if (entry === undefined) throw new Error('the server recorded fewer events than it was given');
      next += 1;
      const { event, part, nth } = entry;
      const version = this.#oneByOne ? (bases?.[next - 1] ?? 0) + 1 : (bases?.[part.place - 1] ?? 0) + nth;
      const where = { version, position: position((head ?? 0) + next) };
      const attributes = event.attributes === undefined ? undefined : Object.freeze({ ...event.attributes });
      const data = event.encoding === 'none' ? null : event.data;
      recorded.push(recordedEvent(Object.freeze({ ...event, attributes, data, ...where, recordedMs })));
      return { stream: event.stream, ...where, recordedMs, duplicate: false };
    };
    const outcomes = this.writes.map(({ requests }): UnitOutcome => ({
      ok: true,
      appends: requests.map(({ events }) => ({ ok: true, events: events.map(place) })),
    }));
    const foreseen = this.#foreseen;
    if (foreseen === undefined) return { outcomes, events: recorded };
    const last = position((head ?? 0) + this.#events.length);
    return { outcomes, events: recorded, committed: () => foreseen.kept(last) };
  }

  #isLast(stream: string, { source, id }: Pick<EncodedEvent, 'source' | 'id'>): boolean {
    const found = this.#events.findLast(({ event }) => event.stream === stream)?.event;
    return found?.id === id && found.source === source;
  }

  #part(stream: string): StreamPart {
    let part = this.#streams.get(stream);
    if (part === undefined) {
      part = { place: 0, events: 0, least: 0, most: ANY_VERSION };
      this.#streams.set(stream, part);
    }
    return part;
  }

  /** Its events come next. False: the same is in another write, and has another outcome then. */
  #addCommand(command: CommandEntry, events: number): boolean {
    if (this.#commands.some(({ id }) => id === command.id)) return false;
    this.#commands.push({ ...command, first: events === 0 ? 0 : this.#events.length + 1, events });
    return true;
  }

  #commandColumns(): readonly SqlValue[] {
    const commands = this.#commands;
    return [
      texts(commands.map(({ id }) => toText(id))),
      texts(commands.map(({ name }) => toText(name))),
      texts(commands.map(({ digest }) => digest)),
      texts(commands.map(({ outcome }) => (outcome === undefined ? null : toText(JSON.stringify(outcome))))),
      bigints(commands.map(({ first }) => first)),
      integers(commands.map(({ events }) => events)),
    ];
  }

  #add(event: EncodedEvent): void {
    const part = this.#part(event.stream);
    if (part.events === 0) part.place = this.#places += 1;
    part.events += 1;
    this.#events.push({ event, part, nth: part.events });
  }

  /** What the version of the stream must be before everything, for the claim to hold after the events so far. False: it cannot hold. */
  #claim({ stream, version, last }: StreamClaim): boolean {
    // It holds if this event is the last one of the stream among those of the flush: all of them are recorded, or none.
    if (last !== undefined && !this.#isLast(stream, last)) return false;
    if (version === 'any') return true;
    const part = this.#part(stream);
    if (version === 'exists') part.least = Math.max(part.least, part.events > 0 ? 0 : 1);
    else {
      const before = (version === 'none' ? 0 : version) - part.events;
      part.least = Math.max(part.least, before);
      part.most = Math.min(part.most, before);
    }
    return part.least <= part.most;
  }
}

function valuesOfOne(
  event: EncodedEvent,
  { least, most }: Pick<StreamPart, 'least' | 'most'>,
  nowMs: number,
): readonly SqlValue[] {
  return [
    toText(event.stream),
    least,
    most,
    laneOfOrderingKey(event),
    toText(event.type),
    event.schemaVersion,
    toText(event.source),
    toText(event.id),
    storedSubject(event),
    toText(event.time),
    storedCorrelation(event),
    event.causationid === undefined ? null : toText(event.causationid),
    storedEncoding(event),
    event.attributes === undefined ? null : JSON.stringify(event.attributes),
    event.data === null || event.encoding === 'none' ? null : toText(event.data),
    nowMs,
  ];
}

/** One call of the function after the other: the bases are those of each event. */
function lookedColumns(foreseen: Foreseen): readonly SqlValue[] {
  const { epoch, looked, indexed, indexes, removed, added } = foreseen;
  const namespaces = [...new Set(looked.map(({ namespace }) => namespace))];
  return [
    epoch,
    texts(namespaces),
    integers(looked.map(({ namespace }) => namespaces.indexOf(namespace) + 1)),
    texts(looked.map(({ key }) => key)),
    texts(looked.map(({ stored }) => stored?.json ?? null)),
    texts(looked.map(({ stored }) => stored?.indexes ?? null)),
    bigints([...indexes].sort((left, right) => left - right)),
    integers(indexed.map(({ namespace }) => namespaces.indexOf(namespace) + 1)),
    texts(indexed.map(({ key }) => key)),
    texts(indexed.map(({ json }) => json ?? null)),
    texts(indexed.map((row) => row.indexes)),
    entriesJson(removed),
    entriesJson(added),
  ];
}

function entriesJson(entries: readonly Entry[]): string | null {
  if (entries.length === 0) return null;
  return JSON.stringify(
    entries.map(([index, [kind, number, string], key]) => ({ row_index: index, kind, number, string, key })),
  );
}

function fewStatement(events: number): Statement {
  if (events === 1) return statement('record_event', ONE_PARAMETERS);
  const calls = Array.from({ length: events }, (_, call) => {
    const places = Array.from({ length: ONE_PARAMETERS }, (__, index) => `$${call * ONE_PARAMETERS + index + 1}`);
    return `SELECT head, at_ms, bases[1] AS base FROM record_event(${places.join(', ')})`;
  });
  const text = `SELECT min(head), max(at_ms), array_agg(base ORDER BY head) FROM (${calls.join(' UNION ALL ')}) AS recorded`;
  return { name: `record_event_${events}`, text };
}

function statement(name: string, parameters: number): Statement {
  const places = Array.from({ length: parameters }, (_, index) => `$${index + 1}`);
  return { name, text: `SELECT head, at_ms, bases FROM ${name}(${places.join(', ')})` };
}

/** Of a holder, and its rows have no indexes. */
function isPlain({ lease, rows, statements, parked }: NonNullable<Appending['unit']>): boolean {
  const isHolders = lease !== undefined && lease.checkpoints.length > 0 && parked.length === 0;
  return isHolders && statements.length === 0 && rows.every(({ indexes }) => indexes === null);
}
