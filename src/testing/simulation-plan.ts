import { InvalidInput } from '../errors.ts';
import { durationMs } from '../system/duration.ts';
import type { Duration } from '../system/duration.ts';
import { isOptions } from '../system/known-options.ts';
import type { Random } from '../system/random.ts';

/** How often what goes wrong, each from 0 to 1: the share of the events, or, of crashes, of the moments in which one is told. */
export interface SimulationFaults {
  /** Told again, some time later, as by a producer who did not hear the answer. Default 0.1. */
  readonly duplicate?: number;
  /** Told after up to ten of those that come after it. Default 0.1. */
  readonly reorder?: number;
  /** Told later. Default 0.05, by up to an hour. */
  readonly delay?: number | { readonly share: number; readonly upTo: Duration };
  /** Never told; what is expected then is what the others lead to. Default 0. */
  readonly drop?: number;
  /** The process dies in the middle of what came of it, and starts again. Default 0.1. */
  readonly crash?: number;
}

/** Where a process dies: at the n-th write after an event was told, before it is durable or after it, before anybody knows. */
export interface Crash {
  readonly write: number;
  readonly when: 'before' | 'after';
}

/** One telling of one event of the history. */
export interface Telling {
  /** Its place in the history. */
  readonly index: number;
  /** Since the beginning. */
  readonly atMs: number;
  readonly crash: Crash | undefined;
}

/** What happens in one run, in this order. */
export type Plan = readonly Telling[];

export interface FaultShares {
  readonly duplicate: number;
  readonly reorder: number;
  readonly delay: number;
  readonly delayMs: number;
  readonly drop: number;
  readonly crash: number;
}

/** Events come one after another so far apart. */
const APART_MS = 1_000;
/** An event that is told out of order comes after so many others at most. */
const REORDER_EVENTS = 10;
/** A crash comes at one of so many writes after an event was told. */
const CRASH_WRITES = 4;

/** Errors: InvalidInput names what of the faults cannot be meant. */
export function faultShares(faults: SimulationFaults): FaultShares {
  if (!isOptions(faults)) throw new InvalidInput({ path: 'faults', expected: 'an object of shares', found: faults });
  const known = new Set(['duplicate', 'reorder', 'delay', 'drop', 'crash']);
  for (const name of Object.keys(faults))
    if (!known.has(name))
      throw new InvalidInput({ path: 'faults', expected: `only ${[...known].join(', ')}`, found: name });
  const { duplicate = 0.1, reorder = 0.1, delay = 0.05, drop = 0, crash = 0.1 } = faults;
  if (typeof delay !== 'number' && !isOptions(delay))
    throw new InvalidInput({ path: 'faults.delay', expected: 'a share from 0 to 1, or { share, upTo }', found: delay });
  const unknown =
    typeof delay === 'number' ? undefined : Object.keys(delay).find((name) => !/^(share|upTo)$/.test(name));
  if (unknown !== undefined)
    throw new InvalidInput({ path: 'faults.delay', expected: 'only share, upTo', found: unknown });
  const later = typeof delay === 'number' ? { share: delay, upTo: '1h' as const } : delay;
  const shares = { duplicate, reorder, delay: later.share, drop, crash };
  for (const [name, share] of Object.entries(shares))
    if (!(typeof share === 'number' && share >= 0 && share <= 1))
      throw new InvalidInput({ path: `faults.${name}`, expected: 'a share from 0 to 1', found: share });
  return { ...shares, delayMs: durationMs(later.upTo, 'faults.delay.upTo') };
}

/** Everything told once, in order, and nothing goes wrong. */
export function orderlyPlan(indexes: readonly number[]): Plan {
  return indexes.map((index) => ({ index, atMs: orderlyMs(index), crash: undefined }));
}

/** When an event is told where nothing goes wrong, also where others are left out: so what is told then is in order. */
export function orderlyMs(index: number): number {
  return index * APART_MS;
}

