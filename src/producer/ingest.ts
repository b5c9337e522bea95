import { encodePayload, rareAttributes, schemaVersionOf } from '../event/cloudevents-incoming.ts';
import type { IncomingEvent } from '../event/cloudevents-incoming.ts';
import type { EventDraft } from '../event/create-event.ts';
import type { EventDefinition } from '../event/define-event.ts';
import { encodeJson } from '../event/json.ts';
import type { SealedValue } from '../event/sealed-value.ts';
import { tagsAttribute } from '../event/tags.ts';
import { assertNotReserved } from '../event/system-events.ts';
import { continueTrace } from '../event/trace-context.ts';
import { InvalidInput, ThereuponError } from '../errors.ts';
import type { ExpectedVersion, StreamClaim } from '../channel/event-log.ts';
import { dataInvalid, validate } from '../schema/registry.ts';
import type { SchemaRegistry, Validation } from '../schema/registry.ts';
import { openedData, sealedPlaces, validateOpened } from '../schema/sealed-data.ts';
import { sealDraft } from '../schema/sealing.ts';
import type { KeptSealed, Sealing } from '../schema/sealing.ts';
import type { Environment } from '../system/environment.ts';
import { assertExpectedVersion } from './publisher.ts';
import type { Admitted, Published, Publisher } from './publisher.ts';

/** What became of one event of a batch that was refused. */
export interface IngestProblem {
  readonly index: number;
  readonly error: ThereuponError;
}

/** Some events of a batch cannot be recorded; so none was (G3). */
export class BatchRefused extends ThereuponError {
  readonly problems: readonly IngestProblem[];

  constructor(problems: readonly IngestProblem[]) {
    const [first] = problems;
    super(
      { code: 'batch-refused', retry: 'never', fault: 'caller' },
      `${problems.length} of the events cannot be recorded, so none was; first: [${first?.index ?? 0}] ${first?.error.message ?? ''}`,
    );
    this.problems = problems;
  }
}

/** An event on its way in, and its data as it is read. */
interface Coming {
  readonly event: IncomingEvent;
  readonly headers: HeaderFields;
  readonly data: unknown;
  readonly kept?: KeptSealed;
}

/** The header fields that an event came with: its trace context is in them when it is not in the event. */
export type HeaderFields = Iterable<readonly [name: string, value: string]>;

/**
 * Takes CloudEvents from outside: through the same gate as publications of the program itself.
 *
 * Guarantee As Publisher. The trace of the event, else of the request, is continued, else one is begun.
 * Errors    That of the event when there is one event; BatchRefused, which names each, when there are several.
 */
export class Ingest {
  readonly #publisher: Publisher;
  readonly #registry: SchemaRegistry;
  readonly #environment: Environment;

  constructor(publisher: Publisher, registry: SchemaRegistry, environment: Environment) {
    this.#publisher = publisher;
    this.#registry = registry;
    this.#environment = environment;
  }

