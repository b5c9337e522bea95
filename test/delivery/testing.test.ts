import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { z } from 'zod';
import { defineAutomation } from '../../src/automation/define-automation.ts';
import { defineConsumer } from '../../src/consumer/define-consumer.ts';
import { defineEvent } from '../../src/event/define-event.ts';
import { defineProjection } from '../../src/projection/define-projection.ts';
import { waitFor } from '../../src/system/clock.ts';
import { createVirtualClock, testSystem } from '../../src/testing/index.ts';

const OrderPlaced = defineEvent({
  type: 'shop.order.placed',
  schema: z.object({ orderId: z.string(), total: z.number(), currency: z.string().default('EUR') }),
  stream: (data) => `order-${data.orderId}`,
});
const StockReserved = defineEvent({
  type: 'shop.stock.reserved',
  schema: z.object({ orderId: z.string() }),
  stream: (data) => `stock-${data.orderId}`,
});
const OrderShipped = defineEvent({
  type: 'shop.order.shipped',
  schema: z.object({ orderId: z.string() }),
  stream: (data) => `order-${data.orderId}`,
});

const reserve = defineAutomation({
  name: 'reserve-stock',
  on: OrderPlaced,
  publishes: [StockReserved],
  async run({ event, publish }) {
    if (event.data.total > 0) await publish(StockReserved, { orderId: event.data.orderId });
  },
});
const ship = defineAutomation({
  name: 'ship',
  on: StockReserved,
  publishes: [OrderShipped],
  run: async ({ event, publish }) => {
    await publish(OrderShipped, { orderId: event.data.orderId });
  },
});
const orders = defineProjection({
  name: 'orders',
  key: (event) => event.data.orderId,
  initial: () => ({ total: 0, shipped: false }),
  on: [
    [OrderPlaced, (row, event) => ({ ...row, total: row.total + event.data.total })],
    [OrderShipped, (row) => ({ ...row, shipped: true })],
  ],
});

const shop = {
  events: [OrderPlaced, StockReserved, OrderShipped],
  automations: [reserve, ship],
  projections: [orders],
};

