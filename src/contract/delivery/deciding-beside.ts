import assert from 'node:assert/strict';
import type { ContractSuite } from '../contract-case.ts';
import { accepted, accounts, Deposit, Deposited, Grant, grants, Transfer, transfers } from './deciding-samples.ts';
import { deliveryCases } from './delivery-case.ts';
import type { NewInterceptor } from './delivery-case.ts';

const STREAM = 'account-a';
const of = (amount: number) => ({ account: 'a', amount });
const CALLERS = 40;
/** More than are remembered in memory. */
const FORGOTTEN = 10_050;

/** Counts what is handed to the log. */
function counting(): { readonly interceptor: NewInterceptor; readonly seen: { appends: number; loads: number } } {
  const seen = { appends: 0, loads: 0 };
  const interceptor: NewInterceptor = () => (call) => {
    if (call.method === 'append') seen.appends += 1;
    if (call.method === 'readStream') seen.loads += 1;
    return call.proceed();
  };
  return { interceptor, seen };
}

/** Commands beside what the same process publishes to the stream that they are decided on. */
export const decidingBesideCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    async 'what is published to a stream sends no command back that is decided on it, and the other way round (G4)'(
      stage,
    ) {
      const { interceptor, seen } = counting();
      const account = accounts({ attempts: 1 });
      const { system } = await stage.start({ deciders: [account, transfers(account), grants] }, { interceptor });
      await system.execute(Deposit, of(100));
      seen.appends = 0;
      const calls = Array.from({ length: CALLERS }, (_, n) => [
        system.execute(Deposit, of(1)),
        system.publish(Deposited, of(1)),
        system.execute(Deposit, of(1), { id: `command-${n}` }),
        system.publishAll([
          { event: Deposited, data: of(1) },
          { event: Deposited, data: { account: 'b', amount: 1 } },
          { event: Deposited, data: of(1) },
        ]),
        system.append(STREAM, [{ event: Deposited, data: of(1) }], { expectedVersion: 'exists' }),
      ]).flat();
      await Promise.all(calls);
      assert.equal(seen.appends, calls.length);
      const { state, version } = await system.deciders.state<{ balance: number }>('account', STREAM);
      assert.deepEqual([state.balance, version], [100 + CALLERS * 6, 1 + CALLERS * 6]);
    },

    async 'what is published while a stream is read for its first command is in the state that it is decided on (G4)'(
      stage,
    ) {
      const { interceptor, seen } = counting();
      const { system } = await stage.start({ deciders: [accounts({ attempts: 1 })] }, { interceptor });
      await system.publish(Deposited, of(1));
      seen.appends = 0;
      const published = [1, 2, 3].map((n) => system.publish(Deposited, of(n)));
      const outcome = await system.execute(Deposit, of(10));
      await Promise.all(published);
      assert.deepEqual(accepted(outcome).state, { balance: 17, moves: 5 });
      assert.equal(seen.appends, 4);
    },

    async 'an event that is told again, however often, sends no command back (G2, G4)'(stage) {
      const { interceptor, seen } = counting();
      const { system } = await stage.start({ deciders: [accounts({ attempts: 1 })] }, { interceptor });
      const told = { id: 'told', time: '2024-01-01T00:00:00Z' };
      await system.publish(Deposited, of(5), told);
      await system.execute(Deposit, of(1));
      Object.assign(seen, { appends: 0, loads: 0 });
      const calls = Array.from({ length: CALLERS }, () => [
        system.execute(Deposit, of(1)),
        system.publish(Deposited, of(5), told),
      ]).flat();
      const results = await Promise.all(calls);
      assert.deepEqual([seen.appends, seen.loads], [calls.length, 0]);
      assert.equal(results.filter((result) => 'quarantined' in result && result.duplicate).length, CALLERS);
    },

    async 'a command that is asked for again long after sends no other one back (G2, G4)'(stage) {
      const { interceptor, seen } = counting();
      const account = accounts({ attempts: 1 });
      const { system } = await stage.start({ deciders: [account, transfers(account)] }, { interceptor });
      await system.execute(Deposit, of(5), { id: 'first' });
      await system.execute(Transfer, { from: 'a', to: 'b', amount: 1 }, { id: 'second' });
      for (let n = 0; n < FORGOTTEN; n += 50)
        await Promise.all(
          Array.from({ length: 50 }, (_, each) =>
            system.execute(Deposit, { account: `c${each}`, amount: 1 }, { id: `other-${n + each}` }),
          ),
        );
      Object.assign(seen, { appends: 0, loads: 0 });
      const calls = Array.from({ length: CALLERS }, () => [
        system.execute(Deposit, of(1)),
        system.execute(Deposit, of(5), { id: 'first' }),
        system.execute(Transfer, { from: 'a', to: 'b', amount: 1 }, { id: 'second' }),
      ]).flat();
      const outcomes = await Promise.all(calls);
      assert.equal(seen.appends, CALLERS);
      assert.equal(outcomes.filter(({ duplicate }) => duplicate).length, 2 * CALLERS);
    },

    async 'a repetition that nobody goes on from leaves the state in memory as it is (G2)'(stage) {
      const { interceptor, seen } = counting();
      const test = await stage.start({ deciders: [accounts()] }, { interceptor });
      await test.system.execute(Deposit, of(5), { id: 'first' });
      await test.crash();
      await test.system.execute(Deposit, of(1));
      Object.assign(seen, { appends: 0, loads: 0 });
      assert.equal((await test.system.execute(Deposit, of(5), { id: 'first' })).duplicate, true);
      assert.deepEqual(accepted(await test.system.execute(Deposit, of(1))).state, { balance: 7, moves: 3 });
      assert.equal(seen.loads, 0);
    },

    async 'what a decision across streams records elsewhere sends nobody back who decides there (G4)'(stage) {
      const { interceptor, seen } = counting();
      const { system } = await stage.start({ deciders: [accounts({ attempts: 1 }), grants] }, { interceptor });
      await system.execute(Deposit, of(1));
      seen.appends = 0;
      const calls = [
        system.execute(Deposit, of(1)),
        system.execute(Grant, { ...of(1), most: 1_000 }),
        system.execute(Deposit, of(1)),
      ];
      const outcomes = await Promise.all(calls);
      assert.ok(outcomes.every((outcome) => outcome.accepted));
    },
  });
