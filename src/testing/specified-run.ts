import { AssertionError } from 'node:assert';
import { inspect, isDeepStrictEqual } from 'node:util';
import type { EventDefinition } from '../event/define-event.ts';
import type { StoreFactory } from '../store.ts';
import type { Fact } from './facts.ts';
import { testSystem } from './test-system.ts';
import type { TestSystem } from './test-system.ts';
import type { ProgramOptions } from './test-process.ts';

/** Where specifications play. */
export interface SpecificationOptions {
  /** What time it is: for commands, and for facts that do not say. Default 2026-01-01T00:00:00Z. */
  readonly now?: string | Date;
  /** A new and empty store for each run. Default: one in memory. */
  readonly store?: () => StoreFactory;
}

const DOUBLED = 'in the doubled run (every given fact told twice, the command executed twice under one id)';

/** A system in which the given facts can be told: its events are what the program names, and theirs. */
export function specifiedSystem(
  program: ProgramOptions<EventDefinition>,
  facts: readonly Fact[],
  { now, store }: SpecificationOptions,
): Promise<TestSystem> {
  return testSystem({
    ...program,
    events: [...new Set(facts.map(([definition]) => definition))],
    ...(now === undefined ? {} : { now }),
    ...(store === undefined ? {} : { store: store() }),
  });
}

/** The facts in their order and, when they are to be doubled, then all of them once more. */
export async function tell({ system }: TestSystem, facts: readonly Fact[], isDoubled: boolean): Promise<void> {
  for (let telling = isDoubled ? 2 : 1; telling > 0; telling -= 1)
    for (const [index, [definition, data, options]] of facts.entries())
      await system.publish(definition, data, { id: `given-${index + 1}`, ...options });
}

/**
 * Runs as written and checks what came of that, and then runs doubled: the same must come of it.
 *
 * Errors    AssertionError
 */
export async function inBothRuns<Outcome>(
  run: (isDoubled: boolean) => Promise<Outcome>,
  check: (outcome: Outcome) => void | Promise<void>,
): Promise<void> {
  const once = await run(false);
  await check(once);
  const twice = await run(true).catch((error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    const failure = new AssertionError({ message: `${DOUBLED} there was an error: ${message}` });
    failure.cause = error;
    throw failure;
  });
  if (isDeepStrictEqual(twice, once)) return;
  throw difference(`${DOUBLED} expected the same as in the run as written`, once, twice);
}

/** An AssertionError that shows both sides in its message, and hands them to the test runner. */
export function difference(title: string, expected: unknown, actual: unknown): AssertionError {
  return new AssertionError({
    message: `${title}\n${shown(expected)}\nfound\n${shown(actual)}`,
    expected,
    actual,
    operator: 'deepStrictEqual',
  });
}

/** As it is stored: a member that is undefined is absent. */
export function asJson(value: unknown): unknown {
  return value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as unknown);
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : inspect(value, { depth: 10, breakLength: 120, sorted: true });
  return text.replaceAll(/^/gm, '  ');
}
