import type { EventDefinition } from '../event/define-event.ts';
import type { IncomingEvent } from '../event/cloudevents-incoming.ts';
import type { RecordedEvent } from '../event/event.ts';
import { SYSTEM_CATEGORY, categoryOf } from '../event/stream-name.ts';
import type { System } from '../open.ts';
import type { Published } from '../producer/publisher.ts';
import type { ProjectionDefinition } from '../projection/define-projection.ts';
import { createEnvironment } from '../system/environment.ts';
import { seededRandom } from '../system/random.ts';
import type { Fact } from './facts.ts';
import type { PortCall } from './intercepted-store.ts';
import { Recording } from './recording.ts';
import { HANDLER_PATIENCE_MS, settle, turnsToRest } from './settling.ts';
import { orderlyMs } from './simulation-plan.ts';
import type { Crash, Plan } from './simulation-plan.ts';
import type { Outcome } from './simulation-outcome.ts';
import { Outcomes } from './simulation-outcome.ts';
import { startProcess } from './test-process.ts';
import type { ProgramOptions, TestProcess } from './test-process.ts';
import { createVirtualClock } from './virtual-clock.ts';

/** An event of a history: as it came from outside, or as a test writes it down. */
export type Told = Fact | IncomingEvent;

export interface RunOptions {
  readonly program: ProgramOptions<EventDefinition>;
  readonly history: readonly Told[];
  readonly plan: Plan;
  readonly seed: number;
  readonly startMs: number;
}

/** Rows and dead letters are compared page by page. */
const PAGE = 500;

/** Plays a plan from an empty store to the end, and answers what there is then. */
export async function play(options: RunOptions): Promise<Outcome> {
  const stage = await Stage.open(options);
  try {
    for (const { index, atMs, crash } of options.plan) {
      const told = options.history[index];
      if (told !== undefined) await stage.tell(told, index, options.startMs + atMs, crash);
    }
    return await stage.outcome();
  } finally {
    await stage.close();
  }
}

/** A crash that is still to come, or has come. */
interface Armed {
  left: number;
  readonly when: Crash['when'];
  readonly happened: PromiseWithResolvers<void>;
}

/** A program on a store in memory, whose process dies when it is told to. */
class Stage {
  readonly #options: RunOptions;
  readonly #start: () => Promise<TestProcess<EventDefinition>>;
  readonly #clock: ReturnType<typeof createVirtualClock>;
  readonly #recording = new Recording();
  /** Sources and ids of what was told. */
  readonly #inputs = new Set<string>();
  #process: TestProcess<EventDefinition> | undefined;
  #armed: Armed | undefined;

