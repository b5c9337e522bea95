import assert from 'node:assert/strict';
import { refuse } from '../../decider/decision.ts';
import { defineDecider } from '../../decider/define-decider.ts';
import { InvalidInput, LimitExceeded, NotFound, SystemFull } from '../../errors.ts';
import type { ContractSuite } from '../contract-case.ts';
import { accounts, Deposit, Deposited, Look, Transfer, transfers } from './deciding-samples.ts';
import { deliveryCases } from './delivery-case.ts';
import type { NewInterceptor } from './delivery-case.ts';

const of = (amount: number) => ({ account: 'a', amount });

/** Refuses, and says as much of it as it is asked to. */
const talkative = defineDecider({
  name: 'account',
  initial: () => 0,
  evolve: [],
  decide: [
    [Look, (_state, { data: { account } }) => refuse('no', 'x'.repeat(Number(account)))],
    [Deposit, (_state, { data: { amount } }) => refuse('no', '', { details: { said: 'ü'.repeat(amount) } })],
  ],
});

/** What commands may take, and what may be asked for. */
export const decidingLimitsCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    async 'commands that wait for their turn are bounded: one more is refused, and told when to come again (G10)'(
      stage,
    ) {
      const { promise, resolve: letGo } = Promise.withResolvers<void>();
      let isHeld = false;
      const interceptor: NewInterceptor = () => async (call) => {
        if (isHeld && call.method === 'append') await promise;
        return call.proceed();
      };
      const account = accounts();
      const { system } = await stage.start(
        { deciders: [account, transfers(account)], limits: { waitingCommands: 3 } },
        { interceptor },
      );
      await system.execute(Deposit, of(100));
      isHeld = true;
      const transfer = { from: 'a', to: 'b', amount: 1 };
      const first = system.execute(Transfer, transfer);
      const waiting = [1, 2, 3].map(() => system.execute(Transfer, transfer));
      await assert.rejects(system.execute(Deposit, of(1)), (error) => {
        assert.ok(error instanceof SystemFull);
        assert.ok(error.retryAfterMs > 0);
        return true;
      });
      letGo();
      assert.ok((await Promise.all([first, ...waiting])).every((outcome) => outcome.accepted));
      assert.ok((await system.execute(Deposit, of(1))).accepted);
    },

    async 'what a refusal says is bounded as the data of an event is (G10)'(stage) {
      const { system } = await stage.start({ deciders: [talkative], limits: { eventBytes: 200 } });
      assert.equal((await system.execute(Look, { account: '100' })).accepted, false);
      for (const execute of [
        () => system.execute(Look, { account: '300' }, { id: 'long' }),
        () => system.execute(Deposit, of(120), { id: 'long' }),
      ])
        await assert.rejects(execute, (error) => {
          assert.ok(error instanceof LimitExceeded);
          assert.match(error.message, /refusal of contract\.\w+ in bytes: at most 200, found \d+/);
          return true;
        });
    },

    async 'a version that a stream has not reached has no state, and both are named (G9)'(stage) {
      const { system } = await stage.start({ deciders: [accounts()] });
      await system.execute(Deposit, of(1));
      await assert.rejects(system.deciders.state('account', 'account-a', { version: 2 }), (error) => {
        assert.ok(error instanceof NotFound);
        assert.match(error.message, /version 2 of stream "account-a" does not exist; there are: versions 0 to 1/);
        return true;
      });
      assert.equal((await system.deciders.state('account', 'account-a', { version: 0 })).version, 0);
    },

    async 'instants go by whole milliseconds: what happens in the same one is included (G9)'(stage) {
      const { system } = await stage.start({ deciders: [accounts()] });
      await system.publish(Deposited, of(1), { time: '2024-01-01T00:00:00.0015Z' });
      await system.publish(Deposited, of(2), { time: '2024-01-01T00:00:00.0019Z' });
      await system.publish(Deposited, of(4), { time: '2024-01-01T00:00:00.002Z' });
      const balanceAt = async (at: string) =>
        (await system.deciders.state<{ balance: number }>('account', 'account-a', { at })).state.balance;
      assert.deepEqual(
        await Promise.all(
          ['00.000Z', '00.0009Z', '00.001Z', '00.0012Z', '00.0019Z', '00.002Z'].map((end) =>
            balanceAt(`2024-01-01T00:00:${end}`),
          ),
        ),
        [0, 0, 3, 3, 3, 7],
      );
    },

    async 'a member of a query that nobody knows is refused by name, and does not ask for everything'(stage) {
      const { system } = await stage.start({ deciders: [accounts()] });
      await system.execute(Deposit, of(1));
      for (const query of [{ tag: ['holder:a'] }, { type: [Deposited.type] }, undefined])
        await assert.rejects(system.events.readQuery(query as never), (error) => {
          assert.ok(error instanceof InvalidInput);
          assert.match(error.message, /^query(\.tag|\.type)?: expected an object of types, tags, where, found/);
          return true;
        });
    },
  });
