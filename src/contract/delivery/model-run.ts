import assert from 'node:assert/strict';
import type { RecordedEvent } from '../../event/event.ts';
import type { Store } from '../../store.ts';
import { seededRandom } from '../../system/random.ts';
import type { TestSystem } from '../../testing/index.ts';
import type { DeliveryStage } from './delivery-case.ts';
import { createCrasher } from './model-crasher.ts';
import type { Crasher } from './model-crasher.ts';
import { answersTo, modelProgram } from './model-program.ts';
import type { Echoed, Whims } from './model-program.ts';
import { Counted } from './samples.ts';
import type { Answered } from './samples.ts';

export interface ModelOptions {
  /** Decides everything: what is published, what fails, when the process dies. */
  readonly seed: number;
  readonly steps: number;
  /** Breaks a guarantee on purpose. */
  readonly broken?: (store: Store) => Store;
}

type ModelSystem = TestSystem<typeof Counted | typeof Answered | typeof Echoed>;

const ITEMS = ['a', 'b', 'c', 'd'];

/**
 * Lets a program run through crashes, restarts, failures, pauses and operators, and compares what came of it with what follows from
 * the log alone (G5, G6, G7).
 *
 * Errors    AssertionError; its message names the seed.
 */
export async function runModel(stage: DeliveryStage, options: ModelOptions): Promise<void> {
  const chance = seededRandom(options.seed);
  const whims: Whims = { chance, clock: undefined, fails: true, poisonous: true };
  const crasher = createCrasher();
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

/** Does at random what publishers, operators and misfortune do. */
class Driver {
  readonly #test: ModelSystem;
  readonly #crasher: Crasher;
  readonly #chance: { next(): number };
  readonly #published = new Map<string, number>();

  constructor(test: ModelSystem, crasher: Crasher, chance: { next(): number }) {
    this.#test = test;
    this.#crasher = crasher;
    this.#chance = chance;
  }

  published(item: string): readonly number[] {
    return Array.from({ length: this.#published.get(item) ?? 0 }, (_, index) => index + 1);
  }

  async step(): Promise<void> {
    const kind = this.#chance.next();
    if (kind < 0.45) await this.#publish(1 + this.#upTo(4));
    else if (kind < 0.75) await this.#test.clock.advance(this.#upTo(40));
    else if (kind < 0.85) this.#crasher.arm(1 + this.#upTo(30), this.#chance.next() < 0.5 ? 'before' : 'after');
    else if (kind < 0.88) await this.#unlessDead(() => this.#test.consumers.pause('answering'));
    else if (kind < 0.92) await this.#unlessDead(() => this.#test.consumers.resume('answering'));
    else if (kind < 0.94)
      await this.#unlessDead(async () => void (await this.#test.deadLetters.retryAll({ consumer: 'answering' })));
    else if (kind < 0.96) await this.#discardOne();
    else if (!this.#crasher.dead) await this.#restart();
    if (this.#crasher.dead) await this.#test.crash();
  }

  /** Everything that can happen, happens; nothing fails any more. */
  async finish(): Promise<void> {
    await this.#test.crash();
    await this.#test.consumers.resume('answering');
    await this.#test.settled({ advance: true });
    for (let letters = 1; letters > 0;) {
      letters = await this.#test.deadLetters.retryAll({ consumer: 'answering' });
      await this.#test.settled({ advance: true });
    }
    const statuses = await this.#test.consumers.list();
    for (const { name, lag, parked, retrying, waiting } of statuses) {
      assert.deepEqual(
        { name, lag: lag.events, parked, retrying, waiting },
        { name, lag: 0, parked: 0, retrying: 0, waiting: 0 },
      );
    }
  }

  async #restart(): Promise<void> {
    await Promise.race([this.#test.restart(), this.#crasher.died]);
  }

  async #publish(howMany: number): Promise<void> {
    const publications = Array.from({ length: howMany }, () => {
      const item = ITEMS[this.#upTo(ITEMS.length)] ?? 'a';
      const n = (this.#published.get(item) ?? 0) + 1;
      this.#published.set(item, n);
      return { event: Counted, data: { item, n }, options: { id: `${item}-${n}` } };
    });
    // As a publisher who was not told whether it worked: again, with the same ids.
    for (let done = false; !done;) {
      done = await this.#unlessDead(async () => void (await this.#test.system.publishAll(publications)));
      if (!done) await this.#test.crash();
    }
  }

  async #discardOne(): Promise<void> {
    await this.#unlessDead(async () => {
      const [letter] = await this.#test.parked('answering');
      if (letter === undefined) return;
      await this.#test.deadLetters.discard(letter.id);
    });
  }

  /** Answers whether it was carried out before the process died. */
  async #unlessDead(act: () => Promise<void>): Promise<boolean> {
    if (this.#crasher.dead) return false;
    // Time has to pass for what waits for attempts under way; a system that is dead does nothing in it.
    const over = new AbortController();
    const acting = act().finally(() => over.abort());
    const died = this.#crasher.died.then(() => over.abort());
    acting.catch(() => undefined);
    while (!over.signal.aborted) {
      await this.#test.clock.advance(0);
      if (!over.signal.aborted && this.#test.clock.nextMs !== undefined)
        await this.#test.clock.advanceTo(this.#test.clock.nextMs);
    }
    return Promise.race([acting.then(() => true), died.then(() => false)]);
  }

  #upTo(limit: number): number {
    return Math.floor(this.#chance.next() * limit);
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
