import assert from 'node:assert/strict';
import { z } from 'zod';
import { defineAutomation } from '../../automation/define-automation.ts';
import { defineConsumer } from '../../consumer/define-consumer.ts';
import type { ConsumerDefinition } from '../../consumer/define-consumer.ts';
import { defineCommand } from '../../decider/define-command.ts';
import { defineDecider } from '../../decider/define-decider.ts';
import type { DeciderDefinition } from '../../decider/define-decider.ts';
import { fact } from '../../decider/decision.ts';
import { ConditionFailed, InvalidDefinition, UpcastFailed } from '../../errors.ts';
import { defineEvent } from '../../event/define-event.ts';
import type { DataOf, EventDefinition } from '../../event/define-event.ts';
import { asStored } from '../../event/upcast-event.ts';
import { definePattern } from '../../operator/define-pattern.ts';
import { one } from '../../operator/pattern.ts';
import { defineProjection } from '../../projection/define-projection.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import type { DeliveryStage } from './delivery-case.ts';
import { only } from './samples.ts';

const common = { type: 'contract.item.priced', stream: (data: { item: string }) => `item-${data.item}` } as const;

const PricedV1 = defineEvent({ ...common, schema: z.object({ item: z.string(), price: z.number() }) });

const toCents = (data: DataOf<typeof PricedV1>) => {
  if (data.price < 0) throw new Error(`no price: ${data.price}`);
  return { item: data.item, cents: data.price * 100 };
};
const schemaV2 = z.object({ item: z.string(), cents: z.int(), currency: z.string().default('EUR') });

const PricedV2 = defineEvent({ ...common, version: 2, schema: schemaV2, upcast: { 1: toCents } });
/** As V2, with what V2 has no answer to. */
const MendedV2 = defineEvent({
  ...common,
  version: 2,
  schema: schemaV2,
  upcast: { 1: (data: DataOf<typeof PricedV1>) => ({ item: data.item, cents: Math.max(0, data.price) * 100 }) },
});
const PricedV3 = defineEvent({
  ...common,
  version: 3,
  schema: z.object({ item: z.string(), amount: z.object({ cents: z.int(), currency: z.string() }) }),
  upcast: {
    1: toCents,
    2: ({ item, cents, currency = 'EUR' }: { item: string; cents: number; currency?: string }) => ({
      item,
      amount: { cents, currency },
    }),
  },
});
const Sold = defineEvent({
  type: 'contract.item.sold',
  schema: z.object({ item: z.string() }),
  stream: (data) => `item-${data.item}`,
});

/** A consumer that writes down the data that it gets. */
function noting(
  name: string,
  on: EventDefinition,
  noted: unknown[],
  where?: Readonly<Record<string, unknown>>,
): ConsumerDefinition {
  return defineConsumer({
    name,
    on,
    ...(where === undefined ? {} : { where }),
    handle: ({ event }) => void noted.push(event.data),
  });
}

interface Program {
  readonly events: EventDefinition[];
  readonly consumers: ConsumerDefinition[];
  readonly deciders: DeciderDefinition[];
}

/** A system whose program can be replaced by another one. */
async function startProgram(stage: DeliveryStage, first: Partial<Program>) {
  const program: Program = { events: first.events ?? [], consumers: first.consumers ?? [], deciders: [] };
  const test = await stage.start(program);
  return {
    test,
    replace: async (next: Partial<Program>) => {
      program.events.splice(0, Infinity, ...(next.events ?? []));
      program.consumers.splice(0, Infinity, ...(next.consumers ?? []));
      program.deciders.splice(0, Infinity, ...(next.deciders ?? []));
      await test.restart();
      await test.settled();
    },
  };
}

const amount = (item: string, cents: number) => ({ item, amount: { cents, currency: 'EUR' } });

