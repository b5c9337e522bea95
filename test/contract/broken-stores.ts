import { memory } from '../../src/backends/memory/memory.ts';
import type { AppendRequest, EventLog } from '../../src/channel/event-log.ts';
import type { BenchMedium } from '../../src/contract/bench.ts';
import type { EncodedEvent } from '../../src/event/event.ts';
import { START } from '../../src/event/position.ts';
import { brokenChains } from './broken-chains.ts';
import { but } from './broken-store.ts';
import type { BrokenStore } from './broken-store.ts';

/** Every store on it has the fault. */
export function brokenMedium(broken: BrokenStore, medium: BenchMedium = { factory: memory() }): BenchMedium {
  const { factory } = medium;
  const open: typeof factory.open = async (environment) => {
    const store = await factory.open(environment);
    return but(store, broken.break(store));
  };
  return { ...medium, factory: { ...factory, open } };
}

/** Renames the events for which `forgotten` says so: to the log they are new ones. */
function renaming(
  log: EventLog,
  forgotten: (event: EncodedEvent, seen: ReadonlySet<string>) => Promise<boolean>,
): EventLog {
  const seen = new Set<string>();
  return but(log, {
    async append(request) {
      const events: EncodedEvent[] = [];
      for (const event of request.events) {
        const again = await forgotten(event, seen);
        seen.add(`${event.source} ${event.id}`);
        events.push(again ? { ...event, id: `${event.id} again` } : event);
      }
      return log.append({ ...request, events });
    },
  });
}

function appending(log: EventLog, changed: (request: AppendRequest) => AppendRequest): EventLog {
  return but(log, { append: (request) => log.append(changed(request)) });
}

const brokenLogs: readonly BrokenStore[] = [
  {
    fault: 'forgets what it has stored',
    port: 'event-log',
    cites: 'G2',
    compared: true,
    break: ({ log }) => ({ log: renaming(log, async (event, seen) => seen.has(`${event.source} ${event.id}`)) }),
  },
  {
    fault: 'forgets the identities of removed events',
    port: 'event-log',
    cites: 'G2',
    compared: true,
    break: ({ log }) => ({
      log: renaming(
        log,
        async (event, seen) =>
          seen.has(`${event.source} ${event.id}`) && (await log.find(event.source, event.id)) === undefined,
      ),
    }),
  },
  {
    fault: 'takes any content for a known identity',
    port: 'event-log',
    cites: 'G2',
    compared: true,
    break: ({ log }) => ({ log: appending(log, (request) => ({ ...request, onDuplicate: 'keep-first' })) }),
  },
  {
    fault: 'does not look at expected versions',
    port: 'event-log',
    cites: 'G4',
    compared: true,
    break: ({ log }) => ({ log: appending(log, (request) => ({ ...request, expected: [] })) }),
  },
  {
    fault: 'appends the events of a batch one by one',
    port: 'event-log',
    cites: 'G3',
    break: ({ log }) => ({
      log: but(log, {
        async append(request) {
          const [first, ...others] = request.events;
          if (first === undefined || others.length === 0) return log.append(request);
          const outcome = await log.append({ ...request, events: [first] });
          if (!outcome.ok) return outcome;
          const places = [...outcome.events];
          for (const event of others) {
            const next = await log.append({ events: [event], onDuplicate: request.onDuplicate });
            if (!next.ok) return next;
            places.push(...next.events);
          }
          return { ok: true, events: places };
        },
      }),
    }),
  },
  {
    fault: 'gives the last two events of a page in the wrong order',
    port: 'event-log',
    cites: 'ES25',
    compared: true,
    break: ({ log }) => ({
      log: but(log, {
        async read(options) {
          const events = await log.read(options);
          return events.length < 2 ? events : [...events.slice(0, -2), ...events.slice(-2).reverse()];
        },
      }),
    }),
  },
  {
    fault: 'skips an event where a full page begins',
    port: 'event-log',
    cites: 'ES25',
    compared: true,
    break: ({ log }) => ({
      log: but(log, {
        read: async (options) =>
          options.after === undefined
            ? log.read(options)
            : (await log.read({ ...options, limit: options.limit + 1 })).slice(1),
      }),
    }),
  },
  {
    fault: 'brings text into a normal form',
    port: 'event-log',
    cites: 'ES11',
    break: ({ log }) => ({
      log: appending(log, (request) => ({
        ...request,
        events: request.events.map((event) => ({ ...event, data: event.data?.normalize() ?? null })),
      })),
    }),
  },
  {
    fault: 'writes JSON data anew',
    port: 'event-log',
    cites: 'ES11',
    break: ({ log }) => ({
      log: appending(log, (request) => ({
        ...request,
        events: request.events.map((event) =>
          event.encoding === 'json' && event.data !== null
            ? { ...event, data: JSON.stringify(JSON.parse(event.data)) }
            : event,
        ),
      })),
    }),
  },
  {
    fault: 'lets a deleted stream begin again',
    port: 'event-log',
    cites: 'ES9',
    compared: true,
    break: ({ log }) => ({
      log: but(log, { deleteStream: (stream) => log.truncateStream(stream, Number.MAX_SAFE_INTEGER) }),
    }),
  },
  {
    fault: 'trims what dead letters point to',
    port: 'event-log',
    cites: 'keep list',
    compared: true,
    break: ({ log }) => ({ log: but(log, { trim: (request) => log.trim({ ...request, keep: [] }) }) }),
  },
  {
    fault: 'trims above the mark of the slowest consumer',
    port: 'event-log',
    cites: 'notAbove',
    compared: true,
    break: ({ log }) => ({
      log: but(log, { trim: async (request) => log.trim({ ...request, notAbove: await log.head() }) }),
    }),
  },
  {
    fault: 'trims everything at once',
    port: 'event-log',
    cites: 'G10',
    compared: true,
    break: ({ log }) => ({ log: but(log, { trim: (request) => log.trim({ ...request, limit: 1_000_000 }) }) }),
  },
  {
    fault: 'lowers its head when it is trimmed',
    port: 'event-log',
    cites: 'G5',
    compared: true,
    break: ({ log }) => ({
      log: but(log, {
        head: async () => (await log.read({ direction: 'backward', limit: 1 })).at(0)?.position ?? START,
      }),
    }),
  },
  {
    fault: 'tells listeners twice',
    port: 'event-log',
    cites: 'G5',
    break: ({ log }) => ({
      log: but(log, {
        watch: (listener) =>
          log.watch((head, events) => {
            listener(head, events);
            listener(head, events);
          }),
      }),
    }),
  },
];

