import assert from 'node:assert/strict';
import type { AppendRequest } from '../../channel/event-log.ts';
import { SYSTEM_EVENTS } from '../../event/system-events.ts';
import { TerminalError } from '../../errors.ts';
import { silentLogger } from '../../system/logger.ts';
import { defineProjection } from '../../projection/define-projection.ts';
import type { ContractSuite } from '../contract-case.ts';
import { Deposited } from './deciding-samples.ts';
import { deliveryCases } from './delivery-case.ts';
import type { NewInterceptor } from './delivery-case.ts';

const sums = defineProjection({
  name: 'sums',
  key: (event) => event.data.account,
  initial: () => 0,
  on: [[Deposited, (row, { data }) => row + data.amount]],
});

/** What is said of a build at any time. */
export const rebuildStatusCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    async 'a time that is still to come is no place to begin from: nothing would be left'(stage) {
      const { system, clock } = await stage.start({ projections: [sums], events: [Deposited] });
      await system.publish(Deposited, { account: 'a', amount: 1 });
      await system.settled();
      const from = { time: new Date(clock.now() + 1_000).toISOString() };
      const refused = { code: 'invalid-input', path: 'from.time' };
      await assert.rejects(system.views.rebuild('sums', { from }), refused);
      await assert.rejects(system.views.rebuild('sums', { from, dryRun: true }), refused);
      await assert.rejects(system.consumers.replay('sums', from), refused);
      assert.equal(await system.views.get(sums, 'a'), 1);
    },

    async 'who builds a view of what retention has left is told that rows will lose what was removed'(stage) {
      const warned: unknown[] = [];
      const logger = {
        ...silentLogger,
        warn: (fields: unknown, said: string) => said.includes('were removed') && warned.push(fields),
      };
      const { system } = await stage.start({ projections: [sums], events: [Deposited] }, { logger });
      for (const n of [1, 2]) await system.publish(Deposited, { account: 'a', amount: n });
      await system.settled();
      const rebuilt = async (dryRun: boolean) => (await system.views.rebuild('sums', { dryRun })).ended();
      await rebuilt(false);
      assert.deepEqual(warned, []);
      await system.applyRetention({ rules: [{ category: 'account', maxCount: 1 }] });
      await rebuilt(true);
      assert.deepEqual(warned, []);
      await rebuilt(false);
      assert.deepEqual(warned, [{ consumer: 'sums', categories: ['account'] }]);
    },

    async 'a version whose build was cancelled is built when somebody asks for it, whatever was only compared since'(
      stage,
    ) {
      const projections = [sums];
      let isBroken = true;
      const test = await stage.start({ projections, events: [Deposited] });
      await test.system.publish(Deposited, { account: 'a', amount: 1 });
      await test.system.settled();
      projections[0] = defineProjection({
        name: 'sums',
        version: 2,
        key: (event) => event.data.account,
        initial: () => 0,
        on: [
          [
            Deposited,
            (row, { data }) => {
              if (isBroken) throw new TerminalError('not yet');
              return row + 10 * data.amount;
            },
          ],
        ],
        onBuildFailure: 'fail',
      });
      await test.restart();
      await test.settled();
      assert.equal((await test.system.consumers.status('sums')).state, 'build-failed');
      await test.system.views.cancelRebuild('sums');
      isBroken = false;
      for (let turn = 0; turn < 2; turn += 1) {
        assert.equal((await test.system.consumers.status('sums')).state, 'build-cancelled');
        await (await test.system.views.rebuild('sums', { dryRun: true })).ended();
        await test.restart();
        await test.settled();
      }
      assert.equal(await test.system.views.get('sums', 'a'), 1);
      await (await test.system.views.rebuild('sums')).ended();
      assert.equal(await test.system.views.get('sums', 'a'), 10);
    },

    async 'from the switch on it is said that the build took its place, and not how one before it ended'(stage) {
      const reporting = Promise.withResolvers<void>();
      const goOn = Promise.withResolvers<void>();
      const interceptor: NewInterceptor = () => async (call) => {
        const [request] = call.input as readonly [Partial<AppendRequest>?];
        if (call.port === 'log' && request?.events?.some(({ type }) => type === SYSTEM_EVENTS.buildSwitched) === true) {
          reporting.resolve();
          await goOn.promise;
        }
        return call.proceed();
      };
      const { system } = await stage.start({ projections: [sums], events: [Deposited] }, { interceptor });
      await system.publish(Deposited, { account: 'a', amount: 1 });
      await (await system.views.rebuild('sums', { dryRun: true })).ended();
      const compared = await system.views.rebuildStatus('sums');
      assert.equal(compared?.state, 'compared');
      const rebuild = await system.views.rebuild('sums');
      const begun = await rebuild.status();
      await reporting.promise;
      const status = await system.views.rebuildStatus('sums');
      assert.deepEqual([status?.id, status?.state, status?.dryRun], [begun?.id, 'switched', false]);
      goOn.resolve();
      assert.equal((await rebuild.ended()).id, begun?.id);
    },
  });