/** What older programs recorded is read in the version of the present one. */
export const upcastingCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    async 'every reader gets what an older program recorded in the current version'(stage) {
      const { test, replace } = await startProgram(stage, { events: [PricedV1] });
      await test.system.publish(PricedV1, { item: 'a', price: 3 }, { id: '1' });
      await test.system.publish(PricedV1, { item: 'b', price: 5 }, { id: '2' });
      const [all, dear]: [unknown[], unknown[]] = [[], []];
      await replace({
        events: [PricedV1, PricedV3],
        consumers: [
          noting('all', PricedV3, all),
          noting('dear', PricedV3, dear, { data: { amount: { cents: [{ numeric: ['>', 400] }] } } }),
        ],
      });
      const { events } = test.system;
      const expected = [amount('a', 300), amount('b', 500)];
      assert.deepEqual([all, dear], [expected, [expected[1]]]);
      const { events: page } = await events.read();
      assert.deepEqual(
        page.map(({ data, schemaVersion, dataschema }) => [data, schemaVersion, dataschema]),
        expected.map((data) => [data, 3, 'urn:thereupon:schema:contract.item.priced:3']),
      );
      assert.deepEqual(
        page.map((event) => asStored(event).toJSON()['data']),
        [
          { item: 'a', price: 3 },
          { item: 'b', price: 5 },
        ],
      );
      assert.deepEqual((await events.readStream('item-a')).events[0]?.data, expected[0]);
      assert.deepEqual((await events.find('/thereupon', '2'))?.data, expected[1]);
      const cheap = await events.read({ where: { data: { amount: { cents: [300] } } } });
      assert.deepEqual(only(cheap.events).data, expected[0]);
    },

    async 'what another program records in an older version meanwhile is delivered in the current one'(stage) {
      const [all, dear]: [unknown[], unknown[]] = [[], []];
      const { test } = await startProgram(stage, {
        events: [PricedV1, PricedV3],
        consumers: [
          noting('all', PricedV3, all),
          noting('dear', PricedV3, dear, { data: { amount: { cents: [{ numeric: ['>', 400] }] } } }),
        ],
      });
      await test.system.publish(PricedV1, { item: 'a', price: 3 });
      await test.system.publish(PricedV1, { item: 'b', price: 5 });
      await test.system.publish(PricedV3, amount('c', 900));
      await test.settled();
      assert.deepEqual(all, [amount('a', 300), amount('b', 500), amount('c', 900)]);
      assert.deepEqual(dear, [amount('b', 500), amount('c', 900)]);
    },

    async 'what is told again is compared as it was recorded (G2)'(stage) {
      const { test, replace } = await startProgram(stage, { events: [PricedV1] });
      await test.system.publish(PricedV1, { item: 'a', price: 3 }, { id: '1' });
      await replace({ events: [PricedV1, PricedV2] });
      const again = await test.system.publish(PricedV1, { item: 'a', price: 3 }, { id: '1' });
      assert.equal(again.duplicate, true);
      await assert.rejects(test.system.publish(PricedV1, { item: 'a', price: 4 }, { id: '1' }));
    },

    async 'an event that cannot be brought up is parked for whom it may concern, and stops nobody else (G7)'(stage) {
      const { test, replace } = await startProgram(stage, { events: [PricedV1, Sold] });
      for (const [item, price] of [
        ['a', 1],
        ['b', -1],
        ['b', 2],
        ['c', 5],
      ] as const)
        await test.system.publish(PricedV1, { item, price });
      const noted: Record<string, unknown[]> = { plain: [], filtered: [], elsewhere: [], sold: [] };
      const consumersOf = (definition: typeof PricedV2) => [
        noting('plain', definition, noted['plain'] ?? []),
        noting('filtered', definition, noted['filtered'] ?? [], { data: { cents: [{ numeric: ['>=', 0] }] } }),
        noting('elsewhere', definition, noted['elsewhere'] ?? [], {
          subject: ['item-c'],
          data: { cents: [{ numeric: ['>=', 0] }] },
        }),
        noting('sold', Sold, noted['sold'] ?? []),
      ];
      await replace({ events: [PricedV1, PricedV2, Sold], consumers: consumersOf(PricedV2) });
      // Also of what comes while the consumers follow the log.
      await test.system.publish(PricedV1, { item: 'd', price: -2 });
      await test.system.publish(Sold, { item: 'a' });
      await test.settled();
      const of = (item: string, cents: number) => ({ item, cents, currency: 'EUR' });
      assert.deepEqual(noted, {
        plain: [of('a', 100), of('c', 500)],
        filtered: [of('a', 100), of('c', 500)],
        elsewhere: [of('c', 500)],
        sold: [{ item: 'a' }],
      });
      const letters = await test.parked();
      assert.deepEqual(
        letters.map(({ consumer, key, attempts, waitingBehind }) => [consumer, key, attempts, waitingBehind]),
        ['filtered', 'plain'].flatMap((consumer) => [
          [consumer, 'item-b', 1, 1],
          [consumer, 'item-d', 1, 0],
        ]),
      );
      const [letter] = letters;
      assert.equal(letter?.error?.code, 'upcast-failed');
      assert.match(
        letter.error.message,
        /^contract\.item\.priced at position \d+: .* from schema version 1 to 2: no price: -1/,
      );
      assert.deepEqual(letter.event?.data, { item: 'b', price: -1 }, 'it is shown as it was recorded');
      await assert.rejects(
        test.system.events.read().then(({ events }) => JSON.stringify(events)),
        UpcastFailed,
      );

      await replace({ events: [PricedV1, MendedV2, Sold], consumers: consumersOf(MendedV2) });
      assert.equal(await test.deadLetters.retryAll(), 4);
      await test.settled();
      // Keys in no order among themselves.
      const mended = noted['plain']?.slice(2) as readonly ReturnType<typeof of>[];
      assert.deepEqual(
        mended.toSorted((left, right) => left.item.localeCompare(right.item)),
        [of('b', 0), of('b', 200), of('d', 0)],
      );
      assert.deepEqual(await test.parked(), []);
    },

    async 'a schema that throws at what was brought up parks the event, and a decider says what is wrong with it (G7)'(
      stage,
    ) {
      const { test, replace } = await startProgram(stage, { events: [PricedV1] });
      await test.system.publish(PricedV1, { item: 'a', price: 1 });
      await test.system.publish(PricedV1, { item: 'b', price: 2 });
      const Strict = defineEvent({
        ...common,
        version: 2,
        schema: z.object({
          item: z.string(),
          cents: z.int().transform((cents) => {
            if (cents === 100) throw new RangeError('not one');
            return cents;
          }),
        }),
        upcast: { 1: toCents },
      });
      const Look = defineCommand({
        name: 'contract.look',
        schema: z.object({ item: z.string() }),
        stream: common.stream,
      });
      const looking = defineDecider({
        name: 'item',
        initial: () => 0,
        evolve: [[Strict, (sum, { data }) => sum + data.cents]],
        decide: [[Look, () => undefined]],
      });
      const seen: unknown[] = [];
      await replace({ events: [Strict], consumers: [noting('all', Strict, seen)], deciders: [looking] });
      assert.deepEqual(seen, [{ item: 'b', cents: 200 }]);
      assert.equal((await test.parked('all'))[0]?.error?.code, 'upcast-failed');
      await assert.rejects(test.system.execute(Look, { item: 'a' }), UpcastFailed);
      await assert.rejects(test.system.deciders.state(looking, 'item-a', { version: 1 }), UpcastFailed);
      assert.equal((await test.system.deciders.state(looking, 'item-b')).state, 200);
    },

    async 'receivers of a queue get the current version, and never an event that cannot be brought up'(stage) {
      const { test, replace } = await startProgram(stage, { events: [PricedV1] });
      for (const price of [-1, 3]) await test.system.publish(PricedV1, { item: 'a', price });
      await replace({
        events: [PricedV1, PricedV3],
        consumers: [defineConsumer({ name: 'queue', on: PricedV3, mode: 'queue' })],
      });
      await test.system.publish(PricedV1, { item: 'b', price: -2 });
      await test.settled();
      const claim = only(await test.consumers.receive('queue', { max: 10 }));
      assert.deepEqual(claim.event.data, amount('a', 300));
      await claim.ack();
      assert.deepEqual(
        (await test.parked('queue')).map(({ error, event }) => [error?.code, event?.data]),
        [
          ['upcast-failed', { item: 'a', price: -1 }],
          ['upcast-failed', { item: 'b', price: -2 }],
        ],
      );
    },

    async 'what an upcaster gives has to fit the current schema'(stage) {
      const { test, replace } = await startProgram(stage, { events: [PricedV1] });
      await test.system.publish(PricedV1, { item: 'a', price: 0.001 });
      await replace({ events: [PricedV2], consumers: [noting('all', PricedV2, [])] });
      const letter = only(await test.parked());
      assert.equal(letter.error?.code, 'upcast-failed');
      assert.equal(letter.error.cause?.code, 'event-data-invalid');
      assert.match(letter.error.message, /data\.cents/);
    },

    async 'what an operator gave in place of data is of the version that it was given in'(stage) {
      const { test, replace } = await startProgram(stage, { events: [PricedV1] });
      await test.system.publish(PricedV1, { item: 'a', price: -1 });
      const failing = (on: EventDefinition) =>
        defineConsumer({
          name: 'books',
          on,
          retry: { attempts: 1 },
          handle() {
            throw new Error('not today');
          },
        });
      await replace({ events: [PricedV2], consumers: [failing(PricedV2)] });
      await test.deadLetters.retryEdited(only(await test.parked()).id, { item: 'a', cents: 700 });
      await test.settled();
      assert.match(only(await test.parked()).error?.message ?? '', /not today/);
      const noted: unknown[] = [];
      await replace({ events: [PricedV3], consumers: [noting('books', PricedV3, noted)] });
      await test.deadLetters.retryAll();
      await test.settled();
      assert.deepEqual(noted, [amount('a', 700)]);
    },

    async 'projections and deciders go by the current version, and so does what a writer claims of a query'(stage) {
      const Raise = defineCommand({
        name: 'contract.raise',
        schema: z.object({ item: z.string() }),
        stream: ({ item }) => `item-${item}`,
      });
      const prices = defineDecider({
        name: 'prices',
        category: 'item',
        initial: () => ({ cents: 0 }),
        evolve: [[PricedV3, (_state, { data }) => ({ cents: data.amount.cents })]],
        decide: [[Raise, ({ cents }, { data }) => fact(PricedV3, amount(data.item, cents + 1))]],
      });
      const totals = defineProjection({
        name: 'totals',
        key: () => 'all',
        initial: () => 0,
        on: [[PricedV3, (row, event) => row + event.data.amount.cents]],
      });
      const events: EventDefinition[] = [PricedV1];
      const projections: (typeof totals)[] = [];
      const deciders: (typeof prices)[] = [];
      const test = await stage.start({ events, projections, deciders });
      const { position: after } = await test.system.publish(PricedV1, { item: 'a', price: 3 });
      await test.system.publish(PricedV1, { item: 'b', price: 5 });
      events.push(PricedV3);
      projections.push(totals);
      deciders.push(prices);
      await test.restart();
      await test.settled();
      assert.equal(await test.row(totals, 'all'), 800);
      const unlessAt = (cents: number) => ({ after, where: { data: { amount: { cents: [cents] } } } });
      const publication = { event: PricedV3, data: amount('c', 1) };
      await assert.rejects(test.system.publishAll([publication], { unless: [unlessAt(500)] }), ConditionFailed);
      await test.system.publishAll([publication], { unless: [unlessAt(501)] });
      const raised = await test.system.execute(Raise, { item: 'a' });
      assert.deepEqual(raised.accepted && raised.state, { cents: 301 });
    },

    async 'matches under way of an older program go on in the current version'(stage) {
      const matched: unknown[] = [];
      const selling = (definition: EventDefinition) =>
        defineAutomation({
          name: 'selling',
          on: definePattern({
            sequence: [one('priced', definition as typeof PricedV3), one('sold', Sold)],
            within: '1h',
            key: (event) => event.data.item,
          }),
          run: ({ events: match }) => void matched.push([match.priced, match.sold].map(([event]) => event?.data)),
        });
      const events: EventDefinition[] = [PricedV1, Sold];
      const automations = [selling(PricedV1)];
      const test = await stage.start({ events, automations });
      await test.system.publish(PricedV1, { item: 'a', price: 3 });
      await test.settled();
      events.splice(0, 1, PricedV3);
      automations.splice(0, 1, selling(PricedV3));
      await test.restart();
      await test.system.publish(Sold, { item: 'a' });
      await test.settled();
      assert.deepEqual(matched, [[amount('a', 300), { item: 'a' }]]);
    },

    async 'a program is refused that has no way up from a version that the store remembers, or that names an older one'(
      stage,
    ) {
      const program: { events: EventDefinition[]; consumers: ConsumerDefinition[] } = {
        events: [PricedV1],
        consumers: [],
      };
      const test = await stage.start(program);
      await test.system.publish(PricedV1, { item: 'a', price: 3 });
      program.events[0] = defineEvent({
        ...common,
        version: 3,
        schema: z.object({ item: z.string() }),
        upcast: { 2: (data: { item: string }) => data },
      });
      const refused = (text: RegExp) => (error: unknown) =>
        error instanceof InvalidDefinition && text.test(error.message);
      await assert.rejects(
        test.restart(),
        refused(/^event contract\.item\.priced: the store remembers version 1, .* no step from version 1 to 2$/),
      );
      program.events[0] = PricedV2;
      program.consumers.push(noting('late', PricedV1, []));
      await assert.rejects(
        test.restart(),
        refused(/^consumer late: on names version 1 of contract\.item\.priced, which is read in version 2/),
      );
      program.consumers.length = 0;
      await test.restart();
    },
  });
