import { InvalidInput } from '../errors.ts';
import type { EventDefinition } from '../event/define-event.ts';
import type { Config } from '../config.ts';
import { assertLists } from '../system-options.ts';
import { isOptions } from '../system/known-options.ts';
import { seededRandom } from '../system/random.ts';
import { differenceOf } from './simulation-outcome.ts';
import type { Difference, Outcome } from './simulation-outcome.ts';
import { disorderlyPlan, faultShares, orderlyPlan, shrunkPlan, toldIn } from './simulation-plan.ts';
import type { Plan, SimulationFaults } from './simulation-plan.ts';
import { play } from './simulation-run.ts';
import type { Told } from './simulation-run.ts';
import { reportOf } from './simulation-report.ts';
import type { ProgramOptions } from './test-process.ts';
import { DEFAULT_START_MS } from './virtual-clock.ts';

/** A program, as `testSystem` takes it, or a configuration; or what makes a new one for each run, together with a new outside world. */
export type SimulatedProgram<Events extends EventDefinition = EventDefinition> =
  | Config<Events>
  | ProgramOptions<Events>
  | (() => Config<Events> | ProgramOptions<Events> | Promise<Config<Events> | ProgramOptions<Events>>);

export interface SimulationOptions {
  /** The history that is told: facts as a test writes them, or CloudEvents (`decodeJsonEvent`). */
  readonly events: readonly Told[];
  /** How often it is told, each time with other faults. Default 100. */
  readonly runs?: number;
  /** The same seed gives the same faults. Default 1. */
  readonly seed?: number;
  readonly faults?: SimulationFaults;
  /** What time it is at the beginning. Default: when the first of the events happened, where that is said; else 2026-01-01T00:00:00Z. */
  readonly now?: string | Date;
  /** Ends it after the present run. */
  readonly signal?: AbortSignal;
  /** Told after each run, and while a divergence is made smaller (`run` undefined). */
  readonly progress?: (run: number | undefined) => void;
}

/** One run in which something else came out than in the orderly one. */
export interface Divergence {
  /** Counted from 1; 0: two orderly runs differ, so what comes out does not follow from the events alone. */
  readonly run: number;
  /** Of this run alone: `simulate` with it and `runs: 1` does the same again. */
  readonly seed: number;
  readonly difference: Difference;
  /** The fewest events, and tellings of them, with which it was still seen. */
  readonly plan: Plan;
  /** Events of the history in it. */
  readonly events: number;
}

export interface Simulation {
  /** Runs that were made. */
  readonly runs: number;
  readonly seed: number;
  /** The first one; undefined: in every run the same came out. */
  readonly divergence: Divergence | undefined;
  /** The same for a person. */
  readonly report: string;
}

const OPTIONS = 'events runs seed faults now signal progress'.split(' ');

/** So many smaller plans are tried for a divergence. */
const SHRINK_ATTEMPTS = 400;

/**
 * Tells a program a history again and again, twice, out of order, late, with crashes in the middle, and compares what comes of it, read
 * models, published facts and dead letters, with what comes of the history told in order.
 *
 * Guarantee The engine is the one of production, on a store in memory and a virtual clock. The same program, history and seed give the same runs.
 *           Ids and times of published facts are not compared: they may follow from which event came last.
 * Errors    InvalidInput; what opening the program throws.
 */
export async function simulate<Events extends EventDefinition = EventDefinition>(
  program: SimulatedProgram<Events>,
  options: SimulationOptions,
): Promise<Simulation> {
  if (typeof program !== 'function' && !isOptions(program))
    throw new InvalidInput({ path: 'program', expected: 'the options of open() without a store', found: program });
  if (!isOptions(options))
    throw new InvalidInput({ path: 'options', expected: 'an object with events', found: options });
  const unknown = Object.keys(options).find((option) => !OPTIONS.includes(option));
  if (unknown !== undefined)
    throw new InvalidInput({ path: `options.${unknown}`, expected: `one of ${OPTIONS.join(', ')}`, found: unknown });
  const { events, runs = 100, seed = 1, now, signal, progress = () => {} } = options;
  if (!Array.isArray(events) || events.length === 0)
    throw new InvalidInput({ path: 'events', expected: 'a history of at least one event', found: events });
  for (const [index, event] of (events as readonly unknown[]).entries())
    if (!isTold(event))
      throw new InvalidInput({
        path: `events[${index}]`,
        expected: 'a CloudEvent as decodeJsonEvent gives it, or a list: its definition, its data and maybe options',
        found: event,
      });
  if (!Number.isSafeInteger(runs) || runs < 1)
    throw new InvalidInput({ path: 'runs', expected: 'a whole number from 1', found: runs });
  if (!Number.isSafeInteger(seed)) throw new InvalidInput({ path: 'seed', expected: 'a whole number', found: seed });
  // Each run has a seed of its own.
  if (!Number.isSafeInteger(seed + runs))
    throw new InvalidInput({ path: 'seed', expected: `at most ${Number.MAX_SAFE_INTEGER - runs}`, found: seed });
  if (typeof progress !== 'function')
    throw new InvalidInput({ path: 'progress', expected: 'a function', found: progress });
  const shares = faultShares(options.faults === undefined ? {} : options.faults);
  const startMs = now === undefined ? beginningOf(events) : new Date(now ?? Number.NaN).getTime();
  if (!Number.isFinite(startMs)) throw new InvalidInput({ path: 'now', expected: 'a time', found: now });
  const theatre = new Theatre(program, events, startMs);
  const all = events.map((_event, index) => index);
  const again = await theatre.differs(orderlyPlan(all), seed);
  const parked = await theatre.parked(all, seed);
  if (again !== undefined) {
    const divergence = await theatre.shrunk({ run: 0, seed, difference: again, plan: orderlyPlan(all) }, progress);
    return { runs: 0, seed, divergence, report: reportOf(divergence, events, theatre.timed) };
  }
  for (let run = 1; run <= runs; run += 1) {
    if (signal?.aborted === true) return alike(run - 1, seed, events.length, parked);
    // The first one has the seed that was given: so a run that was reported is made again.
    const ownSeed = seed + run - 1;
    const plan = disorderlyPlan(events.length, shares, seededRandom(ownSeed));
    const difference = await theatre.differs(plan, ownSeed);
    progress(run);
    if (difference !== undefined) {
      const divergence = await theatre.shrunk({ run, seed: ownSeed, difference, plan }, progress);
      return { runs: run, seed, divergence, report: reportOf(divergence, events, theatre.timed) };
    }
  }
  return alike(runs, seed, events.length, parked);
}

