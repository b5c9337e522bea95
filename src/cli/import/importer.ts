import { pathOf } from '../access/api.ts';
import type { Api } from '../access/api.ts';
import { ApiProblem, CommandFailed, UsageError } from '../failure.ts';
import { plural } from '../output/text.ts';
import type { Place } from './groups.ts';
import type { Progressed, ResumeFile } from './resume-file.ts';
import { sendBatch } from './send.ts';
import type { Outgoing } from './send.ts';
import { BEGINNING } from './source.ts';
import type { Source } from './source.ts';
import { RowProblem } from './unit.ts';

export interface ImporterOptions {
  readonly source: Source;
  readonly api: Api;
  /** Looks at every type before an event of it is published. Errors: CommandFailed. */
  readonly checkType: (type: string) => Promise<void>;
  readonly resume: ResumeFile | undefined;
  /** `stop` at the first bad row; `skip` and name up to `maxErrors` of them. */
  readonly onError: 'stop' | 'skip';
  readonly maxErrors: number;
  readonly batchEvents: number;
  readonly signal: AbortSignal;
  /** Called after each batch, and while rows are gathered. */
  readonly progress: (done: Progressed, gathered: number | undefined) => void;
  /** A row that is left out. */
  readonly bad: (problem: RowProblem) => void;
  readonly remark: (text: string) => void;
}

export interface ImportOutcome extends Progressed {
  readonly finished: boolean;
  /** Rows that no event wanted, by the mapping's own word. */
  readonly ignored: number;
}

/** A request stays well under the 8 MiB that servers take by default. */
const BATCH_BYTES = 2 * 1_048_576;

/** The import was stopped by a bad row; what came before it is recorded. */
export class ImportStopped extends CommandFailed {}

/**
 * Takes files into a system, batch by batch.
 *
 * States     reading → sending → (its place is remembered) → reading …; ends when the files end, at a bad row, or when it is asked to.
 * Invariants 1. The remembered place is never after an event that is not durable.
 *            2. Every row is in exactly one of: an event, skipped (and named), ignored.
 *            3. One batch is in memory, whatever the size of the files.
 */
export class Importer {
  readonly #options: ImporterOptions;
  #progressed: Progressed = { place: BEGINNING, rows: 0, events: 0, recorded: 0, duplicates: 0, skipped: 0 };
  #ignored = 0;
  #batch: Outgoing[] = [];
  #batchBytes = 0;
  /** Rows read but not yet in an acknowledged batch. */
  #rows = 0;
  #named = 0;

  constructor(options: ImporterOptions) {
    this.#options = options;
  }

  async run(): Promise<ImportOutcome> {
    const { resume, remark } = this.#options;
    const before = resume?.read();
    if (before !== undefined && (await this.#holds(before))) {
      this.#progressed = before;
      remark(`going on after ${plural(before.rows, 'row')} that an earlier run has done`);
    } else if (before !== undefined) {
      remark('this store does not hold what an earlier run has imported; beginning again');
    }
    const finished = await this.#pass(this.#progressed.place);
    if (finished) resume?.remove();
    return { ...this.#progressed, ignored: this.#ignored, finished };
  }

  async #pass(from: Place): Promise<boolean> {
    const { source, signal, batchEvents, progress } = this.#options;
    let place = from;
    for await (const found of source.units(from, (rows) => progress(this.#progressed, rows))) {
      if (signal.aborted) break;
      if ('problems' in found) {
        this.#rows += found.rows;
        await this.#bad(found.problems, found.rows, place);
      } else {
        this.#rows += found.unit.length;
        try {
          this.#take(found.unit.length, { event: source.eventOf(found.unit), row: found.unit[0] });
        } catch (error) {
          if (!(error instanceof RowProblem)) throw error;
          await this.#bad([error], found.unit.length, place);
        }
      }
      place = found.after;
      if (this.#batch.length >= batchEvents || this.#batchBytes > BATCH_BYTES) await this.#send(place);
    }
    await this.#send(place);
    return !signal.aborted;
  }

  /** Whether the store is still the one that the earlier run wrote to. */
  async #holds({ last }: Progressed): Promise<boolean> {
    if (last === undefined) return true;
    try {
      await this.#options.api.get(`/events${pathOf(last.source, last.id)}`);
      return true;
    } catch (error) {
      // Not found, or not to be named in an address: beginning again is always right.
      if (error instanceof UsageError || (error instanceof ApiProblem && error.status === 404)) return false;
      throw error;
    }
  }

  #take(rows: number, { event, row }: { event: Outgoing['event'] | undefined; row: Outgoing['row'] }): void {
    if (event === undefined) {
      this.#ignored += rows;
      return;
    }
    this.#batch.push({ event, row, rows });
    this.#batchBytes += JSON.stringify(event).length;
  }

  /** Names the rows; stops the import when that is what was asked for, after recording what came before them. */
  async #bad(problems: readonly RowProblem[], rows: number, before: Place): Promise<void> {
    const { onError, maxErrors, bad } = this.#options;
    const [first] = problems;
    if (onError === 'stop') {
      this.#rows -= rows;
      await this.#send(before);
      throw new ImportStopped(
        `${first?.message ?? 'a row is bad'}\n${this.#soFar()}; mend the row and import again, or leave bad rows out with --on-error skip`,
      );
    }
    for (const problem of problems) bad(problem);
    this.#named += problems.length;
    this.#progressed = { ...this.#progressed, skipped: this.#progressed.skipped + rows };
    if (this.#named >= maxErrors) {
      await this.#send(before);
      throw new ImportStopped(`${this.#named} bad rows are as many as --max-errors allows\n${this.#soFar()}`);
    }
  }

  async #send(place: Place): Promise<void> {
    const { api, resume, signal, onError, progress, checkType } = this.#options;
    const batch = this.#batch;
    for (const type of new Set(batch.map(({ event }) => event['type'] as string))) await checkType(type);
    this.#batch = [];
    this.#batchBytes = 0;
    const { published, refused } = await sendBatch(api, batch, { stopAtRefusal: onError === 'stop', signal });
    const recorded = published.filter(({ duplicate }) => !duplicate).length;
    const { events, duplicates } = this.#progressed;
    const last = published.at(-1) ?? this.#progressed.last;
    const counted: Progressed = {
      ...this.#progressed,
      events: events + published.length,
      recorded: this.#progressed.recorded + recorded,
      duplicates: duplicates + published.length - recorded,
      ...(last === undefined ? {} : { last: { source: last.source, id: last.id } }),
    };
    const [stopped] = refused;
    if (stopped !== undefined && onError === 'stop') {
      this.#progressed = counted;
      throw new ImportStopped(
        `${stopped.problem.message}\n${this.#soFar()}; mend the row and import again, or leave bad rows out with --on-error skip`,
      );
    }
    this.#progressed = { ...counted, place, rows: this.#progressed.rows + this.#rows };
    this.#rows = 0;
    resume?.write(this.#progressed);
    for (const { outgoing, problem } of refused) await this.#bad([problem], outgoing.rows, place);
    progress(this.#progressed, undefined);
  }

  #soFar(): string {
    const { events } = this.#progressed;
    return `${plural(events, 'event')} before it ${events === 1 ? 'is' : 'are'} in the store`;
  }
}
