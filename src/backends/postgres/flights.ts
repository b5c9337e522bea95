import type { ThereuponError } from '../../errors.ts';
import type { Database, Line } from './database.ts';
import { sqlStateOf, storeError } from './database.ts';
import type { Appending, Flushed } from './flush.ts';
import type { Chaining } from './log-chain.ts';
import { NOT_RECORDED, OVERTAKEN } from './record.ts';
import type { OneStatement, RecordAnswer } from './record.ts';

/**
 * What became of a flush that was sent. Where it was refused as it was asked for, or its answer was lost and it may have been carried out, it has
 * to be looked at in detail. Where it was overtaken it may be sent again, as things are now.
 */
export type FlightAnswer =
  | { readonly flushed: Flushed }
  | { readonly failure: ThereuponError }
  | { readonly unclear: 'refused' | 'overtaken' | 'lost' };

/** A flush with its answer. */
export interface Landed {
  readonly writes: readonly Appending[];
  readonly answer: FlightAnswer;
}

interface Flight {
  readonly writes: readonly Appending[];
  readonly mayBeFollowed: boolean;
  readonly answer: Promise<FlightAnswer>;
}

/**
 * Flushes on their way to the server and back, on one connection that is kept while there are any.
 *
 * Invariant  They are carried out in the order in which they are sent, one transaction each; what is behind one that was not, is not either.
 */
export class Flights {
  readonly #database: Database;
  readonly #listener: number;
  readonly #underWay: Flight[] = [];
  readonly #name: string;
  readonly #chaining: Chaining;
  #line: Promise<Line> | undefined;
  #sent = 0;

  /**
   * `listener`: the number under which this process listens. `name`: of these flights alone, since a connection may have served others before,
   * whose names are not to be taken for theirs.
   */
  constructor(database: Database, listener: number, name: string, chaining: Chaining) {
    this.#database = database;
    this.#listener = listener;
    this.#name = name;
    this.#chaining = chaining;
  }

  get count(): number {
    return this.#underWay.length;
  }

  /** How many writes are under way. */
  get writes(): number {
    return this.#underWay.reduce((sum, { writes }) => sum + writes.length, 0);
  }

  get mayBeFollowed(): boolean {
    return this.#underWay.every((flight) => flight.mayBeFollowed);
  }

  send(flush: OneStatement, nowMs: number): void {
    this.#line ??= this.#database.line();
    const after = this.#underWay.length > 0 ? this.#lastName : undefined;
    this.#sent += 1;
    const call = { nowMs, listener: this.#listener, flush: this.#lastName, after, chained: this.#chaining.isOn };
    const { statement, values, isNamed } = flush.call(call);
    const answer = answerTo(flush, this.#line, (line) => line.call(statement, values), this.#database.store);
    this.#underWay.push({ writes: flush.writes, mayBeFollowed: isNamed, answer });
  }

  /** The answer to the first of them; undefined: none is under way. */
  async landed(): Promise<Landed | undefined> {
    const [first] = this.#underWay;
    if (first === undefined) return undefined;
    const answer = await first.answer;
    this.#underWay.shift();
    if (this.#underWay.length === 0) await this.#release();
    return { writes: first.writes, answer };
  }

  get #lastName(): string {
    return `${this.#name}/${this.#sent}`;
  }

  async #release(): Promise<void> {
    const line = this.#line;
    this.#line = undefined;
    try {
      (await line)?.release();
    } catch {
      // It could not be made, as its flushes have been told.
    }
  }
}

async function answerTo(
  flush: OneStatement,
  connected: Promise<Line>,
  call: (line: Line) => ReturnType<Line['call']>,
  store: string,
): Promise<FlightAnswer> {
  try {
    const answer = await call(await connected);
    // What became of one that was lost shows in detail: what was recorded is found as a duplicate.
    return 'row' in answer ? { flushed: flush.flushed(answer.row as RecordAnswer) } : { unclear: 'lost' };
  } catch (error) {
    const failure = storeError(store, error);
    const state = sqlStateOf(failure.cause) ?? '';
    if (state === OVERTAKEN) return { unclear: 'overtaken' };
    // It may be that the server cannot take the rows of a projection, which is to keep nobody from recording.
    if (flush.isForeseen && failure.fault === 'defect') return { unclear: 'refused' };
    return NOT_RECORDED.has(state) ? { unclear: 'refused' } : { failure };
  }
}
