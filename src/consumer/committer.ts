import type { AppendOutcome, AppendRequest } from '../channel/event-log.ts';
import { ThereuponError } from '../errors.ts';
import { encodedBytes } from '../event/event-size.ts';
import type { EncodedEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import type { Position } from '../event/position.ts';
import { backoffMs } from '../system/backoff.ts';
import { waitFor } from '../system/clock.ts';
import type { CancelTimer } from '../system/clock.ts';
import type { Environment } from '../system/environment.ts';
import type { Delivery } from './delivery-store.ts';
import type { RowWrite } from './row-store.ts';
import { bytesOfStatement } from './table-store.ts';
import type { SqlStatement } from './table-store.ts';
import type { Unit, UnitOfWork } from './unit-of-work.ts';

/** What nobody waits for may wait this long for company: a crash then repeats handlers that changed nothing here. */
const LAZY_MS = 10;
/** After a commit longer, so long: where one event comes after the other there is always company. */
const LAZY_AGAIN_MS = 50;
/** Of keyed state, while a history is read, much longer: what changes again and again is then written once. */
const LAZY_HISTORY_MS = 2_000;
/** So many publications and rows, or so much of them, or so many settled events are committed at once in any case: others wait for a commit. */
const LAZY_WRITES = 16_384;
const LAZY_BYTES = 8 * 1_024 * 1_024;
/** States of keys are in memory anyhow, as long as they are not written. */
const LAZY_PATIENT_BYTES = 24 * 1_024 * 1_024;
/** Of what is built beside others: a commit of so many takes 5 ms, in which writers wait who are waited for. */
const LAZY_BUILD_WRITES = 1_024;
const LAZY_EVENTS = 8_192;
const LAZY_PATIENT_EVENTS = 65_536;
const OUTAGE_BACKOFF = { minDelayMs: 50, maxDelayMs: 5_000, factor: 2, jitter: 0.5 };

/** A commit that the log refused: which event's effects, and why. `refusal` undefined: the consumer is no longer known, or its lanes went to another node. */
export interface Refusal {
  readonly position: Position | undefined;
  readonly refusal: (AppendOutcome & { ok: false }) | undefined;
}

/** A unit that is closed: nothing is added to it any more. */
interface ClosedUnit {
  readonly unit: Unit;
  /** Whose effects its appends are, one by one. */
  readonly owners: readonly Position[];
  /** The event that it is about, where it is about one only. */
  readonly position: Position | undefined;
  /** Settled events and publications in it, and what it holds in memory. */
  readonly size: number;
  readonly bytes: number;
  readonly rows: ReadonlyMap<string, RowWrite>;
}

export interface CommitterOptions {
  readonly consumer: string;
  readonly unitOfWork: UnitOfWork;
  readonly environment: Environment;
  /** That many events of a history are handled again after a crash costs little: their keys' states are most of what comes of them. */
  readonly isPatient: boolean;
  /** Others are waited for: its units are small. */
  readonly isBuild: boolean;
  /** Every event is a unit of its own, so that one that cannot be committed is found and takes no other with it. */
  readonly careful: boolean;
  /** Rows are written in this form; undefined: as they are. */
  readonly storedForm: ((state: JsonValue) => JsonValue) | undefined;
  snapshot(): Pick<Unit, 'checkpoint' | 'lease'> & {
    /** What the unit makes true; it follows all else in it. */
    readonly told: EncodedEvent | undefined;
  };
  /** While a history is read, effects wait for company too: rows that change many times are then written once. */
  readonly catchingUp: () => boolean;
  /** A unit became durable. */
  committed(unit: Unit): void;
  /** Called once; the committer has stopped by then and nothing of the refused unit was written. */
  refused(refusal: Refusal): void;
  /** Called once, as `refused`, for a unit that the store cannot take and that waiting does not mend; and whose it is, when careful. */
  failed(error: unknown, position: Position | undefined): void;
  /** The store does not take commits at present, and why. */
  outage(error: unknown): void;
}

/**
 * Collects what handled events change, and commits it together with the checkpoint.
 *
 * States    idle → scheduled → committing → idle; stopped from any.
 * Invariants
 * 1. One commit at a time, in order; what is added meanwhile goes with the next one.
 * 2. The checkpoint of a commit covers exactly the events whose effects are in this or an earlier commit: effects are added and
 *    the event is settled in one synchronous step, and the snapshot is taken when the unit is closed.
 * 3. A row that is written many times between two commits is written once.
 * 4. A commit that fails because of the medium is repeated as it is; nothing is added to it or taken from it.
 * 5. While careful, the effects of each event are closed in the step in which it is settled, and committed in that order.
 */
export class Committer {
  readonly #options: CommitterOptions;
  #appends: { request: AppendRequest; position: Position }[] = [];
  #rows = new Map<string, RowWrite>();
  #rowsApart: RowWrite[] = [];
  #statements: SqlStatement[] = [];
  #rowBytes = new Map<string, number>();
  #put = new Map<Position, Delivery>();
  #remove = new Set<Position>();
  #settled = 0;
  #appended = 0;
  #bytes = 0;
  #dirty = false;
  /** Somebody may wait for what was settled. */
  #urgent = false;
  /** What was settled may have reached beyond the store. */
  #outside = false;
  #careful: boolean;
  #alone = false;
  /** Units that were closed, those of them that are durable, and those between, in order. */
  #closed = 0;
  #durable = 0;
  #units: ClosedUnit[] = [];
  /** What the units hold together. */
  #waiting = { size: 0, bytes: 0 };
  #running: Promise<void> | undefined;
  #cancelLazy: CancelTimer | undefined;
  /** When the last commit began. */
  #begunMs = Number.NEGATIVE_INFINITY;
  readonly #lazyEvents: number;
  readonly #lazyWrites: number;
  readonly #lazyBytes: number;
  readonly #stopping = new AbortController();

  constructor(options: CommitterOptions) {
    this.#options = options;
    this.#careful = options.careful;
    this.#lazyEvents = options.isPatient ? LAZY_PATIENT_EVENTS : LAZY_EVENTS;
    this.#lazyWrites = options.isBuild ? LAZY_BUILD_WRITES : LAZY_WRITES;
    this.#lazyBytes = options.isPatient ? LAZY_PATIENT_BYTES : LAZY_BYTES;
  }

  get stopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** Something is waiting to be committed or being committed. */
  get busy(): boolean {
    return this.#dirty || this.#running !== undefined;
  }

  get careful(): boolean {
    return this.#careful;
  }

  /** What could not be committed is found: events share units again. */
  relax(): void {
    this.#careful = false;
  }

  /** Settled events that are not durable yet, and what they published: memory that waits for the store (G10). */
  get uncommitted(): number {
    return this.#waiting.size + this.#settled + this.#appended;
  }

  /** What these hold in memory, roughly. */
  get uncommittedBytes(): number {
    return this.#waiting.bytes + this.#bytes;
  }

  /** Whether a row was written that is not durable yet. */
  hasRow(key: string): boolean {
    return this.#rows.has(key) || this.#units.some(({ rows }) => rows.has(key));
  }

  /** Facts whose ids follow from the event at `position`, or that are reports about it: however often they are told, the first one stands. */
  append(events: readonly EncodedEvent[], position: Position): void {
    this.#append({ events, onDuplicate: 'keep-first' }, position);
  }

  /** A fact under an id that the handler chose: another one under the same id is refused (G2). */
  appendVerified(event: EncodedEvent, position: Position): void {
    this.#append({ events: [event], onDuplicate: 'verify' }, position);
  }

  #append(request: AppendRequest, position: Position): void {
    if (request.events.length === 0) return;
    this.#appends.push({ request, position });
    this.#appended += request.events.length;
    for (const event of request.events) this.#bytes += encodedBytes(event);
  }

  /** `bytes`: what the value takes, roughly. */
  write(row: RowWrite, bytes: number): void {
    this.#rows.set(row.key, row);
    this.#bytes += bytes - (this.#rowBytes.get(row.key) ?? 0);
    this.#rowBytes.set(row.key, bytes);
  }

  /** What changes tables: all of it, in order. */
  execute(statements: readonly SqlStatement[]): void {
    this.#statements.push(...statements);
    for (const statement of statements) this.#bytes += bytesOfStatement(statement);
  }

  /** A row that is not of the states of keys. */
  writeApart(row: RowWrite): void {
    this.#rowsApart.push(row);
    this.#bytes += row.key.length;
  }

  putDelivery(delivery: Delivery): void {
    this.#remove.delete(delivery.position);
    this.#put.set(delivery.position, delivery);
  }

  removeDelivery(position: Position): void {
    this.#put.delete(position);
    this.#remove.add(position);
  }

  /**
   * What is added next belongs to an event that is to be a unit of its own, whose failure is then known for its: one that is tried again. It ends
   * with `settled`.
   */
  beginAlone(): void {
    if (this.#dirty) this.#close(undefined);
    this.#alone = true;
  }

  /**
   * An event was settled: with effects it is committed now, without soon. `outside`: its handler may have done something beyond the store, which a
   * crash before the commit lets it do again.
   */
  settled(urgent: boolean, position?: Position, outside = false): void {
    this.#dirty = true;
    this.#settled += 1;
    if (this.#careful || this.#alone) {
      this.#alone = false;
      this.#close(position);
      this.#start();
      return;
    }
    this.#urgent ||= urgent && !this.#options.catchingUp();
    if (outside && !this.#outside) {
      this.#outside = true;
      this.#wait();
    }
    this.#startInTime();
  }

  get #isLarge(): boolean {
    return (
      this.#appended + this.#rows.size + this.#statements.length >= this.#lazyWrites ||
      this.#bytes >= this.#lazyBytes ||
      this.#settled >= this.#lazyEvents
    );
  }

  /** Resolves when everything added before the call is durable. Rejects when the committer was stopped first. */
  async flush(): Promise<void> {
    // Only up to here: what is added meanwhile, and under load something always is, does not keep the caller waiting.
    const needed = this.#dirty ? this.#closed + 1 : this.#closed;
    while (this.#durable < needed) {
      if (this.stopped) throw new Error('the committer was stopped');
      this.#start();
      await this.#running;
    }
  }

  /** Does not wait for company any longer. */
  hurry(): void {
    if (this.#dirty) this.#start();
  }

  /** Gives up what is not committed. */
  stop(): void {
    this.#stopping.abort(new Error('the committer was stopped'));
    this.#cancelLazy?.();
  }

  #startInTime(): void {
    if (this.#urgent || this.#isLarge) this.#start();
    else this.#startSoon();
  }

  #startSoon(): void {
    if (this.#running !== undefined || this.#cancelLazy !== undefined || this.stopped) return;
    const { clock } = this.#options.environment;
    // Clocks may be set back.
    const { isPatient, catchingUp } = this.#options;
    const lazyMs = isPatient && !this.#outside && catchingUp() ? LAZY_HISTORY_MS : LAZY_AGAIN_MS;
    const againMs = Math.min(lazyMs, this.#begunMs + lazyMs - clock.now());
    this.#cancelLazy = clock.setTimer(Math.max(LAZY_MS, againMs), () => {
      this.#cancelLazy = undefined;
      this.#start();
    });
  }

  /** Until it is said anew, nothing is begun by time. */
  #wait(): void {
    this.#cancelLazy?.();
    this.#cancelLazy = undefined;
  }

  #start(): void {
    if (this.#running !== undefined || this.stopped) return;
    this.#wait();
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      if (this.#units.length > 0) this.#start();
      else if (this.#dirty) this.#startInTime();
    });
  }

  async #run(): Promise<void> {
    // After the present run of synchronous handlers, so that all of them share the commit.
    await Promise.resolve();
    if (this.stopped) return;
    if (this.#dirty) this.#close(undefined);
    const [next] = this.#units;
    if (next === undefined) return;
    this.#begunMs = this.#options.environment.clock.now();
    const outcome = await this.#commit(next);
    if (outcome === undefined) return;
    if (outcome.ok) {
      this.#durable += 1;
      this.#units.shift();
      this.#waiting.size -= next.size;
      this.#waiting.bytes -= next.bytes;
      this.#options.committed(next.unit);
    } else if (!this.stopped) {
      this.stop();
      this.#options.refused({ position: next.owners[outcome.index], refusal: outcome.refusal });
    }
  }

  #close(position: Position | undefined): void {
    const { told, ...place } = this.#options.snapshot();
    const appends = this.#appends.map(({ request }) => request);
    const unit: Unit = {
      consumer: this.#options.consumer,
      ...place,
      appends: told === undefined ? appends : [...appends, { events: [told], onDuplicate: 'keep-first' }],
      rows: [...this.#rowsAsStored(), ...this.#rowsApart],
      ...(this.#statements.length === 0 ? {} : { statements: this.#statements }),
      deliveries: { put: [...this.#put.values()], remove: [...this.#remove] },
    };
    const owners = this.#appends.map((append) => append.position);
    const size = this.#settled + this.#appended;
    this.#units.push({ unit, owners, position, size, bytes: this.#bytes, rows: this.#rows });
    this.#waiting.size += size;
    this.#waiting.bytes += this.#bytes;
    this.#closed += 1;
    this.#appends = [];
    this.#rows = new Map();
    this.#rowsApart = [];
    this.#statements = [];
    this.#rowBytes = new Map();
    this.#put = new Map();
    this.#remove = new Set();
    this.#settled = 0;
    this.#appended = 0;
    this.#bytes = 0;
    this.#dirty = false;
    this.#urgent = false;
    this.#outside = false;
  }

  #rowsAsStored(): readonly RowWrite[] {
    const { storedForm } = this.#options;
    const rows = [...this.#rows.values()];
    if (storedForm === undefined) return rows;
    return rows.map((row) => (row.value === undefined ? row : { ...row, value: storedForm(row.value) }));
  }

  async #commit({ unit, position }: ClosedUnit): Promise<Awaited<ReturnType<UnitOfWork['commit']>> | undefined> {
    const { environment } = this.#options;
    for (let failures = 1; ; failures += 1) {
      try {
        return await this.#options.unitOfWork.commit(unit);
      } catch (error) {
        if (this.stopped) return undefined;
        if (!(error instanceof ThereuponError) || error.retry === 'never') {
          this.stop();
          this.#options.failed(error, position);
          return undefined;
        }
        this.#options.outage(error);
        try {
          await waitFor(
            environment.clock,
            backoffMs(OUTAGE_BACKOFF, failures, environment.random),
            this.#stopping.signal,
          );
        } catch {
          // Stopped while waiting: the unit is given up, as after a crash.
          return undefined;
        }
      }
    }
  }
}
