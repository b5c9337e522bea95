import type { EventLog } from '../channel/event-log.ts';
import type { Consumers } from '../consumer/consumers.ts';
import { keyFor } from '../consumer/keys.ts';
import type { Reaction } from '../consumer/reaction.ts';
import { eventsOf } from '../decider/command-outcome.ts';
import type { DecidedFact } from '../decider/command-outcome.ts';
import { InvalidInput, NotFound, WrongState } from '../errors.ts';
import type { RecordedEvent } from '../event/event.ts';
import { START } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { SYSTEM_CATEGORY } from '../event/stream-name.ts';
import { NO_ROW } from '../projection/define-projection.ts';
import type { ProjectionDefinition } from '../projection/define-projection.ts';
import type { Views } from '../projection/views.ts';
import type { Store } from '../store.ts';
import { causesOf, causesOfCommand, effectsOf } from './causes.ts';
import { conversationOf } from './conversation.ts';
import { commandLink } from './links.ts';
import type { CauseLink, CommandLink, EffectLink, RowLink, RowsOf } from './links.ts';
import { takenIn } from './taken-in.ts';
import { whyNot } from './why-not.ts';
import type { WhyNot } from './why-not.ts';

/** How an event came about. */
export interface Causes {
  readonly event: RecordedEvent;
  readonly publishedBy: string | undefined;
  /** From what led to it directly to where it began. */
  readonly causes: readonly CauseLink[];
}

/** How a command came about, and what came of it. */
export interface CommandCauses {
  readonly command: CommandLink;
  /** From what led to it directly to where it began. */
  readonly causes: readonly CauseLink[];
  /** Its facts, as far as retention has left them. */
  readonly events: readonly DecidedFact[];
}

/** What an event led to. */
export interface Effects {
  readonly event: RecordedEvent;
  readonly effects: readonly EffectLink[];
  /** False: its conversation is so long that only its first events were looked at. */
  readonly isWhole: boolean;
}

/** A run: the handling of one event by one reaction, with its retries. */
export interface Run extends WhyNot, Causes {}

/** What a row of a read model is made of. */
export interface RowCauses {
  readonly view: string;
  readonly key: string;
  /** How many events are in the row, of those that the log has. */
  readonly events: number;
  /** Categories that have lost events, some of which may be in the row, too. */
  readonly lost: readonly string[];
  /** The last of them, newest first, each with what led to it. */
  readonly last: readonly Causes[];
}

const PAGE = 1_000;
const PAGE_BYTES = 16 * 1_024 * 1_024;
const LAST_EVENTS = 10;

export interface ExplanationsParts {
  readonly store: Pick<Store, 'checkpoints' | 'cluster' | 'deliveries' | 'log'>;
  /** Categories that have lost events. */
  readonly shortened: () => Promise<ReadonlySet<string>>;
  readonly consumers: Consumers;
  readonly views: Views;
  readonly sourceOf: (reaction: Pick<Reaction, 'name'>) => string;
}

/** Why things are as they are: chains of causes, what led to a row, and what kept a consumer from acting. */
export class Explanations {
  readonly #parts: ExplanationsParts;
  readonly #log: EventLog;
  readonly #bySource: ReadonlyMap<string, string>;

  constructor(parts: ExplanationsParts) {
    this.#parts = parts;
    this.#log = parts.store.log;
    this.#bySource = new Map(parts.consumers.reactions.map((each) => [parts.sourceOf(each), each.name]));
  }

  /**
   * An event by its id alone, where that is enough.
   *
   * Errors    NotFound; InvalidInput (`source`) where events of several sources have the id.
   */
  async event(id: string, source?: string): Promise<RecordedEvent> {
    if (source !== undefined) {
      const found = await this.#log.find(source, id);
      if (found === undefined) throw new NotFound('event', `${source} ${id}`);
      return found;
    }
    const found = await this.#log.findById(id);
    const [only] = found;
    if (only === undefined) throw new NotFound('event', id);
    if (found.length > 1)
      throw new InvalidInput({
        path: 'source',
        expected: `one of ${found.map((event) => event.source).join(', ')}, which all have an event ${id}`,
        found: undefined,
      });
    return only;
  }

