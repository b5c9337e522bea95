import { isDeepStrictEqual } from 'node:util';
import type { CommandOutcome } from '../decider/command-outcome.ts';
import type { CommandDefinition, CommandInputOf } from '../decider/define-command.ts';
import type { DeciderDefinition } from '../decider/define-decider.ts';
import type { ExecuteOptions } from '../decider/deciders.ts';
import { InvalidDefinition } from '../errors.ts';
import type { EventDefinition, InputOf } from '../event/define-event.ts';
import { categoryOf } from '../event/stream-name.ts';
import { plainFact } from './facts.ts';
import type { Fact, PlainFact } from './facts.ts';
import { asJson, difference, inBothRuns, specifiedSystem, tell } from './specified-run.ts';
import type { SpecificationOptions } from './specified-run.ts';
import type { TestSystem } from './test-system.ts';

/** Facts that are expected: what they are and what they say. */
export type ExpectedFacts<Definitions extends readonly EventDefinition[]> = {
  readonly [Index in keyof Definitions]: readonly [Definitions[Index], InputOf<Definitions[Index]>];
};

/** What came of a command, as far as it may not differ between two runs. */
interface Came {
  readonly refused: { readonly reason: string; readonly message: string; readonly details: unknown } | undefined;
  readonly facts: readonly (PlainFact & { readonly stream: string })[];
  readonly version: number | undefined;
  readonly state: unknown;
}

interface Asked {
  readonly command: CommandDefinition;
  readonly data: unknown;
  readonly options: ExecuteOptions;
}

/** A decider, and what happened before. See `given`. */
export class DeciderSpecification<State = unknown> {
  readonly #decider: DeciderDefinition<State>;
  readonly #facts: readonly Fact[];
  readonly #options: SpecificationOptions;

  constructor(decider: DeciderDefinition<State>, facts: readonly Fact[], options: SpecificationOptions) {
    this.#decider = decider;
    this.#facts = facts;
    this.#options = options;
  }

