import type { RecordedCommand } from '../channel/append-conditions.ts';
import type { AppendRequest, EventLog } from '../channel/event-log.ts';
import type { Cluster } from '../consumer/cluster.ts';
import type { Delivery, DeliveryStore } from '../consumer/delivery-store.ts';
import type { RecordedEvent, StoredEvent } from '../event/event.ts';
import { commandOf } from '../decider/command-outcome.ts';
import { SealedDataInvalid } from '../errors.ts';
import { EventOpening, openJson } from '../event/event-opening.ts';
import type { OpeningKeys, PersonalTypes } from '../event/event-opening.ts';
import type { JsonValue } from '../event/json.ts';
import { OPENING } from '../event/opening.ts';
import { erasedValue } from '../event/personal-fields.ts';
import { recordedEvent } from '../event/recorded-event.ts';
import { keyIdsIn, mayHoldSealed } from '../event/sealed-value.ts';
import { SYSTEM_EVENTS } from '../event/system-events.ts';
import { openingInline } from './inline-personal.ts';
import type { SubjectKeys } from '../personal/subject-keys.ts';
import { withMethods } from './store-methods.ts';
import type { Store } from '../store.ts';

/**
 * A store whose events can be read: what is sealed in their data opens as it is touched, as far as there are keys. What is stored, compared,
 * attested and moved (`event.stored`, `chain`, `image`) stays sealed.
 *
 * Guarantee The keys of a page are there before it is handed on.
 */
export function openingStore(store: Store, types: PersonalTypes, keys: SubjectKeys): Store {
  const events = new OpeningEvents(types, keys);
  const all = (found: readonly RecordedEvent[]) => events.all(found);
  const { log, cluster, deliveries } = store;
  const edits = new OpeningEdits(types, keys);
  return {
    backend: store.backend,
    location: store.location,
    readOnly: store.readOnly,
    capabilities: store.capabilities,
    log: withMethods<EventLog>(log, {
      append: (request) => log.append(events.claimed(request)),
      read: async (options) => all(await log.read(options)),
      readStream: async (stream, options) => all(await log.readStream(stream, options)),
      async find(source, id) {
        const event = await log.find(source, id);
        return event && (await all([event]))[0];
      },
      findById: async (id) => all(await log.findById(id)),
      async findCommand(id) {
        const command = await log.findCommand(id);
        return command && openedCommand(command, keys);
      },
      // Where a key would have to be read first, whoever listens reads the events themselves.
      watch: (listener) => log.watch((head, appended) => listener(head, appended && events.known(appended))),
    }),
    chain: store.chain,
    schemas: store.schemas,
    checkpoints: store.checkpoints,
    deliveries: withMethods<DeliveryStore>(deliveries, {
      get: async (consumer, position) => (await edits.all([await deliveries.get(consumer, position)]))[0],
      list: async (options) => edits.all(await deliveries.list(options)),
      due: async (consumer, untilMs, limit) => edits.all(await deliveries.due(consumer, untilMs, limit)),
      async heldKeys(consumer, after, limit) {
        const held = await deliveries.heldKeys(consumer, after, limit);
        const firsts = await edits.all(held.map(({ first }) => first));
        return held.map((one, index) => ({ ...one, first: firsts[index] ?? one.first }));
      },
    }),
    rows: store.rows,
    unitOfWork: store.unitOfWork,
    inlineRows: store.inlineRows && openingInline(store.inlineRows, (found) => events.known(found)),
    tables: store.tables,
    image: store.image,
    cluster:
      cluster &&
      withMethods<Cluster>(cluster, {
        read: async (options, by, lanes) => all(await cluster.read(options, by, lanes)),
      }),
    outbox: store.outbox,
    erasure: store.erasure,
    pressure: () => store.pressure(),
    announce: (url) => store.announce(url),
    report: (thorough) => store.report(thorough),
    close: () => store.close(),
  };
}

