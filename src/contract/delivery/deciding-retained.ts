import assert from 'node:assert/strict';
import { z } from 'zod';
import { fact, refuse } from '../../decider/decision.ts';
import { defineDecider } from '../../decider/define-decider.ts';
import { ofQuery } from '../../decider/parts.ts';
import type { QueryOptions } from '../../decider/parts.ts';
import { HistoryShortened, InvalidDefinition } from '../../errors.ts';
import { defineEvent } from '../../event/define-event.ts';
import type { ContractSuite } from '../contract-case.ts';
import { accepted, accounts, Deposit, Deposited, Grant, grants, refusedFor } from './deciding-samples.ts';
import { deliveryCases } from './delivery-case.ts';

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