describe('the test kit', () => {
  test('tells a scenario: given, when, thereupon', async () => {
    await using t = await testSystem(shop);
    await t
      .given([OrderPlaced, { orderId: '1', total: 5 }])
      .when(OrderPlaced, { orderId: '2', total: 7 })
      .thereupon([StockReserved, { orderId: '2' }], [OrderShipped, { orderId: '2' }]);
    await t.when(OrderPlaced, { orderId: '3', total: 0 }).thereuponNothing();
  });

  test('answers what was published step by step, typed by the definition', async () => {
    await using t = await testSystem(shop);
    await t.given([OrderPlaced, { orderId: '1', total: 5 }]);
    assert.deepEqual(t.published(), []);
    await t.when(OrderPlaced, { orderId: '2', total: 7 });
    assert.deepEqual(
      t.published(StockReserved).map(({ data }) => data.orderId),
      ['2'],
    );
    assert.deepEqual(
      t.recorded(OrderShipped).map((event) => event.stream),
      ['order-1', 'order-2'],
    );
    assert.deepEqual(await t.row(orders, '2'), { total: 7, shipped: true });
  });

  test('shows what was recorded instead when the expectation is wrong', async () => {
    await using t = await testSystem(shop);
    await assert.rejects(
      t.when(OrderPlaced, { orderId: '1', total: 5 }).thereupon([StockReserved, { orderId: '2' }]),
      /expected shop\.stock\.reserved .* found shop\.order\.shipped, shop\.stock\.reserved/,
    );
    await assert.rejects(t.when(OrderPlaced, { orderId: '4', total: 5 }).thereuponNothing(), /expected nothing/);
    await assert.rejects(t.when(OrderPlaced, { orderId: '5', total: 5 }).thereuponParked('ship'), /found none/);
  });

  test('runs the same way twice: ids and times follow from the seed', async () => {
    const run = async (seed: number) => {
      await using t = await testSystem({ ...shop, seed });
      await t.when(OrderPlaced, { orderId: '1', total: 5 });
      return t.recorded().map(({ id, recordedtime }) => `${id} ${recordedtime}`);
    };
    assert.deepEqual(await run(3), await run(3));
    assert.notDeepEqual(await run(3), await run(4));
  });

  test('reaches retries by letting time pass, and what is parked in the end', async () => {
    const attempts: number[] = [];
    const flaky = defineConsumer({
      name: 'flaky',
      on: OrderPlaced,
      retry: { attempts: 4, minDelay: '1m', jitter: 0 },
      handle({ event, attempt }) {
        attempts.push(attempt);
        if (event.data.total > 100 || attempt < 3) throw new Error('no connection');
      },
    });
    await using t = await testSystem({ consumers: [flaky] });
    await t.when(OrderPlaced, { orderId: '1', total: 5 });
    assert.deepEqual(attempts, [1]);
    await t.settled({ advance: '90s' });
    assert.deepEqual(attempts, [1, 2]);
    await t.settled({ advance: true });
    assert.deepEqual(attempts, [1, 2, 3]);
    await t.when(OrderPlaced, { orderId: '2', total: 500 });
    await t.settled({ advance: true });
    assert.equal((await t.parked('flaky')).length, 1);
    assert.equal(t.reported('thereupon.delivery.parked').length, 1);
  });

  test('tells who is still at work when the system does not come to rest', { timeout: 10_000 }, async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const stuck = defineConsumer({ name: 'stuck', on: OrderPlaced, handle: () => promise });
    const t = await testSystem({ consumers: [stuck] });
    await assert.rejects(
      Promise.resolve(t.when(OrderPlaced, { orderId: '1', total: 5 })),
      /not settled: stuck \(running, 1 under way/,
    );
    resolve();
    await t.settled();
    await t.close();
  });

  test('keeps what is durable over a restart and a crash', async () => {
    await using t = await testSystem(shop);
    await t.when(OrderPlaced, { orderId: '1', total: 5 });
    await t.restart();
    await t.when(OrderPlaced, { orderId: '2', total: 5 });
    await t.crash();
    await t
      .when(OrderPlaced, { orderId: '3', total: 5 })
      .thereupon([StockReserved, { orderId: '3' }], [OrderShipped, { orderId: '3' }]);
    assert.equal(t.recorded(OrderShipped).length, 3);
  });

  test('lets the grace time of an attempt under way pass at once when it closes', async () => {
    const aborted: string[] = [];
    const slow = defineConsumer({
      name: 'slow',
      on: OrderPlaced,
      timeout: '1h',
      handle: async ({ signal }) => {
        const { promise, resolve } = Promise.withResolvers<void>();
        signal.addEventListener('abort', () => {
          aborted.push((signal.reason as Error).name);
          resolve();
        });
        await promise;
      },
    });
    const t = await testSystem({ consumers: [slow] });
    await t.system.publish(OrderPlaced, { orderId: '1', total: 5 });
    await t.advance('1s');
    await t.close();
    assert.deepEqual(aborted, ['ClaimLost']);
  });
});

describe('the virtual clock', () => {
  test('fires timers in the order in which they come due, and lets promises settle in between', async () => {
    const clock = createVirtualClock({ startMs: 0 });
    const seen: string[] = [];
    clock.setTimer(20, () => seen.push(`b ${clock.now()}`));
    void waitFor(clock, 10)
      .then(() => seen.push(`a ${clock.now()}`))
      .then(() => waitFor(clock, 5))
      .then(() => seen.push(`c ${clock.now()}`));
    const cancel = clock.setTimer(12, () => seen.push('never'));
    cancel();
    await clock.advance('1s');
    assert.deepEqual(seen, ['a 10', 'c 15', 'b 20']);
    assert.equal(clock.now(), 1_000);
    assert.equal(clock.waiting, 0);
  });

  test('ends the timers of a session and no others', async () => {
    const clock = createVirtualClock({ startMs: 0 });
    const seen: string[] = [];
    const first = clock.session();
    const second = clock.session();
    first.clock.setTimer(10, () => seen.push('first'));
    second.clock.setTimer(10, () => seen.push('second'));
    first.end();
    first.clock.setTimer(5, () => seen.push('after the end'));
    await clock.advance(20);
    assert.deepEqual(seen, ['second']);
  });
});