  /** `expectedVersion` is the claim about the one stream that all events have to belong to (G4). */
  async ingest(
    events: readonly IncomingEvent[],
    headers: HeaderFields = [],
    expectedVersion?: ExpectedVersion,
  ): Promise<readonly Published[]> {
    const admitted: Admitted[] = [];
    const problems: IngestProblem[] = [];
    for (const [index, event] of events.entries()) {
      try {
        const pending = this.#admit(event, headers);
        admitted.push(pending instanceof Promise ? await pending : pending);
      } catch (error) {
        if (!(error instanceof ThereuponError)) throw error;
        problems.push({ index, error });
      }
    }
    const [first] = problems;
    if (first !== undefined) throw events.length === 1 ? first.error : new BatchRefused(problems);
    return this.#publisher.record(admitted, {
      isNew: false,
      ...(expectedVersion === undefined ? {} : { expected: [claim(admitted, expectedVersion)] }),
    });
  }

  #admit(event: IncomingEvent, headers: HeaderFields): Admitted | Promise<Admitted> {
    assertNotReserved({ ...event, stream: event.stream ?? event.subject ?? event.source });
    const definition = this.#registry.require(event.type, schemaVersionOf(event));
    if (definition === undefined) return this.#record(event, headers);
    const data: unknown = event.payload.encoding === 'none' ? undefined : event.payload.data;
    const { sealing } = this.#publisher;
    if (definition.personal !== undefined && sealing !== undefined) {
      const values = sealedPlaces(data);
      if (values.size > 0) return this.#admitSealed(definition, { event, headers, data, values, sealing });
    }
    const validation = validate(definition, data);
    return validation instanceof Promise
      ? validation.then((result) => this.#finish(definition, { event, headers, data }, result))
      : this.#finish(definition, { event, headers, data }, validation);
  }

  /** Exported as it is stored: what is sealed stays so, and fits as what it says. */
  async #admitSealed(
    definition: EventDefinition,
    {
      values,
      sealing,
      ...coming
    }: Coming & { readonly values: ReadonlyMap<string, SealedValue>; readonly sealing: Sealing },
  ): Promise<Admitted> {
    const opened = await openedData(definition, coming.data, values, sealing);
    const { data, kept } = opened;
    const validation = await validateOpened(definition, opened);
    if (!validation.ok) throw dataInvalid(definition, validation.issues);
    return this.#finish(definition, { ...coming, data, kept }, validation);
  }

  #finish(
    definition: EventDefinition,
    { event, headers, data, kept }: Coming,
    result: Validation,
  ): Admitted | Promise<Admitted> {
    if (!result.ok && definition.onInvalid === 'reject') throw dataInvalid(definition, result.issues);
    const derived = result.ok ? this.#derived(definition, event, result.data) : {};
    const draft = { ...this.#draft(event, headers), schemaVersion: definition.version, ...derived };
    const encoded = { draft, issues: result.ok ? undefined : result.issues };
    const { personal } = definition;
    if (personal === undefined) return this.#publisher.admit(encoded, definition.onInvalid);
    const unsealed = { ...encoded, data: result.ok ? result.data : data, kept };
    const sealed = sealDraft(definition, personal, unsealed, this.#publisher.sealing);
    const admitted = (done: Awaited<typeof sealed>) => this.#publisher.admit(done, definition.onInvalid);
    return sealed instanceof Promise ? sealed.then(admitted) : admitted(sealed);
  }

  /** What the definition derives from valid data; what the producer said itself stands. */
  #derived(definition: EventDefinition, event: IncomingEvent, data: unknown): Partial<EventDraft> {
    const stream = event.stream ?? definition.streamOf(data);
    const partitionkey = event.partitionkey === undefined ? definition.partitionKeyOf(data) : undefined;
    const tags = event.extensions['tags'] === undefined ? definition.tagsOf(data) : undefined;
    const added = {
      ...(partitionkey === undefined ? {} : { partitionkey }),
      ...(tags === undefined || tags.length === 0 ? {} : { tags: tagsAttribute(tags) }),
    };
    return {
      stream,
      subject: event.subject ?? definition.subjectOf(data) ?? definition.streamOf(data),
      ...(event.payload.encoding === 'json' ? { data: encodeJson(data, 'data') } : {}),
      ...(Object.keys(added).length === 0 ? {} : { attributes: { ...rareAttributes(event), ...added } }),
    };
  }

  #record(event: IncomingEvent, headers: HeaderFields): Admitted {
    return this.#publisher.admit({ draft: this.#draft(event, headers), issues: undefined }, 'reject');
  }

  #draft(event: IncomingEvent, headers: HeaderFields): EventDraft {
    const trace = continueTrace(
      event.traceparent === undefined ? { headers } : { attributes: event },
      this.#environment.ids,
    );
    const { traceparent: _traceparent, tracestate: _tracestate, ...rest } = rareAttributes(event) ?? {};
    return {
      id: event.id,
      source: event.source,
      type: event.type,
      schemaVersion: schemaVersionOf(event) ?? 0,
      stream: event.stream,
      subject: event.subject,
      time: event.time,
      correlationid: event.correlationid,
      causationid: event.causationid,
      attributes: { ...rest, ...trace },
      ...encodePayload(event.payload),
    };
  }
}

function claim(admitted: readonly Admitted[], version: ExpectedVersion): StreamClaim {
  assertExpectedVersion(version);
  const streams = new Set(admitted.map(({ events }) => events[0]?.stream));
  const [stream] = streams;
  if (stream === undefined || streams.size > 1) {
    throw new InvalidInput({
      path: 'expectedVersion',
      expected: 'events of one stream to claim a version of',
      found: `${streams.size} streams`,
    });
  }
  return { stream, version };
}
