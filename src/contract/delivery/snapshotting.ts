import assert from 'node:assert/strict';
import { HistoryIncomplete, SnapshotsNeeded } from '../../errors.ts';
import type { ContractSuite } from '../contract-case.ts';
import { accounts, Deposit, Deposited, Empty, Withdraw } from './deciding-samples.ts';
import { deliveryCases } from './delivery-case.ts';
import type { NewInterceptor } from './delivery-case.ts';

const STREAM = 'account-a';
const of = (amount: number) => ({ account: 'a', amount });

/** Counts the events of streams that are read, and lets a test forbid rows. */
function watching(watch: { read: number; failing: boolean }): NewInterceptor {
  return () => async (call) => {
    if (watch.failing && call.port === 'rows' && call.method === 'put') throw new Error('no room for snapshots');
    const answer = await call.proceed();
    if (call.port === 'log' && call.method === 'readStream') watch.read += (answer as unknown[]).length;
    return answer;
  };
}

/** Snapshots: never part of the truth (ES18). */
export const snapshottingCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    async 'a stream with a snapshot is made of the events after it, and is what it is without'(stage) {
      const watch = { read: 0, failing: false };
      const account = accounts({ snapshot: { every: 10 } });
      const test = await stage.start({ deciders: [account] }, { interceptor: watching(watch) });
      for (let n = 1; n <= 25; n += 1) await test.system.execute(Deposit, of(n));
      await test.system.deciders.settled();
      assert.equal(await test.system.deciders.countSnapshots(account), 1);
      await test.restart();
      watch.read = 0;
      const { state, version } = await test.system.deciders.state(account, STREAM);
      assert.deepEqual([state, version, watch.read], [{ balance: 325, moves: 25 }, 25, 5]);
      await test.system.deciders.dropSnapshots();
      assert.equal(await test.system.deciders.countSnapshots(account), 0);
      await test.restart();
      watch.read = 0;
      assert.deepEqual((await test.system.deciders.state(account, STREAM)).state, state);
      assert.equal(watch.read, 25);
    },

    async 'a snapshot is taken with the first command so long after the last one'(stage) {
      const account = accounts({ snapshot: { after: '1h' } });
      const watch = { read: 0, failing: false };
      const test = await stage.start({ deciders: [account] }, { interceptor: watching(watch) });
      await test.system.execute(Deposit, of(1));
      await test.system.execute(Deposit, of(2));
      await test.clock.advance('2h');
      await test.system.execute(Deposit, of(3));
      await test.system.execute(Deposit, of(4));
      await test.system.deciders.settled();
      await test.restart();
      assert.equal(await test.system.deciders.countSnapshots(account), 1);
      watch.read = 0;
      const again = await test.system.deciders.state(account, STREAM);
      assert.deepEqual([again.state, again.version, watch.read], [{ balance: 10, moves: 4 }, 4, 1]);
    },

    async 'what another version of evolve made does not count'(stage) {
      const first = accounts({ snapshot: { every: 2 } });
      const deciders = [first];
      const test = await stage.start({ deciders });
      for (const n of [1, 2, 3]) await test.system.execute(Deposit, of(n));
      await test.system.deciders.settled();
      const second = accounts({ snapshot: { every: 2 }, version: 2 });
      deciders[0] = second;
      await test.restart();
      assert.deepEqual((await test.system.deciders.state(second, STREAM)).state, { balance: 6, moves: 3 });
      await test.system.execute(Deposit, of(4));
      await test.system.deciders.settled();
      deciders[0] = first;
      await test.restart();
      assert.deepEqual((await test.system.deciders.state(first, STREAM)).state, { balance: 10, moves: 4 });
    },

    async 'where snapshots cannot be written commands go on'(stage) {
      const watch = { read: 0, failing: true };
      const account = accounts({ snapshot: { every: 1 } });
      const test = await stage.start({ deciders: [account] }, { interceptor: watching(watch) });
      for (const n of [1, 2, 3]) await test.system.execute(Deposit, of(n));
      await test.system.deciders.settled();
      assert.equal(await test.system.deciders.countSnapshots(account), 0);
      watch.failing = false;
      await test.system.execute(Withdraw, of(1));
      await test.system.deciders.settled();
      assert.equal(await test.system.deciders.countSnapshots(account), 1);
      assert.deepEqual((await test.system.deciders.state(account, STREAM)).state, { balance: 5, moves: 4 });
    },

    async 'a stream whose beginning was removed is known by its snapshot, as far as that reaches'(stage) {
      const account = accounts({ snapshot: { every: 3 } });
      const test = await stage.start({ deciders: [account] });
      for (const n of [1, 2, 3, 4]) await test.system.execute(Deposit, of(n));
      await test.system.deciders.settled();
      await test.system.truncateStream(STREAM, 4);
      await test.restart();
      assert.deepEqual((await test.system.deciders.state(account, STREAM)).state, { balance: 10, moves: 4 });
      const then = await test.system.deciders.state(account, STREAM, { version: 4 });
      assert.deepEqual([then.state, then.version, then.events], [{ balance: 10, moves: 4 }, 4, 4]);
      await test.system.execute(Empty, { account: 'a' });
      await test.system.deciders.settled();
      assert.equal((await test.system.deciders.state(account, STREAM, { version: 4 })).state.balance, 10);
      await assert.rejects(test.system.deciders.state(account, STREAM, { version: 3 }), HistoryIncomplete);
      await test.system.execute(Deposit, { account: 'whole', amount: 1 });
      await test.system.deciders.settled();
      // What was kept when events went is no snapshot: without these it is only slower.
      await test.system.deciders.dropSnapshots();
      await test.restart();
      await test.system.execute(Deposit, of(1));
      await test.system.deciders.dropSnapshots(account, { force: true });
      await test.restart();
      await assert.rejects(test.system.execute(Deposit, of(1)), HistoryIncomplete);
    },

    async 'a snapshot that alone knows what another program removed is not dropped unless that is forced'(stage) {
      const account = accounts({ snapshot: { every: 3 } });
      const deciders = [account];
      const test = await stage.start({ deciders, events: [Deposited] });
      for (const n of [1, 2, 3, 4]) await test.system.execute(Deposit, of(n));
      await test.system.deciders.settled();
      deciders.length = 0;
      await test.restart();
      await test.system.truncateStream(STREAM, 4);
      deciders.push(account);
      await test.restart();
      for (const drop of [
        () => test.system.deciders.dropSnapshots(account),
        () => test.system.deciders.dropSnapshots(),
      ])
        await assert.rejects(drop, (error) => {
          assert.ok(error instanceof SnapshotsNeeded);
          assert.deepEqual([error.decider, error.streams], ['account', [STREAM]]);
          assert.match(error.message, /account-a/);
          return true;
        });
      assert.equal((await test.system.deciders.state(account, STREAM)).state.balance, 10);
    },

    async 'facts that others append to the stream count beside a snapshot'(stage) {
      const account = accounts({ snapshot: { every: 2 } });
      const test = await stage.start({ deciders: [account] });
      for (const n of [1, 2]) await test.system.execute(Deposit, of(n));
      await test.system.deciders.settled();
      await test.system.publish(Deposited, of(100));
      assert.deepEqual((await test.system.deciders.state(account, STREAM)).state, { balance: 103, moves: 3 });
      await test.restart();
      assert.deepEqual((await test.system.deciders.state(account, STREAM)).state, { balance: 103, moves: 3 });
    },
  });
