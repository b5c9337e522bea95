import assert from 'node:assert/strict';
import type { AppendRequest } from '../../channel/event-log.ts';
import { SYSTEM_EVENTS } from '../../event/system-events.ts';
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