const brokenState: readonly BrokenStore[] = [
  {
    fault: 'writes rows before it knows that the appends are accepted',
    port: 'unit-of-work',
    cites: 'G6',
    compared: true,
    break: ({ unitOfWork }) => ({
      unitOfWork: but(unitOfWork, {
        async commit(unit) {
          await unitOfWork.commit({ ...unit, appends: [], checkpoint: undefined, deliveries: { put: [], remove: [] } });
          return unitOfWork.commit({ ...unit, rows: [] });
        },
      }),
    }),
  },
  {
    fault: 'appends in a transaction of its own',
    port: 'unit-of-work',
    cites: 'G6',
    break: ({ unitOfWork, log }) => ({
      unitOfWork: but(unitOfWork, {
        async commit(unit) {
          for (const request of unit.appends) await log.append(request);
          return unitOfWork.commit(unit);
        },
      }),
    }),
  },
  {
    fault: 'commits without the checkpoint',
    port: 'unit-of-work',
    cites: 'G6',
    compared: true,
    break: ({ unitOfWork }) => ({
      unitOfWork: but(unitOfWork, { commit: (unit) => unitOfWork.commit({ ...unit, checkpoint: undefined }) }),
    }),
  },
  {
    fault: 'makes a removed consumer again',
    port: 'unit-of-work',
    cites: 'G6',
    compared: true,
    break: ({ unitOfWork, checkpoints }) => ({
      unitOfWork: but(unitOfWork, {
        async commit(unit) {
          const { consumer } = unit;
          if ((await checkpoints.load(consumer)) === undefined) {
            await checkpoints.put({
              consumer,
              form: { kind: 'consumer', mode: 'ordered', types: undefined, indexes: [], indexing: false },
              checkpoint: { low: START, done: [] },
              paused: undefined,
              createdMs: 0,
              updatedMs: 0,
            });
          }
          return unitOfWork.commit(unit);
        },
      }),
    }),
  },
  {
    fault: 'lets units overtake one another',
    port: 'unit-of-work',
    cites: 'order of the calls',
    break: ({ unitOfWork }) => {
      let calls = 0;
      return {
        unitOfWork: but(unitOfWork, {
          async commit(unit) {
            calls += 1;
            if (calls % 3 === 0) await Promise.resolve();
            return unitOfWork.commit(unit);
          },
        }),
      };
    },
  },
  {
    fault: 'turns ties around in descending order',
    port: 'row-store',
    cites: 'ties',
    compared: true,
    break: ({ rows }) => ({
      rows: but(rows, {
        async query(namespace, query) {
          if (query.orderBy?.direction !== 'desc') return rows.query(namespace, query);
          const { after: _after, ...whole } = query;
          const found = await rows.query(namespace, {
            ...whole,
            orderBy: { ...query.orderBy, direction: 'asc' },
            limit: 10_000,
          });
          const reversed = found.toReversed();
          const start = reversed.findIndex((row) => row.key === query.after?.key) + 1;
          return reversed.slice(start, start + query.limit);
        },
      }),
    }),
  },
  {
    fault: 'takes a condition on null for no condition',
    port: 'row-store',
    cites: 'counts as null',
    compared: true,
    break: ({ rows }) => ({
      rows: but(rows, {
        query: (namespace, query) =>
          rows.query(namespace, {
            ...query,
            where: (query.where ?? []).filter((condition) => condition.value !== null),
          }),
      }),
    }),
  },
  {
    fault: 'forgets a parked delivery',
    port: 'delivery-store',
    cites: 'G7',
    compared: true,
    break: ({ unitOfWork }) => ({
      unitOfWork: but(unitOfWork, {
        commit: (unit) =>
          unitOfWork.commit({
            ...unit,
            deliveries: {
              ...unit.deliveries,
              put: unit.deliveries.put.filter((delivery) => delivery.state !== 'parked'),
            },
          }),
      }),
    }),
  },
  {
    fault: 'gives what is due without regard to priority',
    port: 'delivery-store',
    cites: 'priority',
    compared: true,
    break: ({ deliveries }) => ({
      deliveries: but(deliveries, {
        due: async (consumer, untilMs, limit) =>
          [...(await deliveries.due(consumer, untilMs, 10_000))]
            .sort((left, right) => (left.dueMs ?? 0) - (right.dueMs ?? 0) || left.position - right.position)
            .slice(0, limit),
      }),
    }),
  },
  {
    fault: 'keeps the first record of a consumer',
    port: 'checkpoint-store',
    cites: 'replaces',
    compared: true,
    break: ({ checkpoints }) => ({
      checkpoints: but(checkpoints, {
        put: async (record) =>
          (await checkpoints.load(record.consumer)) === undefined ? checkpoints.put(record) : undefined,
      }),
    }),
  },
  {
    fault: 'makes a known consumer anew',
    port: 'checkpoint-store',
    cites: 'leaves one that is known',
    break: ({ checkpoints }) => ({
      checkpoints: but(checkpoints, {
        async create(record) {
          await checkpoints.put(record);
          return record;
        },
      }),
    }),
  },
  {
    fault: 'forgets that a consumer is paused when its checkpoint changes',
    port: 'checkpoint-store',
    cites: 'nothing else',
    break: ({ checkpoints }) => ({
      checkpoints: but(checkpoints, {
        change: (consumer, change, updatedMs) =>
          checkpoints.change(consumer, 'checkpoint' in change ? { paused: undefined, ...change } : change, updatedMs),
      }),
    }),
  },
  {
    fault: 'leaves out the identities of removed events',
    port: 'store-image',
    cites: 'G13',
    break: ({ image }) => ({
      image: but(image, {
        async *read() {
          for await (const page of image.read()) yield page.filter(({ kind }) => kind !== 'removed');
        },
      }),
    }),
  },
  {
    fault: 'reads the rest of its image later than the beginning',
    port: 'store-image',
    cites: 'first page',
    break: ({ image }) => ({
      image: but(image, {
        async *read() {
          for await (const page of image.read()) {
            yield page.slice(0, 1);
            break;
          }
          let isFirst = true;
          for await (const page of image.read()) {
            yield isFirst ? page.slice(1) : page;
            isFirst = false;
          }
        },
      }),
    }),
  },
  {
    fault: 'takes an image that is cut off',
    port: 'store-image',
    cites: 'in the middle',
    break: ({ image }) => ({
      image: but(image, {
        async fill(records) {
          try {
            return await image.fill(records);
          } catch {
            return {
              schema: 0,
              stream: 0,
              event: 0,
              removed: 0,
              command: 0,
              link: 0,
              consumer: 0,
              delivery: 0,
              namespace: 0,
              row: 0,
              pending: 0,
            };
          }
        },
      }),
    }),
  },
  {
    fault: 'goes on after close',
    port: 'store',
    cites: 'after close',
    break: () => ({ close: () => Promise.resolve() }),
  },
];

export const brokenStores: readonly BrokenStore[] = [...brokenLogs, ...brokenChains, ...brokenState];