function isTold(event: unknown): boolean {
  if (Array.isArray(event)) return (event[0] as { readonly kind?: unknown } | undefined)?.kind === 'event';
  return typeof event === 'object' && event !== null && 'type' in event && 'payload' in event;
}

/** Event time and the clock then begin together, as they did: what goes by both is not told of a future, nor of a past. */
function beginningOf(events: readonly Told[]): number {
  const times = events.flatMap((event): number[] => {
    const time = 'type' in event ? event.time : event[2]?.time;
    const ms = time === undefined ? Number.NaN : new Date(time).getTime();
    return Number.isFinite(ms) ? [ms] : [];
  });
  return times.length === 0 ? DEFAULT_START_MS : times.reduce((first, ms) => Math.min(first, ms));
}

function alike(runs: number, seed: number, events: number, parked: ReadonlyMap<string, number>): Simulation {
  const lines = [`${runs} runs of ${events} events (seed ${seed}): the same came out in each`];
  if (parked.size > 0) lines.push('', '  dead letters too, in each of them, also where all was told in order:');
  for (const [reaction, count] of parked) lines.push(`    ${reaction}: ${count}`);
  const report = lines.join('\n');
  return { runs, seed, divergence: undefined, report };
}

/** Where a history is played. */
class Theatre {
  readonly #program: SimulatedProgram;
  readonly #history: readonly Told[];
  readonly #startMs: number;
  /** Reactions of the program that go by time. */
  timed: ReadonlySet<string> = new Set();
  /** What comes of events told in order, by which they are; the last one asked for alone, since smaller ones come once. */
  #orderly: { readonly key: string; readonly outcome: Outcome } | undefined;

  constructor(program: SimulatedProgram, history: readonly Told[], startMs: number) {
    this.#program = program;
    this.#history = history;
    this.#startMs = startMs;
  }

  /** What differs from the same events told in order. */
  async differs(plan: Plan, seed: number): Promise<Difference | undefined> {
    const expected = await this.#expected(toldIn(plan), seed);
    return differenceOf(expected, await this.#play(plan, seed));
  }

  /** How many dead letters each reaction has where these are told in order. */
  async parked(indexes: readonly number[], seed: number): Promise<ReadonlyMap<string, number>> {
    const { letters } = await this.#expected(indexes, seed);
    const counts = new Map<string, number>();
    for (const { reaction, count } of letters.values()) counts.set(reaction, (counts.get(reaction) ?? 0) + count);
    return counts;
  }

  async shrunk(
    { run, seed, difference, plan }: Omit<Divergence, 'events'>,
    progress: (run: number | undefined) => void,
  ): Promise<Divergence> {
    const fails = (candidate: Plan) => {
      progress(undefined);
      return this.differs(candidate, seed);
    };
    const smallest = await shrunkPlan(plan, difference, fails, SHRINK_ATTEMPTS);
    return { run, seed, difference: smallest.failure, plan: smallest.plan, events: toldIn(smallest.plan).length };
  }

  async #expected(indexes: readonly number[], seed: number): Promise<Outcome> {
    const key = indexes.join();
    if (this.#orderly?.key !== key) {
      const outcome = await this.#play(orderlyPlan(indexes), seed);
      this.#orderly = { key, outcome };
    }
    return this.#orderly.outcome;
  }

  async #play(plan: Plan, seed: number): Promise<Outcome> {
    const given: unknown = typeof this.#program === 'function' ? await this.#program() : this.#program;
    if (!isOptions(given))
      throw new InvalidInput({ path: 'program()', expected: 'the options of open() without a store', found: given });
    assertLists(given);
    const { store: _store, environment: _environment, server: _server, feed: _feed, ...program } = given as Config;
    const holding = (program.automations ?? []).filter(({ reaction }) => reaction.time !== undefined);
    this.timed = new Set([...(program.windows ?? []), ...(program.monitors ?? []), ...holding].map(({ name }) => name));
    return play({ program, history: this.#history, plan, seed, startMs: this.#startMs });
  }
}
