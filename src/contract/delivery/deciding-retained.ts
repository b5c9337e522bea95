import assert from 'node:assert/strict';
import { z } from 'zod';
import { fact, refuse } from '../../decider/decision.ts';
import { defineDecider } from '../../decider/define-decider.ts';
import { ofQuery, ofStream } from '../../decider/parts.ts';
import type { QueryOptions } from '../../decider/parts.ts';
import { HistoryIncomplete, HistoryShortened, InvalidDefinition } from '../../errors.ts';
import { defineEvent } from '../../event/define-event.ts';
import { position } from '../../event/position.ts';
import type { AsOf } from '../../time/as-of.ts';
import type { ContractSuite } from '../contract-case.ts';
import { accepted, accounts, Deposit, Deposited, Grant, grants, refusedFor } from './deciding-samples.ts';
import { deliveryCases } from './delivery-case.ts';
import type { NewInterceptor } from './delivery-case.ts';

const Measured = defineEvent({
  type: 'contract.room.measured',
  schema: z.object({ room: z.string() }),
  stream: ({ room }) => `room-${room}`,
});
const grant = { account: 'a', amount: 1, most: 3 };

/** As `grants`, and what it says of the history that it rests on. */
function granting(options: Pick<QueryOptions<[], number, unknown>, 'categories' | 'history'>) {
  return defineDecider({
    name: 'grant',
    across: {
      held: ofQuery({
        initial: () => 0,
        evolve: [[Deposited, (sum, { data }) => sum + data.amount]],
        ...options,
      }),
    },
    decide: [
      [Grant, ({ held }, { data: { most, ...data } }) => (held >= most ? refuse('enough') : fact(Deposited, data))],
    ],
  });
}

