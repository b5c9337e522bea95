import type { Consumers } from '../consumer/consumers.ts';
import type { DeadLetter, DeadLetters } from '../consumer/dead-letters.ts';
import type { EventDefinition, EventOf, InputOf } from '../event/define-event.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { Position } from '../event/position.ts';
import { SYSTEM_CATEGORY, categoryOf } from '../event/stream-name.ts';
import type { SystemEventType } from '../event/system-events.ts';
import type { System } from '../open.ts';
import type { Published } from '../producer/publisher.ts';
import type { ProjectionDefinition } from '../projection/define-projection.ts';
import type { Views } from '../projection/views.ts';
import type { PublishOptions } from '../schema/encode.ts';
import type { StoreFactory } from '../store.ts';
import type { Duration } from '../system/duration.ts';
import { createEnvironment } from '../system/environment.ts';
import type { Logger } from '../system/logger.ts';
import { seededRandom } from '../system/random.ts';
import type { Facts } from './facts.ts';
import { Recording } from './recording.ts';
import { Given, When } from './scenario.ts';
import type { Stage } from './scenario.ts';
import { settle, turnsToRest } from './settling.ts';
import type { SettledOptions } from './settling.ts';
import { startProcess } from './test-process.ts';
import type { ProgramOptions, TestProcess } from './test-process.ts';
import { createVirtualClock, DEFAULT_START_MS } from './virtual-clock.ts';
import type { VirtualClock } from './virtual-clock.ts';

export interface TestSystemOptions<Events extends EventDefinition = EventDefinition> extends ProgramOptions<Events> {
  /** The same seed gives the same ids, jitter and order. Default 1. */
  readonly seed?: number;
  /** What time it is at the beginning. Default 2026-01-01T00:00:00Z. */
  readonly now?: string | Date;
  /** Default: a store in memory, new and empty. */
  readonly store?: StoreFactory;
  /** Default: silent. */
  readonly logger?: Logger;
}

/**
 * A whole system in memory, whose time is the test's.
 *
 * Shape     `await t.given([OrderPlaced, {...}]).when(PaymentReceived, {...}).thereupon([OrderShipped, {...}])`, or step by step:
 *           `await t.given(...)`, `await t.when(...)`, `t.published(OrderShipped)`.
 * Guarantee The engine is the one of production; only clock, chance and store differ. The same test gives the same run.
 */
export class TestSystem<Events extends EventDefinition = EventDefinition> implements Stage {
  readonly clock: VirtualClock;
  readonly #start: () => Promise<TestProcess<Events>>;
  readonly #recording: Recording;
  #process: TestProcess<Events>;
  /** Where the last `when` began, and which of the events after it were its own. */
  #mark: Position | number = 0;
  #stimuli = new Set<Position>();

  constructor(parts: {
    clock: VirtualClock;
    recording: Recording;
    process: TestProcess<Events>;
    start: () => Promise<TestProcess<Events>>;
  }) {
    this.clock = parts.clock;
    this.#recording = parts.recording;
    this.#process = parts.process;
    this.#start = parts.start;
  }

  /** The system of the present process; another one after `restart` and `crash`. */
  get system(): System<Events> {
    return this.#process.system;
  }

  get consumers(): Consumers {
    return this.system.consumers;
  }

  get views(): Views {
    return this.system.views;
  }

  get deadLetters(): DeadLetters {
    return this.system.deadLetters;
  }

