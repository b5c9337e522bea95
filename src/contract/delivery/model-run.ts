import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RecordedEvent } from '../../event/event.ts';
import type { Store } from '../../store.ts';
import { seededRandom } from '../../system/random.ts';
import type { Random } from '../../system/random.ts';
import type { DeliveryStage } from './delivery-case.ts';
import { createCrasher } from './model-crasher.ts';
import { Driver, ITEMS } from './model-driver.ts';
import type { ModelSystem } from './model-driver.ts';
import { answersTo, modelProgram } from './model-program.ts';
import type { Whims } from './model-program.ts';

export interface ModelOptions {
  /** Decides everything: what is published, what fails, when the process dies. */
  readonly seed: number;
  readonly steps: number;
  /** Breaks a guarantee on purpose. */
  readonly broken?: (store: Store) => Store;
}

/**
 * Lets a program run through crashes, restarts, failures, pauses and operators, and compares what came of it with what follows from
 * the log alone (G5, G6, G7).
 *
 * Errors    AssertionError; its message names the seed.
 */
export async function runModel(stage: DeliveryStage, options: ModelOptions): Promise<void> {
  const chance = seededRandom(options.seed);
  const whims: Whims = { chance, clock: undefined, fails: true, poisonous: true };
  const crasher = createCrasher(() => anyLatency(chance));
  const { program, history } = modelProgram(whims);
  const test = await stage.start(program, {
    seed: options.seed,
    interceptor: crasher.newInterceptor,
    ...(options.broken === undefined ? {} : { broken: options.broken }),
  });
  whims.clock = test.clock;
  const driver = new Driver(test, crasher, chance);
  try {
    for (let step = 0; step < options.steps; step += 1) await driver.step();
    Object.assign(whims, { fails: false, poisonous: false });
    await driver.finish();
    const log = await wholeLog(test);
    assertAnswers(log, driver, await discardedOnes(test));
    for (const item of ITEMS) {
      const counted = log
        .filter((event) => event.stream === `item-${item}`)
        .map((event) => (event.data as { n: number }).n);
      const answers = log.filter((event) => event.stream === `answer-${item}`).length;
      const worked = log
        .filter((event) => event.stream === `work-${item}`)
        .map((event) => (event.data as { n: number }).n);
      assert.deepEqual(
        worked.toSorted((left, right) => left - right),
        counted,
        `jobs of ${item}: each once`,
      );
      assert.deepEqual(
        await test.row(history, item),
        counted.length === 0 ? undefined : { numbers: counted, answers },
        `the row of ${item} follows from the log`,
      );
    }
  } catch (error) {
    if (error instanceof Error) error.message = `seed ${options.seed}: ${error.message}`;
    throw error;
  }
}

/** A store answers at once, somewhat later, or much later. */
async function anyLatency(chance: Random): Promise<void> {
  const kind = chance.next();
  if (kind < 0.6) return;
  const turns = Math.floor(chance.next() * 6);
  for (let turn = 0; turn < turns; turn += 1) await (kind < 0.85 ? Promise.resolve() : nextTurn());
}

/** What follows from the counted items: each answered as often as it should be, in order, with the state as of then; each first part echoed. */
function assertAnswers(log: readonly RecordedEvent[], driver: Driver, discarded: ReadonlySet<number>): void {
  for (const item of ITEMS) {
    const events = log.filter((event) => event.stream === `item-${item}`);
    const counted = events.map((event) => (event.data as { n: number }).n);
    assert.deepEqual(
      counted,
      driver.published(item),
      `every acknowledged event of ${item} is there, once and in order`,
    );
    let total = 0;
    const expected = events
      .filter(({ position }) => !discarded.has(position))
      .flatMap((event) => {
        const { n } = event.data as { n: number };
        total += n;
        return Array.from({ length: answersTo(n) }, (_, part) => ({ item, n, part, total }));
      });
    assert.deepEqual(
      log.filter((event) => event.stream === `answer-${item}`).map((event) => event.data),
      expected,
      `answers of ${item}: once, in order, with the state as of then`,
    );
    const echoes = expected.filter(({ part }) => part === 0).map(({ n }) => ({ item, n }));
    assert.deepEqual(
      log.filter((event) => event.stream === `echo-${item}`).map((event) => event.data),
      echoes,
      `echoes of ${item}: once, in order`,
    );
  }
}

/** Positions that an operator gave up, as the log says: who did it may have died before he knew. */
async function discardedOnes(test: ModelSystem): Promise<ReadonlySet<number>> {
  const reports = await wholeLog(test, ['thereupon']);
  return new Set(
    reports
      .filter(({ type }) => type === 'thereupon.delivery.discarded')
      .map(({ data }) => (data as { position: number }).position),
  );
}

async function wholeLog(test: ModelSystem, categories?: readonly string[]): Promise<readonly RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  for (let after = 0; ;) {
    const page = await test.system.events.read({
      after,
      limit: 1_000,
      ...(categories === undefined ? {} : { categories }),
    });
    events.push(...page.events);
    if (page.next === undefined) return events;
    after = page.next;
  }
}