/** Decisions on what retention has left. */
export const decidingRetainedCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    async 'a query whose events were removed is not decided on as if what is left were all, by whatever they were removed'(
      stage,
    ) {
      for (const remove of ['truncate', 'delete', 'retain'] as const) {
        const test = await stage.start({ deciders: [accounts(), grants] });
        const { system } = test;
        for (const n of [1, 2, 3]) await system.execute(Deposit, { account: 'a', amount: n });
        refusedFor(await system.execute(Grant, grant));
        if (remove === 'truncate') assert.equal(await system.truncateStream('account-a', 3), 2);
        if (remove === 'delete') assert.equal(await system.deleteStream('account-a'), 3);
        if (remove === 'retain') {
          const [outcome] = await system.applyRetention({ rules: [{ category: 'account', maxCount: 1 }], force: true });
          assert.equal(outcome?.removed, 2);
        }
        const other = { ...grant, account: 'ab' };
        const shortened = (error: unknown) => {
          assert.ok(error instanceof HistoryShortened);
          assert.deepEqual([error.part, error.categories], ['held', ['account']]);
          return true;
        };
        await assert.rejects(test.system.execute(Grant, other), shortened);
        await test.restart();
        await assert.rejects(test.system.execute(Grant, other), shortened);
      }
    },

    async 'what is recorded and removed again while a decision is on its way is not passed over (ES23)'(stage) {
      let isReading = false;
      const read = Promise.withResolvers<void>();
      const goOn = Promise.withResolvers<void>();
      // The append of the decision is held up, between what it has read and the log.
      const interceptor: NewInterceptor = () => async (call) => {
        if (isReading && call.port === 'log' && call.method === 'append') {
          isReading = false;
          read.resolve();
          await goOn.promise;
        }
        return call.proceed();
      };
      const test = await stage.start({ deciders: [accounts(), grants] }, { interceptor });
      const { system } = test;
      isReading = true;
      const deciding = system.execute(Grant, { account: 'a', amount: 1, most: 1 });
      await read.promise;
      await system.publish(Deposited, { account: 'ab', amount: 5 });
      assert.equal(await system.truncateStream('account-ab', 2), 1);
      goOn.resolve();
      await assert.rejects(deciding, HistoryShortened);
    },

    async 'what retention removes of a stream the state outlives, where the decider keeps snapshots, also when a rule takes everything'(
      stage,
    ) {
      for (const rule of [{ maxCount: 3 }, { maxAge: '1h' }, { maxCount: 0 }] as const) {
        const account = accounts({ snapshot: { every: 1_000 } });
        const test = await stage.start({ deciders: [account] });
        for (const name of ['a', 'b', 'c'])
          for (const n of [1, 2, 3]) accepted(await test.system.execute(Deposit, { account: name, amount: n }));
        if ('maxAge' in rule) {
          await test.clock.advance('2h');
          accepted(await test.system.execute(Deposit, { account: 'c', amount: 4 }));
        }
        for (let turn = 0; turn < 2; turn += 1) {
          await test.system.applyRetention({ rules: [{ category: 'account', ...rule }] });
          await test.restart();
          const more = 'maxAge' in rule ? 4 : 0;
          for (const [name, balance] of [
            ['a', 6 + turn],
            ['b', 6 + turn],
            ['c', 6 + more + turn],
          ] as const) {
            const state = (await test.system.deciders.state(account, `account-${name}`)).state;
            assert.equal(state.balance, balance, JSON.stringify([rule, turn, name]));
            accepted(await test.system.execute(Deposit, { account: name, amount: 1 }));
          }
          await test.clock.advance('2h');
        }
        assert.ok(
          (await test.system.events.read()).events.filter(({ stream }) => stream.startsWith('account-')).length < 9,
        );
      }
    },

    async 'the state of a stream that has lost its beginning is told as of every point from there on'(stage) {
      for (const every of [1_000, 1]) {
        const account = accounts({ snapshot: { every } });
        const test = await stage.start({ deciders: [account] });
        const positions: number[] = [];
        for (const n of [1, 2, 3, 4, 5, 6]) {
          positions.push((await test.system.execute(Deposit, { account: 'a', amount: n })).position ?? 0);
          if (n === 3) {
            assert.equal(await test.system.truncateStream('account-a', 3), 2);
            await test.restart();
          }
          await test.clock.advance('1h');
        }
        const asOf = async (point: AsOf) => {
          const { state, version, events } = await test.system.deciders.state(account, 'account-a', point);
          return [state.balance, version, events];
        };
        const nowMs = test.clock.now();
        const hoursAgo = (hours: number) => new Date(nowMs - hours * 3_600_000 + 1);
        assert.deepEqual(await asOf({ version: 3 }), [6, 3, 3]);
        assert.deepEqual(await asOf({ version: 5 }), [15, 5, 5]);
        assert.deepEqual(await asOf({ position: position(positions[3] ?? 0) }), [10, 4, 4]);
        assert.deepEqual(await asOf({ at: hoursAgo(2), by: 'recorded' }), [15, 5, 5]);
        assert.deepEqual(await asOf({ at: hoursAgo(2) }), [15, 5, 5]);
        assert.deepEqual(await asOf({ at: new Date(nowMs + 1) }), [21, 6, 6]);
        for (const point of [
          { version: 2 },
          { position: position(1) },
          { at: hoursAgo(5) },
          { at: hoursAgo(5), by: 'recorded' },
        ] as const)
          await assert.rejects(asOf(point), (error) => {
            assert.ok(error instanceof HistoryIncomplete);
            assert.match(error.message, /what is known of them is the state at version 3/);
            return true;
          });
        await test.system.applyRetention({ rules: [{ category: 'account', maxCount: 0 }] });
        await test.restart();
        assert.deepEqual(await asOf({ position: position(positions[5] ?? 0) }), [21, 6, 6]);
        assert.deepEqual(await asOf({ at: new Date(nowMs + 1) }), [21, 6, 6]);
      }
    },

    async 'what is kept when events go nobody drops beside that, and no other version of the decider writes over it'(
      stage,
    ) {
      const versions = [1, 2].map((version) => accounts({ snapshot: { every: 2 }, version }));
      const [first, second] = versions as [(typeof versions)[0], (typeof versions)[0]];
      const deciders = [first];
      const test = await stage.start({ deciders });
      const names = Array.from({ length: 20 }, (_, index) => `s${index}`);
      for (const account of names)
        for (const n of [1, 2, 3]) accepted(await test.system.execute(Deposit, { account, amount: n }));
      await Promise.all([
        test.system.applyRetention({ rules: [{ category: 'account', maxCount: 20 }] }),
        test.system.deciders.dropSnapshots(),
        ...names.slice(0, 5).map((name) => test.system.truncateStream(`account-${name}`, 4)),
      ]);
      await test.restart();
      for (const name of names)
        assert.equal((await test.system.deciders.state(first, `account-${name}`)).state.balance, 6);
      // A higher version knows nothing of what went, and may not let go what the lower one needs.
      deciders[0] = second;
      await test.restart();
      await assert.rejects(test.system.deciders.state(second, 'account-s9'), HistoryIncomplete);
      const { system } = test;
      for (const account of names.slice(5, 10)) await system.publish(Deposited, { account, amount: 10 });
      const [outcome] = await system.applyRetention({ rules: [{ category: 'account', maxCount: 0 }] });
      assert.equal(outcome?.removed, 0);
      deciders[0] = first;
      await test.restart();
      for (const [index, name] of names.entries()) {
        const { state } = await test.system.deciders.state(first, `account-${name}`);
        assert.equal(state.balance, index >= 5 && index < 10 ? 16 : 6, name);
      }
    },

    async 'states that others decide on across streams are kept too, or keep retention from it'(stage) {
      for (const snapshot of [undefined, { every: 1_000 }]) {
        const account = accounts(snapshot === undefined ? {} : { snapshot });
        const moving = defineDecider({
          name: 'moving',
          across: { of: ofStream(account, ({ account: name }: { account: string }) => `account-${name}`) },
          decide: [
            [
              Grant,
              ({ of }, { data: { most, ...data } }) => (of.balance >= most ? refuse('enough') : fact(Deposited, data)),
            ],
          ],
        });
        const test = await stage.start({ deciders: [moving] });
        for (let n = 0; n < 4; n += 1) accepted(await test.system.execute(Grant, { ...grant, most: 100 }));
        const [outcome] = await test.system.applyRetention({ rules: [{ category: 'account', maxCount: 1 }] });
        assert.equal(outcome?.removed, snapshot === undefined ? 0 : 3);
        await test.restart();
        accepted(await test.system.execute(Grant, { ...grant, most: 5 }));
        refusedFor(await test.system.execute(Grant, { ...grant, most: 5 }));
      }
    },

    async 'a stream whose state cannot be kept is not cut'(stage) {
      let isBroken = false;
      const odd = defineDecider({
        name: 'account',
        initial: () => ({ sum: 0 }),
        evolve: [
          [
            Deposited,
            (state, { data }) => {
              if (isBroken) throw new Error('a fault that can be mended');
              return { sum: state.sum + data.amount };
            },
          ],
        ],
        decide: [[Deposit, (_state, { data }) => fact(Deposited, data)]],
        snapshot: { every: 1_000 },
      });
      const test = await stage.start({ deciders: [odd] });
      for (const n of [1, 2, 3]) accepted(await test.system.execute(Deposit, { account: 'a', amount: n }));
      await test.restart();
      isBroken = true;
      await assert.rejects(test.system.truncateStream('account-a', 3), /a fault that can be mended/);
      const [outcome] = await test.system.applyRetention({ rules: [{ category: 'account', maxCount: 1 }] });
      assert.deepEqual([outcome?.removed, outcome?.protected], [0, 2]);
      isBroken = false;
      await test.restart();
      assert.equal((await test.system.deciders.state(odd, 'account-a')).state.sum, 6);
    },

    async 'a stream that is cut is known by a snapshot that was not there before'(stage) {
      const account = accounts({ snapshot: { every: 1_000 } });
      const test = await stage.start({ deciders: [account] });
      for (const n of [1, 2, 3]) await test.system.execute(Deposit, { account: 'a', amount: n });
      await test.system.truncateStream('account-a', 3);
      await test.restart();
      assert.deepEqual((await test.system.deciders.state(account, 'account-a')).state, { balance: 6, moves: 3 });
    },

    async 'of a decider that keeps no snapshots retention removes nothing, unless that is forced'(stage) {
      const test = await stage.start({ deciders: [accounts()], events: [Measured] });
      for (const n of [1, 2, 3]) await test.system.execute(Deposit, { account: 'a', amount: n });
      for (let n = 0; n < 3; n += 1) await test.system.publish(Measured, { room: '1' });
      const rules = ['account', 'room'].map((category) => ({ category, maxCount: 1 }));
      assert.deepEqual(await test.system.applyRetention({ rules }), [
        { category: 'account', removed: 0, protected: 2 },
        { category: 'room', removed: 2, protected: 0 },
      ]);
      await test.restart();
      accepted(await test.system.execute(Deposit, { account: 'a', amount: 1 }));
      const [forced] = await test.system.applyRetention({ rules, force: true });
      assert.equal(forced?.removed, 3);
    },

    async 'a rule that removes nothing, and a stream that has lost nothing, keep nobody from deciding'(stage) {
      const { system } = await stage.start({ deciders: [accounts(), grants] });
      await system.execute(Deposit, { account: 'a', amount: 1 });
      await system.applyRetention({ rules: [{ category: 'account', maxCount: 10, maxAge: '1d' }] });
      assert.equal(await system.truncateStream('account-a', 1), 0);
      await system.deleteStream('account-none');
      accepted(await system.execute(Grant, grant));
    },

    async 'a decider may say that what is left is enough, or which categories it is about'(stage) {
      for (const [options, isDecided] of [
        [{ history: 'retained' }, true],
        [{ categories: ['account'] }, true],
        [{ categories: ['account', 'room'] }, false],
        [{}, false],
      ] as const) {
        const { system } = await stage.start({
          deciders: [accounts(), granting(options)],
          events: [Measured, Deposited],
        });
        await system.execute(Deposit, { account: 'a', amount: 1 });
        // No event of the category, and so none of its sum.
        await system.publish(Deposited, { account: 'x', amount: 100 }, { stream: 'elsewhere-1' });
        for (let n = 0; n < 3; n += 1) await system.publish(Measured, { room: '1' });
        await system.applyRetention({ rules: [{ category: 'room', maxCount: 1 }], force: true });
        if (!isDecided) await assert.rejects(system.execute(Grant, grant), HistoryShortened);
        else if ('categories' in options) accepted(await system.execute(Grant, grant));
        else refusedFor(await system.execute(Grant, grant));
      }
    },

    async 'what a query says of its history is one of the two, and categories are categories'() {
      for (const options of [{ history: 'all' }, { categories: [] }, { categories: ['a-b'] }, { categories: 'a' }])
        assert.throws(() => granting(options as never), InvalidDefinition);
      await Promise.resolve();
    },
  });
