import type { AppendRequest, EventLog } from '../channel/event-log.ts';
import type { Cluster } from '../consumer/cluster.ts';
import type { InlineProjection, InlineRows } from '../consumer/inline-rows.ts';
import type { RecordedEvent } from '../event/event.ts';
import { upcastEvent, whyUnreadable } from '../event/upcast-event.ts';
import type { UpcastingTypes } from '../event/upcast-event.ts';
import { withMethods } from './store-methods.ts';
import type { Store } from '../store.ts';

/**
 * A store whose events are read in the versions of the program: whatever leaves its log. What it stores, compares and moves (`image`) stays in
 * the version in which it was recorded.
 *
 * Guarantee The store itself where nothing has upcasters: then it costs nothing.
 */
export function upcastStore(store: Store, types: UpcastingTypes): Store {
  if (types.size === 0) return store;
  const one = (event: RecordedEvent) => upcastEvent(event, types);
  const all = (events: readonly RecordedEvent[]) => events.map(one);
  const { log, cluster } = store;
  return {
    backend: store.backend,
    location: store.location,
    readOnly: store.readOnly,
    capabilities: store.capabilities,
    log: withMethods<EventLog>(log, {
      append: (request) => log.append(asRead(request, one)),
      read: async (options) => all(await log.read(options)),
      readStream: async (stream, options) => all(await log.readStream(stream, options)),
      async find(source, id) {
        const event = await log.find(source, id);
        return event && one(event);
      },
      findById: async (id) => all(await log.findById(id)),
      watch: (listener) => log.watch((head, events) => listener(head, events && all(events))),
    }),
    chain: store.chain,
    schemas: store.schemas,
    checkpoints: store.checkpoints,
    deliveries: store.deliveries,
    rows: store.rows,
    unitOfWork: store.unitOfWork,
    inlineRows: store.inlineRows && upcastRows(store.inlineRows, one),
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

/** Projections are given events as they are read. */
function upcastRows(inlineRows: InlineRows, one: (event: RecordedEvent) => RecordedEvent): InlineRows {
  return {
    begin: (projection) =>
      inlineRows.begin(
        withMethods<InlineProjection>(projection, {
          laneOf: (event) => projection.laneOf(one(event)),
          keysOf: (events) => projection.keysOf(events.map(one)),
          project: (events, look) =>
            projection.project(events.map(one), {
              row: (namespace, key) => look.row(namespace, key),
              find(source, id) {
                const event = look.find(source, id);
                return event && one(event);
              },
            }),
        }),
      ),
    end: (consumer) => inlineRows.end(consumer),
  };
}

/** What a writer claims of queries it claims of events as it has read them. */
function asRead(request: AppendRequest, one: (event: RecordedEvent) => RecordedEvent): AppendRequest {
  if (request.unless === undefined) return request;
  const unless = request.unless.map((claim) => {
    const { matches } = claim;
    if (matches === undefined) return claim;
    return {
      ...claim,
      matches(event: RecordedEvent) {
        const read = one(event);
        // It may be one of them. Whoever reads the query again is told why that cannot be known.
        return whyUnreadable(read) !== undefined || matches(read);
      },
    };
  });
  return { ...request, unless };
}
