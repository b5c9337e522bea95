import type { DatabaseSync } from 'node:sqlite';
import type { EventLog } from '../../channel/event-log.ts';
import { StoreDefect, StoreUnusable, WrongState } from '../../errors.ts';
import { eventsOfText, textOfEvents } from '../../event/encoded-events.ts';
import type { EncodedEvent } from '../../event/event.ts';
import type { OwnOutbox, PutEvents, Refusal } from '../../producer/outbox.ts';
import { backoffMs } from '../../system/backoff.ts';
import type { CancelTimer } from '../../system/clock.ts';
import { systemClock } from '../../system/clock.ts';
import type { Environment } from '../../system/environment.ts';
import { assertApart, hasHalfDoneStatement, locationOf, prepareTable, withoutPatience } from './outbox-table.ts';

/** Entries that are moved together, and roughly the most that moving them holds in memory, beside the last one. */
const ENTRIES_AT_ONCE = 200;
const BYTES_AT_ONCE = 1_024 * 1_024;

/** How often to look whether a transaction has ended, of which SQLite tells nobody. A look at an open one is the read of a property. */
const FIRST_LOOK_MS = 1;
const LAST_LOOK_MS = 100;
/** What the log has is removed so much later, or when it is much: a removal is a commit, and one for each of the caller's would cost as much. */
const REMOVE_AFTER_MS = 50;
/** After the database was found closed, locked or failing. */
const TROUBLE = { minDelayMs: 100, maxDelayMs: 5_000, factor: 2, jitter: 0 };

const PUT = 'INSERT INTO thereupon_outbox (events) VALUES (?)';
const TAKE = 'SELECT number, events FROM thereupon_outbox WHERE number > ? ORDER BY number LIMIT ?';
const REMOVE = 'DELETE FROM thereupon_outbox WHERE number IN (SELECT value FROM json_each(?))';

interface Entry {
  readonly number: number;
  readonly events: readonly EncodedEvent[];
}

type Refused = (events: readonly EncodedEvent[], refusal: Refusal) => EncodedEvent;

/** Asked before anything is opened. Errors: InvalidInput when one is the file of the store. */
export function assertOutboxes(
  databases: readonly DatabaseSync[],
  store: { readonly backend: string; readonly location: string },
): void {
  if (store.backend !== 'sqlite') return;
  for (const [index, database] of databases.entries()) assertApart(database, nameOf(index), store.location);
}

/** Errors: as `prepareTable`. */
export function openOutboxes(
  databases: readonly DatabaseSync[],
  log: EventLog,
  environment: Environment,
): readonly SqliteOutbox[] {
  return databases.map((database, index) => {
    prepareTable(database, nameOf(index));
    return new SqliteOutbox(database, log, environment);
  });
}

/**
 * Rows of a table in a database of the caller's, on the caller's own connection.
 *
 * States     resting: nothing waits, nothing is looked for; looking: something was put, or is in the log and not removed yet.
 * Invariants 1. While a transaction is open nothing runs on the connection but the insert of `put`.
 *            2. What is taken is committed. A statement of the caller's that has answered only some of its rows may hold uncommitted ones
 *               although no transaction is open, so that is waited for too.
 *            3. Nobody's lock is waited for, except by `put`: the thread that waits may be the one that has it.
 *            4. An entry is removed when the log has it. After a crash between the two it is taken again, and is a duplicate (G2).
 *            5. Entries reach the log in the order of their numbers, which is that of the commits: one connection writes at a time (G5).
 */
export class SqliteOutbox implements OwnOutbox {
  readonly database: DatabaseSync;
  readonly #log: EventLog;
  readonly #environment: Environment;
  readonly #location: string;
  #listener: (() => void) | undefined;
  /** Whether anything may be there that the log does not have. */
  #waits = true;
  /** In the log, and not removed yet. */
  #relayed: number[] = [];
  #removeAtMs = 0;
  #cancel: CancelTimer | undefined;
  #delayMs = 0;
  #failures = 0;

  constructor(database: DatabaseSync, log: EventLog, environment: Environment) {
    this.database = database;
    this.#log = log;
    this.#environment = environment;
    this.#location = locationOf(database);
  }