/** A command with what its refusal says. Errors: SealedDataInvalid. */
async function openedCommand(command: RecordedCommand, keys: SubjectKeys): Promise<RecordedCommand> {
  const ids = new Set<string>();
  keyIdsIn(JSON.stringify(command.outcome ?? null), ids);
  if (ids.size === 0) return command;
  const outcome = openJson(command.outcome, {
    of: commandOf(command.id),
    keys: await keys.fetch(ids),
    erased: (place, wasString) => erasedValue(undefined, place, wasString),
    invalid: (place) => new SealedDataInvalid({ what: `the outcome of command ${command.id}`, place }),
  });
  return { ...command, outcome: outcome as JsonValue };
}

/** Gives what operators said in place of events what opens it. */
class OpeningEdits {
  readonly #types: PersonalTypes;
  readonly #keys: SubjectKeys;

  constructor(types: PersonalTypes, keys: SubjectKeys) {
    this.#types = types;
    this.#keys = keys;
  }

  async all<Some extends Delivery | undefined>(deliveries: readonly Some[]): Promise<readonly Some[]> {
    const ids = new Set<string>();
    for (const delivery of deliveries)
      if (delivery?.edited !== undefined) keyIdsIn(JSON.stringify(delivery.edited), ids);
    if (ids.size === 0) return deliveries;
    const opening = new EventOpening(await this.#keys.fetch(ids), this.#types);
    return deliveries.map((delivery) =>
      delivery?.edited === undefined ? delivery : { ...delivery, edited: { ...delivery.edited, [OPENING]: opening } },
    );
  }
}

/** Gives events what opens them. */
class OpeningEvents {
  readonly #types: PersonalTypes;
  readonly #keys: SubjectKeys;

  constructor(types: PersonalTypes, keys: SubjectKeys) {
    this.#types = types;
    this.#keys = keys;
  }

  async all(events: readonly RecordedEvent[]): Promise<readonly RecordedEvent[]> {
    const ids = this.#idsOf(events);
    return ids === undefined ? events : this.#opened(events, await this.#keys.fetch(ids));
  }

  /** With keys that are in memory; undefined: one is not. */
  known(events: readonly RecordedEvent[]): readonly RecordedEvent[] | undefined {
    const ids = this.#idsOf(events);
    if (ids === undefined) return events;
    const keys = this.#keys.known(ids);
    return keys && this.#opened(events, keys);
  }

  /** What a writer claims of queries it claims of events as it has read them. */
  claimed(request: AppendRequest): AppendRequest {
    if (request.unless?.some(({ matches }) => matches !== undefined) !== true) return request;
    const unless = request.unless.map((claim) => {
      const { matches } = claim;
      if (matches === undefined) return claim;
      return {
        ...claim,
        matches: (event: RecordedEvent) => {
          const read = this.known([event])?.[0];
          // It may be one of them; whoever reads the query again has its key then.
          return read === undefined || matches(read);
        },
      };
    });
    return { ...request, unless };
  }

  /** Undefined: nothing is sealed in them. */
  #idsOf(events: readonly RecordedEvent[]): Set<string> | undefined {
    let ids: Set<string> | undefined;
    for (const { stored } of events) if (this.#isSealed(stored)) keyIdsIn(stored.data ?? '', (ids ??= new Set()));
    return ids;
  }

  #opened(events: readonly RecordedEvent[], keys: OpeningKeys): readonly RecordedEvent[] {
    const opening = new EventOpening(keys, this.#types);
    return events.map((event) =>
      this.#isSealed(event.stored) ? recordedEvent({ ...event.stored, [OPENING]: opening }) : event,
    );
  }

  #isSealed({ type, data }: StoredEvent): boolean {
    if (data === null || !(this.#types.has(type) || type === SYSTEM_EVENTS.eventQuarantined)) return false;
    return mayHoldSealed(data);
  }
}