  /** What happened before: recorded and reacted to. Not among what `published` answers. */
  given<const Definitions extends readonly EventDefinition[]>(...facts: Facts<Definitions>): Given {
    return new Given(this, this.#given(facts));
  }

  /** What happens now. Resolves to what was recorded thereupon, when everything has come to rest. */
  when<Definition extends EventDefinition>(
    definition: Definition,
    data: InputOf<Definition>,
    options?: PublishOptions,
  ): When {
    return new When(
      this,
      this.#when(() => this.#publish(definition, data, options)),
    );
  }

  /** As `when`, for time that passes. */
  whenTimePasses(by: Duration): When {
    return new When(
      this,
      this.#when(async () => {
        await this.clock.advance(by);
        return [];
      }),
    );
  }

  /** Facts that were recorded since the last `when`, its own left out; all, or those of one definition. */
  published(): readonly RecordedEvent[];
  published<Definition extends EventDefinition>(definition: Definition): readonly EventOf<Definition>[];
  published(definition?: EventDefinition): readonly RecordedEvent[] {
    const recorded = definition === undefined ? this.recorded() : this.recorded(definition);
    return recorded.filter(({ position }) => position > this.#mark && !this.#stimuli.has(position));
  }

  /** Every fact from the beginning on, in log order; all, or those of one definition. */
  recorded(): readonly RecordedEvent[];
  recorded<Definition extends EventDefinition>(definition: Definition): readonly EventOf<Definition>[];
  recorded(definition?: EventDefinition): readonly RecordedEvent[] {
    return this.#recording.events.filter(
      (event) => !isReport(event) && (definition === undefined || event.type === definition.type),
    );
  }

  /** What the system reported of itself from the beginning on (G11). */
  reported(type?: SystemEventType): readonly RecordedEvent[] {
    return this.#recording.events.filter((event) => isReport(event) && (type === undefined || event.type === type));
  }

  /** The row of a projection; undefined when no event led to one. */
  row<Row>(projection: ProjectionDefinition<Row>, key: string): Promise<Row | undefined> {
    return this.views.get(projection, key);
  }

  /** Dead letters, of all consumers or of one. */
  async parked(consumer?: string): Promise<readonly DeadLetter[]> {
    return (await this.deadLetters.list(consumer === undefined ? {} : { consumer })).items;
  }

  /** Resolves when every reaction has done what it can do now, or, with `advance`, what there is to do at all. */
  settled(options: SettledOptions = {}): Promise<void> {
    return settle(this.#process, this.clock, options);
  }

  /** Lets time pass; what comes due on the way happens in its order. */
  async advance(by: Duration): Promise<void> {
    await this.clock.advance(by);
  }

  /** Stops in order and starts again on the same store. Handlers that then wait for the clock are not waited for. */
  async restart(): Promise<void> {
    await this.#process.close();
    this.#process = await this.#start();
    await turnsToRest(this.#process);
  }

  /** Dies in the middle of whatever it does, and starts again on the same store. */
  async crash(): Promise<void> {
    await this.#process.crash();
    this.#process = await this.#start();
    await turnsToRest(this.#process);
  }

  /** Attempts under way get their grace time, which passes at once. */
  close(): Promise<void> {
    return this.#process.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #given(facts: readonly (readonly [EventDefinition, unknown, PublishOptions?])[]): Promise<void> {
    for (const [definition, data, options] of facts) {
      await this.#publish(definition, data, options);
      await this.settled();
    }
    await this.#setMark();
  }

  async #when(act: () => Promise<readonly Published[]>): Promise<readonly RecordedEvent[]> {
    await this.#setMark();
    const stimuli = await act();
    this.#stimuli = new Set(stimuli.map(({ position }) => position));
    await this.settled();
    return this.published();
  }

  async #setMark(): Promise<void> {
    this.#mark = await this.system.events.head();
    this.#stimuli.clear();
  }

  async #publish(
    definition: EventDefinition,
    data: unknown,
    options: PublishOptions | undefined,
  ): Promise<readonly Published[]> {
    // Reactions name definitions too; that this one belongs to the system is checked when it is published.
    return [await this.system.publish(definition as Events, data as InputOf<Events>, options)];
  }
}

/**
 * Opens a program for a test: in memory, on a virtual clock, with seeded chance and ids.
 *
 * Errors    As `open`.
 */
export async function testSystem<const Events extends EventDefinition = EventDefinition>(
  options: TestSystemOptions<Events>,
): Promise<TestSystem<Events>> {
  const { seed = 1, now, logger, store: given, ...program } = options;
  const store = given ?? (await import('../backends/memory/memory.ts')).memory();
  const recording = new Recording();
  let present: TestProcess<Events> | undefined;
  const clock = createVirtualClock({
    startMs: now === undefined ? DEFAULT_START_MS : new Date(now).getTime(),
    rest: () => turnsToRest(present),
  });
  const environment = createEnvironment({
    clock,
    random: seededRandom(seed),
    ...(logger === undefined ? {} : { logger }),
  });
  const start = async () => {
    present = await startProcess<Events>({
      program,
      factory: store,
      clock,
      environment,
      recording,
    });
    return present;
  };
  const process = await start();
  const test = new TestSystem<Events>({ clock, recording, process, start });
  await turnsToRest(process);
  return test;
}

function isReport(event: RecordedEvent): boolean {
  return categoryOf(event.stream) === SYSTEM_CATEGORY;
}