  private constructor(options: RunOptions, store: Parameters<typeof startProcess>[0]['factory']) {
    this.#options = options;
    this.#clock = createVirtualClock({
      startMs: options.startMs,
      rest: () => turnsToRest(this.#process, HANDLER_PATIENCE_MS),
    });
    const environment = createEnvironment({ clock: this.#clock, random: seededRandom(options.seed) });
    // What was recorded has passed that gate, by another clock than this one.
    const { clocks: _trust, ...program } = options.program;
    this.#start = () =>
      startProcess<EventDefinition>({
        program,
        factory: store,
        clock: this.#clock,
        environment,
        recording: this.#recording,
        interrupt: (call) => this.#interrupt(call),
      });
  }

  static async open(options: RunOptions): Promise<Stage> {
    const { memory } = await import('../backends/memory/memory.ts');
    const stage = new Stage(options, memory());
    stage.#process = await stage.#start();
    return stage;
  }

  /** As a producer does who tells an event again until it is acknowledged. */
  async tell(told: Told, index: number, atMs: number, crash: Crash | undefined): Promise<void> {
    await this.#clock.advanceTo(atMs);
    if (crash === undefined) {
      await this.#publish(told, index);
      await turnsToRest(this.#process, HANDLER_PATIENCE_MS);
      return;
    }
    const armed: Armed = { left: crash.write, when: crash.when, happened: Promise.withResolvers<void>() };
    this.#armed = armed;
    let isTold = false;
    const telling = (async () => {
      await this.#publish(told, index);
      isTold = true;
      await turnsToRest(this.#process, HANDLER_PATIENCE_MS);
      return 'rests' as const;
    })();
    const ended = await Promise.race([telling, armed.happened.promise]);
    this.#armed = undefined;
    if (ended === 'rests') return;
    this.#process = undefined;
    this.#process = await this.#start();
    if (!isTold) await this.#publish(told, index);
    await turnsToRest(this.#process, HANDLER_PATIENCE_MS);
  }

  async outcome(): Promise<Outcome> {
    const process = this.#running;
    await settle(process, this.#clock, { advance: true });
    const { system } = process;
    const outcomes = new Outcomes();
    for (const event of standing(this.#recording.events))
      if (categoryOf(event.stream) !== SYSTEM_CATEGORY && !this.#inputs.has(identityOf(event))) outcomes.fact(event);
    for (const projection of this.#options.program.projections ?? [])
      for await (const { key, row } of rowsOf(system, projection)) outcomes.row(projection.name, key, row);
    for (let after: string | undefined; ;) {
      const page = await system.deadLetters.list({ limit: PAGE, ...(after === undefined ? {} : { after }) });
      for (const letter of page.items) outcomes.parked(letter);
      after = page.next;
      if (after === undefined) break;
    }
    return outcomes.all;
  }

  async close(): Promise<void> {
    await this.#process?.close();
  }

  get #running(): TestProcess<EventDefinition> {
    if (this.#process === undefined) throw new Error('no process runs');
    return this.#process;
  }

  async #publish(told: Told, index: number): Promise<void> {
    const happenedMs = this.#options.startMs + orderlyMs(index);
    const [published] = await publishTo(this.#running.system, told, { index, happenedMs });
    if (published !== undefined) this.#inputs.add(identityOf(published));
  }

  /** Of a process that dies no call is ever answered. */
  async #interrupt(call: PortCall): Promise<unknown> {
    const armed = this.#armed;
    const isWrite = call.method === 'commit' || call.method === 'append';
    if (armed === undefined || !isWrite || armed.left === 0) return call.proceed();
    armed.left -= 1;
    if (armed.left > 0) return call.proceed();
    const process = this.#running;
    if (armed.when === 'after') await call.proceed();
    await process.crash();
    armed.happened.resolve();
    return new Promise<never>(() => {});
  }
}

/** The same event has the same id however often it is told, and happened when it was its turn, however late it is told. */
function publishTo(
  system: System,
  told: Told,
  { index, happenedMs }: { readonly index: number; readonly happenedMs: number },
): Promise<readonly Published[]> {
  if (!isFact(told)) return system.ingest([told]);
  const [definition, data, options] = told;
  const known = { id: `told-${index + 1}`, time: new Date(happenedMs), ...options };
  return system.publish(definition, data, known).then((published) => [published]);
}

export function isFact(told: Told): told is Fact {
  return Array.isArray(told);
}

/** Without what was taken back again, and what took it back: a correction comes to the same as what is right from the beginning. */
function standing(events: readonly RecordedEvent[]): readonly RecordedEvent[] {
  const known = new Set(events.map(identityOf));
  const takenBack = new Set<string>();
  const retracts = ({ source, extensions }: RecordedEvent) => {
    const id = extensions['retracts'];
    return typeof id === 'string' ? identityOf({ source, id }) : undefined;
  };
  for (const event of events) {
    const fact = retracts(event);
    if (fact !== undefined && known.has(fact)) takenBack.add(fact).add(identityOf(event));
  }
  return events.filter((event) => !takenBack.has(identityOf(event)));
}

function identityOf({ source, id }: { readonly source: string; readonly id: string }): string {
  return `${source}\n${id}`;
}

async function* rowsOf(
  system: System,
  projection: ProjectionDefinition,
): AsyncGenerator<{ readonly key: string; readonly row: unknown }, void, undefined> {
  for (let after: string | undefined; ;) {
    const page = await system.views.query(projection, { limit: PAGE, ...(after === undefined ? {} : { after }) });
    yield* page.items;
    after = page.next;
    if (after === undefined) return;
  }
}