/** What goes wrong, by chance. */
export function disorderlyPlan(events: number, shares: FaultShares, random: Random): Plan {
  const happens = (share: number) => random.next() < share;
  const crash = (): Crash | undefined =>
    happens(shares.crash)
      ? { write: 1 + Math.floor(random.next() * CRASH_WRITES), when: happens(0.5) ? 'before' : 'after' }
      : undefined;
  const tellings: Telling[] = [];
  for (let index = 0; index < events; index += 1) {
    if (happens(shares.drop)) continue;
    let atMs = orderlyMs(index);
    if (happens(shares.reorder)) atMs += (1 + Math.floor(random.next() * REORDER_EVENTS)) * APART_MS + 1;
    if (happens(shares.delay)) atMs += Math.floor(random.next() * shares.delayMs);
    tellings.push({ index, atMs, crash: crash() });
    if (happens(shares.duplicate))
      tellings.push({ index, atMs: atMs + Math.floor(random.next() * 2 * REORDER_EVENTS * APART_MS), crash: crash() });
  }
  return tellings.sort((left, right) => left.atMs - right.atMs);
}

/** The events that are told at all, in the order of the history. */
export function toldIn(plan: Plan): readonly number[] {
  return [...new Set(plan.map(({ index }) => index))].sort((left, right) => left - right);
}

/**
 * The smallest plan found for which `fails` still answers something: fewer events first, then fewer faults.
 *
 * `attempts`: at most so many plans are tried.
 */
export async function shrunkPlan<Failure>(
  plan: Plan,
  failure: Failure,
  fails: (plan: Plan) => Promise<Failure | undefined>,
  attempts: number,
): Promise<{ readonly plan: Plan; readonly failure: Failure }> {
  let smallest = { plan, failure };
  let left = attempts;
  const tryOne = async (candidate: Plan): Promise<boolean> => {
    if (left <= 0) return false;
    left -= 1;
    const found = await fails(candidate);
    if (found !== undefined) smallest = { plan: candidate, failure: found };
    return found !== undefined;
  };
  for (;;) {
    const before = smallest;
    await withFewerEvents(() => smallest.plan, tryOne);
    await withFewerFaults(() => smallest.plan, tryOne);
    // Also where no attempt is left.
    if (smallest === before) return smallest;
  }
}

/** Halves, quarters, … of the events are left out, for as long as that leaves a failure. */
async function withFewerEvents(present: () => Plan, tryOne: (plan: Plan) => Promise<boolean>): Promise<void> {
  for (let size = Math.ceil(toldIn(present()).length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < toldIn(present()).length;) {
      const left = new Set(toldIn(present()).slice(from, from + size));
      const without = present().filter(({ index }) => !left.has(index));
      if (without.length === 0 || !(await tryOne(without))) from += size;
    }
  }
}

async function withFewerFaults(present: () => Plan, tryOne: (plan: Plan) => Promise<boolean>): Promise<void> {
  for (let place = present().length - 1; place >= 0; place -= 1) {
    const telling = present()[place];
    if (telling?.crash !== undefined) await tryOne(present().with(place, { ...telling, crash: undefined }));
    const isRepeated = present().findIndex(({ index }) => index === telling?.index) < place;
    if (isRepeated) await tryOne(present().toSpliced(place, 1));
  }
  // At its own time, as far as that goes.
  for (const telling of present()) {
    const atMs = orderlyMs(telling.index);
    if (telling.atMs === atMs) continue;
    const others = present().map((one) => (one === telling ? { ...telling, atMs } : one));
    await tryOne(others.sort((left, right) => left.atMs - right.atMs));
  }
  // In the order of the history, as far as that goes.
  for (let place = 1; place < present().length; place += 1) {
    const [left, right] = [present()[place - 1], present()[place]];
    if (left === undefined || right === undefined || left.index <= right.index) continue;
    await tryOne(
      present()
        .with(place - 1, { ...right, atMs: left.atMs })
        .with(place, { ...left, atMs: right.atMs }),
    );
  }
}