  /** What led to an event, which may be named by its id: the chain of events, reactions and commands. Errors: as of `event`. */
  async causes(of: RecordedEvent | string): Promise<Causes> {
    const event = await this.#given(of);
    return {
      event,
      publishedBy: this.#publisherOf(event),
      causes: await causesOf(this.#log, event, this.#publisherOf),
    };
  }

  /** What came of a command, accepted or refused, who gave it, and what led to it. Errors: NotFound. */
  async command(id: string): Promise<CommandCauses> {
    const found = await this.#log.findCommand(id);
    if (found === undefined) throw new NotFound('command', id);
    return {
      command: commandLink(found),
      causes: await causesOfCommand(this.#log, found, this.#publisherOf),
      events: await eventsOf(this.#log, found),
    };
  }

  /** What an event led to, as a tree. Errors: as of `event`. */
  async effects(of: RecordedEvent | string): Promise<Effects> {
    const event = await this.#given(of);
    const began = new Map<string, Position>();
    for (const { name } of this.#parts.views.list())
      began.set(name, (await this.#parts.store.checkpoints.load(name))?.form.began ?? START);
    const rowsOf: RowsOf = (each) =>
      this.#rowsOf(each).filter(({ view }) => each.position > (began.get(view) ?? START));
    return { event, ...(await effectsOf(this.#log, event, { publisherOf: this.#publisherOf, rowsOf })) };
  }

  /** Which events made a row, and what led to the last of them. Takes as long as reading the events of the view. Errors: NotFound. */
  async row(view: ProjectionDefinition | string, key: string, signal?: AbortSignal): Promise<RowCauses> {
    const name = typeof view === 'string' ? view : view.name;
    const known = this.#parts.views.list();
    const projection = known.find((each) => each.name === name);
    if (projection === undefined)
      throw new NotFound(
        'view',
        name,
        known.map((each) => each.name),
      );
    const { reaction } = projection;
    let events = 0;
    const last: RecordedEvent[] = [];
    const { deliveries } = this.#parts.store;
    const taken = await takenIn(this.#parts.store, reaction, await this.#parts.consumers.status(name));
    // What is set aside is in no row.
    const aside = new Set<Position>();
    for (let at: Position | undefined; ;) {
      const after = at === undefined ? {} : { after: { consumer: name, position: at } };
      const page = await deliveries.list({ consumer: name, key, limit: PAGE, ...after });
      for (const { position } of page) aside.add(position);
      at = page.at(-1)?.position;
      if (page.length < PAGE) break;
    }
    const isIn = (event: RecordedEvent) =>
      taken.isPassed(event) && !taken.isMissed(event) && !aside.has(event.position);
    for (let after = taken.began; ;) {
      signal?.throwIfAborted();
      const page = await this.#log.read({
        after,
        limit: PAGE,
        maxBytes: PAGE_BYTES,
        ...(reaction.consumes === undefined ? {} : { types: reaction.consumes }),
      });
      for (const event of page) {
        if (!reaction.selection.matches(event) || projection.keyOf(event) !== key || !isIn(event)) continue;
        events += 1;
        last.push(event);
        if (last.length > LAST_EVENTS) last.shift();
      }
      const end = page.at(-1);
      if (end === undefined) break;
      after = end.position;
    }
    const tables = Object.values(projection.tables);
    if (events === 0 && tables.length > 0)
      throw new WrongState(
        `view ${name} keeps tables of its own (${tables.join(', ')}), whose rows only its SQL knows; what led to them is told by the key of its events, and none has ${JSON.stringify(key)}`,
      );
    const lost = [...(await this.#parts.shortened())].filter((category) => category !== SYSTEM_CATEGORY);
    const isThere = events > 0 || (lost.length > 0 && (await this.#parts.views.get(name, key)) !== undefined);
    if (!isThere) throw new NotFound(`row of view ${name}`, key);
    const explained: Causes[] = [];
    for (const event of last.reverse()) explained.push(await this.causes(event));
    return { view: name, key, events, lost, last: explained };
  }

  /** What kept a consumer from acting on an event, or that it did. Errors: NotFound. */
  async whyNot(consumer: string, of: RecordedEvent | string): Promise<WhyNot> {
    const { consumers, store } = this.#parts;
    const reaction = consumers.reactions.find(({ name }) => name === consumer);
    if (reaction === undefined)
      throw new NotFound(
        'consumer',
        consumer,
        consumers.reactions.map(({ name }) => name),
      );
    const parts = {
      ...store,
      status: (name: string) => consumers.status(name),
      publishedBecause: (name: string, event: RecordedEvent) => this.#publishedBecause(name, event),
    };
    return whyNot(parts, reaction, await this.#given(of));
  }

  /** What came of the run of a reaction on an event, and what led to that. Errors: NotFound. */
  async run(consumer: string, of: RecordedEvent | string): Promise<Run> {
    const event = await this.#given(of);
    return { ...(await this.whyNot(consumer, event)), ...(await this.causes(event)) };
  }

  async #given(of: RecordedEvent | string): Promise<RecordedEvent> {
    return typeof of === 'string' ? this.event(of) : of;
  }

  async #publishedBecause(
    name: string,
    event: RecordedEvent,
  ): Promise<{ readonly published: readonly RecordedEvent[]; readonly isWhole: boolean }> {
    const { events, isWhole } = await conversationOf(this.#log, event.correlationid, event.position);
    const published = events.filter((each) => each.causationid === event.id && this.#publisherOf(each) === name);
    return { published, isWhole };
  }

  /** Where a key cannot be told, the event is a dead letter, and in no row. */
  readonly #rowsOf = (event: RecordedEvent): readonly RowLink[] =>
    this.#parts.views.list().flatMap(({ name, reaction }): RowLink[] => {
      if (!reaction.selection.matches(event)) return [];
      const { key, error } = keyFor(reaction, event);
      return error !== undefined || key === NO_ROW ? [] : [{ kind: 'row', view: name, key }];
    });

  readonly #publisherOf = ({ source }: RecordedEvent): string | undefined => this.#bySource.get(source);
}