  /** The command that is decided. Nothing runs before something is expected of it. */
  when<Definition extends CommandDefinition>(
    command: Definition,
    data: CommandInputOf<Definition>,
    options: ExecuteOptions = {},
  ): CommandSpecification<State> {
    return new CommandSpecification(command.name, (check) =>
      inBothRuns((isDoubled) => this.#run(isDoubled, { command, data, options }), check),
    );
  }

  /**
   * What the given facts add up to: of the only stream among theirs that the decider decides.
   *
   * Errors    AssertionError; InvalidDefinition when there is no such stream, or more than one.
   */
  async thenState(expected: State): Promise<void> {
    const { name } = this.#decider;
    const check = ({ state }: Came) => assertSame(`expected the state of ${name} to be`, expected, state);
    await inBothRuns((isDoubled) => this.#run(isDoubled, undefined), check);
  }

  async #run(isDoubled: boolean, asked: Asked | undefined): Promise<Came> {
    await using test = await specifiedSystem({ deciders: [this.#decider] }, this.#facts, this.#options);
    await tell(test, this.#facts, isDoubled);
    if (asked === undefined) return { ...NOTHING, ...(await this.#stateIn(test, this.#streamOf(test))) };
    const head = await test.system.events.head();
    const execute = () =>
      test.system.execute(asked.command, asked.data, { id: `when ${asked.command.name}`, ...asked.options });
    const first = await execute();
    const outcome = isDoubled ? await execute() : first;
    const facts = test
      .recorded()
      .filter(({ position }) => position > head)
      .map(({ type, stream, data }) => ({ type, stream, data: asJson(data) }));
    return { refused: refusalOf(outcome), facts, ...(await this.#stateAfter(test, first)) };
  }

  /** Of a stream it is what the log holds in the end; across several it is known only to who executed the command. */
  async #stateAfter(test: TestSystem, first: CommandOutcome): Promise<Pick<Came, 'state' | 'version'>> {
    if (first.stream !== undefined && first.version !== 0) return this.#stateIn(test, first.stream);
    return { state: first.accepted ? first.state : undefined, version: first.version };
  }

  async #stateIn({ system }: TestSystem, stream: string): Promise<Pick<Came, 'state' | 'version'>> {
    const { state, version } = await system.deciders.state(this.#decider, stream);
    return { state, version };
  }

  #streamOf(test: TestSystem): string {
    const { own, name } = this.#decider;
    const title = `thenState of ${name}`;
    if (own === undefined) throw new InvalidDefinition(title, 'it decides across streams; give it a command (when)');
    const streams = new Set(test.recorded().map(({ stream }) => stream));
    const [stream, ...others] = [...streams].filter((each) => categoryOf(each) === own.category);
    if (stream !== undefined && others.length === 0) return stream;
    throw new InvalidDefinition(
      title,
      `expected facts of one stream of category ${own.category}, found ${stream === undefined ? 'none' : [stream, ...others].join(', ')}`,
    );
  }
}

const NOTHING = { refused: undefined, facts: [] };

/** A command in its place, and what is expected of it. See `given`. */
export class CommandSpecification<State = unknown> {
  readonly #command: string;
  readonly #run: (check: (came: Came) => Promise<void>) => Promise<void>;

  constructor(command: string, run: (check: (came: Came) => Promise<void>) => Promise<void>) {
    this.#command = command;
    this.#run = run;
  }

  /**
   * It is accepted, and exactly these facts are recorded, in this order.
   *
   * Errors    AssertionError
   */
  // It reads as people say it. The compiler refuses to await a specification that expects nothing yet.
  // oxlint-disable-next-line unicorn/no-thenable
  then<const Definitions extends readonly EventDefinition[]>(...facts: ExpectedFacts<Definitions>): Promise<void> {
    const [first] = facts as readonly unknown[];
    // Awaited all the same, from JavaScript: the language calls `then` with two functions.
    if (typeof first === 'function') return this.#reject(first, (facts as readonly unknown[])[1]);
    return this.#accepted(facts);
  }

  /** It is accepted, and nothing is recorded. Errors: AssertionError. */
  thenNothing(): Promise<void> {
    return this.#accepted([]);
  }

  /** It is refused for this reason, and exactly these facts are recorded of that, none if none are named. Errors: AssertionError. */
  thenRefused<const Definitions extends readonly EventDefinition[]>(
    reason: string,
    ...facts: ExpectedFacts<Definitions>
  ): Promise<void> {
    return this.#run(async (came) => {
      if (came.refused?.reason !== reason)
        throw difference(`expected ${this.#command} to be`, `refused: ${reason}`, outcomeOf(came));
      await this.#assertFacts(came, facts);
    });
  }

  /**
   * It is accepted, and this is the state with its facts: of its stream, or across, by the names of the parts (of a query as it was before).
   *
   * Errors    AssertionError
   */
  thenState(expected: State): Promise<void> {
    return this.#run(async (came) => {
      assertAccepted(this.#command, came);
      assertSame(`expected the state after ${this.#command} to be`, expected, came.state);
    });
  }

  #accepted(facts: readonly (readonly [EventDefinition, unknown])[]): Promise<void> {
    return this.#run(async (came) => {
      assertAccepted(this.#command, came);
      await this.#assertFacts(came, facts);
    });
  }

  async #assertFacts(came: Came, expected: readonly (readonly [EventDefinition, unknown])[]): Promise<void> {
    const wanted = await Promise.all(expected.map(plainFact));
    const found = came.facts.map(({ type, data }) => ({ type, data }));
    if (isDeepStrictEqual(found, wanted)) return;
    throw difference(`expected ${this.#command} to record`, listed(wanted), listed(found));
  }

  async #reject(_resolve: unknown, reject: unknown): Promise<void> {
    const error = new InvalidDefinition(
      `specification of ${this.#command}`,
      'expects nothing; end it with then(...facts), thenNothing(), thenRefused(reason) or thenState(state)',
    );
    if (typeof reject === 'function') (reject as (error: Error) => void)(error);
  }
}

function refusalOf(outcome: CommandOutcome): Came['refused'] {
  if (outcome.accepted) return undefined;
  const { reason, message, details } = outcome;
  return { reason, message, details };
}

function assertAccepted(command: string, came: Came): void {
  if (came.refused !== undefined) throw difference(`expected ${command} to be`, 'accepted', outcomeOf(came));
}

function outcomeOf({ refused, facts }: Came): string {
  if (refused === undefined)
    return `accepted: ${facts.length === 0 ? 'nothing' : facts.map(({ type }) => type).join(', ')}`;
  const { reason, message } = refused;
  return `refused: ${reason}${message === reason ? '' : ` (${message})`}`;
}

function assertSame(title: string, expected: unknown, found: unknown): void {
  const wanted = asJson(expected);
  if (!isDeepStrictEqual(found, wanted)) throw difference(title, wanted, found);
}

function listed(facts: readonly PlainFact[]): unknown {
  return facts.length === 0 ? 'nothing' : facts;
}