  within(): PutEvents {
    const { isTransaction } = this.database;
    return async (events) => {
      if (this.database.isTransaction !== isTransaction)
        throw new WrongState(
          `database ${this.#location}: ${isTransaction ? 'the transaction ended' : 'a transaction began'} while events for it were being checked, so they were not put; await publishWithin before the next statement`,
        );
      this.database.prepare(PUT).run(textOfEvents(events));
      this.#waits = true;
      // A timer that is set anew by every call would never fire.
      if (this.#cancel === undefined || this.#delayMs > FIRST_LOOK_MS) this.#lookAfter(FIRST_LOOK_MS);
    };
  }

  async relay(refused: Refused): Promise<number> {
    if (!this.#waits && !this.database.isOpen) return 0;
    if (this.#relayed.length >= ENTRIES_AT_ONCE && !this.#removed()) return 0;
    const entries = this.#inQuiet(() => this.#take());
    if (entries === undefined) return 0;
    if (entries.length === 0) {
      this.#rest();
      return 0;
    }
    await this.#append(entries, refused);
    this.#relayed.push(...entries.map(({ number }) => number));
    this.#removeAtMs = systemClock.now() + REMOVE_AFTER_MS;
    return entries.length;
  }

  watch(listener: () => void): () => void {
    this.#listener = listener;
    return () => {
      this.#listener = undefined;
      this.#stopLooking();
      if (this.database.isOpen) this.#removed();
    };
  }

  /** Nothing is there that the log does not have. Where nothing is left to be removed either, there is nothing to look for. */
  #rest(): void {
    this.#waits = false;
    const dueMs = this.#removeAtMs - systemClock.now();
    if (this.#relayed.length > 0 && dueMs > 0) this.#lookAfter(dueMs);
    else if (this.#removed()) {
      this.#failures = 0;
      this.#stopLooking();
    }
  }

  /** Whether nothing that is relayed is left in the database. */
  #removed(): boolean {
    return this.#relayed.length === 0 || this.#inQuiet(() => this.#remove()) === true;
  }

  /** Undefined: not now. Then it is looked again. */
  #inQuiet<Result>(work: () => Result): Result | undefined {
    try {
      if (this.database.isOpen && (this.database.isTransaction || hasHalfDoneStatement(this.database))) {
        this.#lookAfter(Math.min(Math.max(2 * this.#delayMs, FIRST_LOOK_MS), LAST_LOOK_MS));
        return undefined;
      }
      return withoutPatience(this.database, work);
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  #failed(error: unknown): void {
    this.#failures += 1;
    if (this.#failures === 1)
      this.#environment.logger.warn(
        { err: error, database: this.#location },
        'what transactions committed waits in the outbox of this database; looking again',
      );
    this.#lookAfter(backoffMs(TROUBLE, this.#failures, this.#environment.random));
  }

  #lookAfter(delayMs: number): void {
    this.#stopLooking();
    if (this.#listener === undefined) return;
    this.#delayMs = delayMs;
    this.#cancel = systemClock.setTimer(delayMs, () => {
      this.#cancel = undefined;
      this.#listener?.();
    });
  }

  #stopLooking(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#delayMs = 0;
  }

  #take(): readonly Entry[] {
    const statement = this.database.prepare(TAKE);
    statement.setReturnArrays(true);
    statement.setReadBigInts(false);
    const entries: Entry[] = [];
    let bytes = 0;
    for (const row of statement.iterate(this.#relayed.at(-1) ?? 0, ENTRIES_AT_ONCE) as Iterable<unknown> as Iterable<
      [number, string]
    >) {
      entries.push(this.#entryOf(row));
      bytes += row[1].length;
      if (bytes >= BYTES_AT_ONCE) break;
    }
    return entries;
  }

  #entryOf([number, text]: readonly [number, string]): Entry {
    try {
      return { number, events: eventsOfText(text) };
    } catch (error) {
      const reason = `row ${number} of thereupon_outbox does not hold what publishWithin writes; remove it`;
      throw new StoreUnusable(this.#location, reason, { cause: error });
    }
  }

  #remove(): true {
    this.database.prepare(REMOVE).run(JSON.stringify(this.#relayed));
    this.#relayed = [];
    this.#failures = 0;
    return true;
  }

  /** In one write; where that is refused each by itself, so that one which the log does not take stops no other. */
  async #append(entries: readonly Entry[], refused: Refused): Promise<void> {
    if ((await this.#refusalOf(entries.flatMap(({ events }) => events))) === undefined) return;
    for (const { events } of entries) {
      const refusal = await this.#refusalOf(events);
      if (refusal !== undefined)
        await this.#log.append({ events: [refused(events, refusal)], onDuplicate: 'keep-first' });
    }
  }

  async #refusalOf(events: readonly EncodedEvent[]): Promise<Refusal | undefined> {
    try {
      const outcome = await this.#log.append({ events, onDuplicate: 'verify' });
      return outcome.ok ? undefined : outcome;
    } catch (error) {
      if (!(error instanceof StoreDefect)) throw error;
      return { ok: false, reason: 'store-defect', message: error.message };
    }
  }
}

function nameOf(index: number): string {
  return `outboxes[${index}]`;
}
