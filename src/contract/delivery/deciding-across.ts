import assert from 'node:assert/strict';
import { ConditionFailed, DecisionInvalid } from '../../errors.ts';
import { fact } from '../../decider/decision.ts';
import { defineDecider } from '../../decider/define-decider.ts';
import { ofStream } from '../../decider/parts.ts';
import { START } from '../../event/position.ts';
import type { ContractSuite } from '../contract-case.ts';
import {
  accepted,
  accounts,
  Deposit,
  Deposited,
  Grant,
  grants,
  refusedFor,
  Transfer,
  transfers,
  Withdraw,
  Withdrawn,
} from './deciding-samples.ts';
import type { Account } from './deciding-samples.ts';
import { deliveryCases } from './delivery-case.ts';

const account = accounts();
const program = { deciders: [account, transfers(account), grants] };

/** Commands across streams and queries: dynamic consistency boundaries (G3, G4; ES12, ES22–ES24). */
export const decidingAcrossCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    async 'what is decided across two streams is recorded in both or in none, as of one moment (ES12, G3)'(stage) {
      const { system } = await stage.start(program);
      await system.execute(Deposit, { account: 'a', amount: 5 });
      const moved = accepted(await system.execute(Transfer, { from: 'a', to: 'b', amount: 3 }, { id: 't1' }));
      assert.deepEqual(moved.state, { from: { balance: 2, moves: 2 }, to: { balance: 3, moves: 1 } });
      assert.deepEqual(
        moved.events.map(({ stream, version }) => [stream, version]),
        [
          ['account-a', 2],
          ['account-b', 1],
        ],
      );
      assert.equal(refusedFor(await system.execute(Transfer, { from: 'a', to: 'b', amount: 3 })).reason, 'not-covered');
      const again = await system.execute(Transfer, { from: 'a', to: 'b', amount: 3 }, { id: 't1' });
      assert.deepEqual([again.duplicate, again.events.map(({ id }) => id)], [true, moved.events.map(({ id }) => id)]);
      assert.equal((await system.events.read()).events.length, 3);
    },

    async 'of transfers and withdrawals at once no account has less than nothing and no money is made or lost (G4)'(
      stage,
    ) {
      const { system } = await stage.start(program);
      const names = ['a', 'b', 'c'];
      for (const name of names) await system.execute(Deposit, { account: name, amount: 10 });
      const outcomes = await Promise.all(
        Array.from({ length: 60 }, (_, index) => {
          const from = names[index % 3] ?? '';
          const to = names[(index + 1 + (index % 2)) % 3] ?? '';
          return index % 4 === 0
            ? system.execute(Withdraw, { account: from, amount: 1 })
            : system.execute(Transfer, { from, to, amount: 3 });
        }),
      );
      const withdrawn = outcomes.filter((outcome, index) => outcome.accepted && index % 4 === 0).length;
      let sum = 0;
      for (const name of names) {
        let balance = 0;
        for await (const event of system.events.history(`account-${name}`)) {
          const { amount } = event.data as { amount: number };
          balance += event.type === Deposited.type ? amount : -amount;
          assert.ok(balance >= 0, `account ${name} has ${balance} at version ${event.version}`);
        }
        assert.equal((await system.deciders.state<Account>('account', `account-${name}`)).state.balance, balance);
        sum += balance;
      }
      assert.equal(sum, 30 - withdrawn);
    },

    async 'a command across streams is not overtaken for ever by those on one of them'(stage) {
      const { system } = await stage.start(program);
      await system.execute(Deposit, { account: 'a', amount: 1_000 });
      const over = new AbortController();
      const busy = Array.from({ length: 4 }, async () => {
        while (!over.signal.aborted) await system.execute(Deposit, { account: 'a', amount: 1 });
      });
      for (let n = 0; n < 10; n += 1) accepted(await system.execute(Transfer, { from: 'a', to: 'b', amount: 1 }));
      over.abort();
      await Promise.all(busy);
    },

    async 'a command on one stream has its turn among those across it, and claims of callers are for one stream alone'(
      stage,
    ) {
      const { system } = await stage.start(program);
      await system.execute(Deposit, { account: 'a', amount: 1_000 });
      const over = new AbortController();
      const busy = Array.from({ length: 4 }, async () => {
        while (!over.signal.aborted) await system.execute(Transfer, { from: 'a', to: 'b', amount: 0 });
      });
      for (let n = 0; n < 10; n += 1) accepted(await system.execute(Deposit, { account: 'a', amount: 1 }));
      over.abort();
      await Promise.all(busy);
      await assert.rejects(
        system.execute(Transfer, { from: 'a', to: 'b', amount: 1 }, { expectedVersion: 7 }),
        /expectedVersion: expected no claim/,
      );
    },

    async 'no two commands are accepted that would not be, one after the other, by a query over tags (ES24, G4)'(
      stage,
    ) {
      const { system } = await stage.start(program);
      const outcomes = await Promise.all(
        Array.from({ length: 30 }, (_, index) =>
          system.execute(Grant, { account: `${'xy'.charAt(index % 2)}${index}`, amount: 1, most: 4 }),
        ),
      );
      assert.equal(outcomes.filter((outcome) => outcome.accepted).length, 8);
      const found = await system.events.read({ tags: ['holder:x'] });
      assert.equal(found.events.length, 4);
      await system.execute(Withdraw, { account: 'x0', amount: 1 });
      accepted(await system.execute(Grant, { account: 'x99', amount: 1, most: 4 }));
    },

    async 'a writer of its own may append only if nothing of a query came after what it read (ES22, ES23)'(stage) {
      const { system } = await stage.start(program);
      await system.publish(Deposited, { account: 'a1', amount: 1 });
      const { events, head } = await system.events.readQuery({ tags: ['holder:a'] });
      assert.equal(events.length, 1);
      await system.publish(Withdrawn, { account: 'b1', amount: 1 });
      await system.publishAll([{ event: Deposited, data: { account: 'a2', amount: 1 } }], {
        unless: [{ tags: ['holder:a'], after: head }],
      });
      await assert.rejects(
        system.publishAll([{ event: Deposited, data: { account: 'a3', amount: 1 } }], {
          unless: [
            { tags: ['holder:nobody'], after: START },
            { tags: ['holder:a'], types: [Deposited.type], after: head },
          ],
        }),
        (error) => {
          assert.ok(error instanceof ConditionFailed);
          assert.equal(error.condition, 1);
          return true;
        },
      );
      await assert.rejects(
        system.publishAll([{ event: Deposited, data: { account: 'a4', amount: 1 } }], {
          unless: [{ where: { data: { amount: [{ numeric: ['>', 0] }] } }, after: head }],
        }),
        ConditionFailed,
      );
      // A slip would hold for ever.
      await assert.rejects(
        system.publishAll([{ event: Deposited, data: { account: 'a5', amount: 1 } }], {
          unless: [{ types: [Deposited.type, 'bank.deposit'], after: START }],
        }),
        /unless\[0\]\.types\[1\]: expected a type that is defined here .*"bank\.deposit"/,
      );
      assert.equal((await system.events.read()).events.length, 3);
    },

    async 'a fact for a stream that was not decided on is refused, and nothing is recorded'(stage) {
      const straying = defineDecider({
        name: 'straying',
        across: { from: ofStream(account, ({ from }: { from: string }) => `account-${from}`) },
        decide: [[Transfer, (_state, { data }) => fact(Deposited, { account: data.to, amount: data.amount })]],
      });
      const { system } = await stage.start({ deciders: [account, straying] });
      await assert.rejects(system.execute(Transfer, { from: 'a', to: 'b', amount: 1 }), (error) => {
        assert.ok(error instanceof DecisionInvalid);
        assert.match(error.message, /stream account-b, which it was not decided on; expected account-a/);
        return true;
      });
      accepted(await system.execute(Transfer, { from: 'b', to: 'b', amount: 1 }));
      assert.equal((await system.events.read()).events.length, 1);
    },
  });
