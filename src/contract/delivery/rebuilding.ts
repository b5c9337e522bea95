import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { buildNameOf } from '../../consumer/build.ts';
import type { EventOf } from '../../event/define-event.ts';
import { position } from '../../event/position.ts';
import { defineProjection } from '../../projection/define-projection.ts';
import type { ProjectionDefinition } from '../../projection/define-projection.ts';
import type { Interceptor, TestSystem } from '../../testing/index.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import type { DeliveryStage } from './delivery-case.ts';
import { count, Counted, newGate, only, sums, upTo } from './samples.ts';

const BUILD = buildNameOf('sums');
const ITEMS = ['a', 'b', 'c'];

/** The sums in another way: what the rows of version 2 are. */
const doubled = (
  options: {
    readonly version?: number;
    readonly onBuildFailure?: 'park' | 'fail';
    readonly evolve?: (row: number, event: EventOf<typeof Counted>) => number;
  } = {},
) =>
  defineProjection({
    name: 'sums',
    version: 2,
    key: (event) => event.data.item,
    initial: () => 0,
    on: [[Counted, options.evolve ?? ((row, event) => row + 2 * event.data.n)]],
    indexes: { sum: (row) => row },
    retry: { attempts: 1 },
    ...(options.version === undefined ? {} : { version: options.version }),
    ...(options.onBuildFailure === undefined ? {} : { onBuildFailure: options.onBuildFailure }),
  });

/** A program whose projections can be others after a restart. */
interface Changing {
  readonly test: TestSystem<typeof Counted>;
  readonly define: (projection: ProjectionDefinition) => void;
}

async function startChanging(stage: DeliveryStage, newInterceptor?: () => Interceptor): Promise<Changing> {
  const projections: ProjectionDefinition[] = [sums];
  const options = newInterceptor === undefined ? {} : { interceptor: newInterceptor };
  const test = await stage.start({ events: [Counted], projections }, options);
  return { test, define: (projection) => projections.splice(0, 1, projection) };
}

/** Keeps what is built from being written until it is let. */
function heldBuilds(): { readonly newInterceptor: () => Interceptor; hold(): void; open(): void } {
  let gate: ReturnType<typeof newGate> | undefined;
  return {
    newInterceptor: () => async (call) => {
      const [unit] = call.input as readonly { readonly consumer?: string }[];
      if (call.port === 'unitOfWork' && unit?.consumer === BUILD) await gate?.opened;
      return call.proceed();
    },
    hold: () => (gate = newGate()),
    open() {
      gate?.open();
      gate = undefined;
    },
  };
}

const rowsOf = (test: TestSystem<typeof Counted>) => Promise.all(ITEMS.map((item) => test.row(sums, item)));

/** A view is built anew beside its rows, which serve until the new ones take their place in one step (G6). */
export const rebuildingCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    async 'a view that is rebuilt has the same rows, and says how that went'(stage) {
      const { test } = await startChanging(stage);
      await count(test, ITEMS, 50);
      await test.settled();
      const before = await rowsOf(test);
      const rebuild = await test.views.rebuild('sums');
      await test.settled();
      const ended = await rebuild.ended();
      assert.deepEqual(
        { ...ended, id: '', total: 0, events: 0 },
        {
          id: '',
          view: 'sums',
          version: 1,
          state: 'switched',
          dryRun: false,
          from: 0,
          events: 0,
          total: 0,
          percent: 100,
          secondsLeft: undefined,
          parked: 0,
          failure: undefined,
          switched: true,
          comparison: undefined,
        },
      );
      assert.ok(ended.total >= 150 && ended.events === ended.total, `${ended.events} of ${ended.total} events`);
      assert.deepEqual(await test.views.rebuildStatus('sums'), ended);
      assert.deepEqual(await rowsOf(test), before);
      await count(test, ITEMS, 1, 51);
      await test.settled();
      assert.deepEqual(
        await rowsOf(test),
        before.map((row) => (row ?? 0) + 51),
      );
      assert.deepEqual(
        test.reported().map(({ type }) => type),
        ['thereupon.build.begun', 'thereupon.build.switched'],
      );
    },

    async 'the rows of the version before serve, whole, until those of the new one are there, and nobody sees both'(
      stage,
    ) {
      const builds = heldBuilds();
      const { test, define } = await startChanging(stage, builds.newInterceptor);
      await count(test, ITEMS, 50);
      await test.settled();
      const before = await rowsOf(test);
      define(doubled());
      builds.hold();
      await test.restart();
      await count(test, ITEMS, 10, 51);
      assert.deepEqual(await rowsOf(test), before);
      const status = await test.consumers.status('sums');
      assert.deepEqual([status.state, status.build?.state, status.build?.version], ['building', 'building', 2]);
      assert.deepEqual((await test.consumers.list()).map(({ name }) => name).includes(BUILD), false);
      builds.open();
      await test.settled();
      const sum = upTo(60).reduce((total, n) => total + 2 * n, 0);
      assert.deepEqual(await rowsOf(test), [sum, sum, sum]);
      const page = await test.views.query('sums', { where: [{ index: 'sum', op: '=', value: sum }] });
      assert.equal(page.items.length, 3);
      const after = await test.consumers.status('sums');
      assert.deepEqual([after.state, after.build, after.lag.events], ['running', undefined, 0]);
    },

    async 'while it is rebuilt a view follows the log, and at the switch it does not go back'(stage) {
      const builds = heldBuilds();
      const { test } = await startChanging(stage, builds.newInterceptor);
      await count(test, ITEMS, 50);
      await test.settled();
      builds.hold();
      await test.views.rebuild('sums');
      await count(test, ITEMS, 10, 51);
      await test.advance('1s');
      const sum = upTo(60).reduce((total, n) => total + n, 0);
      assert.deepEqual(await rowsOf(test), [sum, sum, sum]);
      const seen: (number | undefined)[] = [];
      builds.open();
      for (let looks = 0; (await test.views.rebuildStatus('sums'))?.switched !== true; looks += 1) {
        assert.ok(looks < 10_000, 'it was to come to its end');
        seen.push(await test.row(sums, 'a'));
        await nextTurn();
      }
      await test.settled();
      assert.deepEqual(new Set(seen), new Set([sum]));
      assert.deepEqual(await rowsOf(test), [sum, sum, sum]);
    },

    async 'a build goes on where it was after a crash, and its rows equal a fold (G6)'(stage) {
      const items = upTo(1_500).map((n) => `item${n}`);
      const seen: string[] = [];
      const evolve = (row: number, event: EventOf<typeof Counted>) => {
        seen.push(event.data.item);
        return row + 2 * event.data.n;
      };
      let commits = Number.POSITIVE_INFINITY;
      const written = newGate();
      const newInterceptor = (): Interceptor => async (call) => {
        const [unit] = call.input as readonly { readonly consumer?: string }[];
        if (call.port !== 'unitOfWork' || unit?.consumer !== BUILD) return call.proceed();
        if (commits === 0) {
          // It dies while this one is under way.
          written.open();
          await new Promise(() => {});
        }
        commits -= 1;
        return call.proceed();
      };
      const { test, define } = await startChanging(stage, newInterceptor);
      await count(test, items, 2);
      await test.settled();
      define(doubled({ evolve }));
      commits = 1;
      await test.restart();
      await written.opened;
      seen.length = 0;
      commits = Number.POSITIVE_INFINITY;
      await test.crash();
      await test.settled();
      assert.ok(seen.length > 0 && seen.length < 2 * items.length, `${seen.length} events were handled again`);
      for (const item of items) assert.equal(await test.row(sums, item), 6, item);
      assert.equal((await test.views.rebuildStatus('sums'))?.state, 'switched');
      assert.equal(test.reported('thereupon.build.begun').length, 1);
    },

    async 'killed before the switch was written it has the old rows, and killed after it the new ones (G6)'(stage) {
      for (const moment of ['before', 'after'] as const) {
        let armed = true;
        const reached = newGate();
        const newInterceptor = (): Interceptor => async (call) => {
          if (call.method !== 'replace' || !armed) return call.proceed();
          const answer = moment === 'after' ? await call.proceed() : undefined;
          reached.open();
          // It dies here.
          await new Promise(() => {});
          return answer;
        };
        const { test, define } = await startChanging(stage, newInterceptor);
        await count(test, ITEMS, 50);
        await test.settled();
        const before = await rowsOf(test);
        define(doubled());
        const restarted = test.restart();
        await reached.opened;
        await restarted;
        const sum = 2 * 1_275;
        assert.deepEqual(await rowsOf(test), moment === 'after' ? [sum, sum, sum] : before, moment);
        armed = false;
        await test.crash();
        await test.settled();
        assert.deepEqual(await rowsOf(test), [sum, sum, sum], moment);
        assert.equal((await test.views.rebuildStatus('sums'))?.switched, true, moment);
        assert.equal(test.reported('thereupon.build.switched').length, 1, moment);
        await count(test, ITEMS, 1, 51);
        await test.settled();
        assert.deepEqual(await rowsOf(test), [sum + 102, sum + 102, sum + 102], moment);
      }
    },

    async 'an event that cannot be handled parks its key in the build, and is a dead letter of the view after the switch (G7)'(
      stage,
    ) {
      let isMended = false;
      const evolve = (row: number, event: EventOf<typeof Counted>) => {
        if (event.data.item === 'b' && event.data.n === 3 && !isMended) throw new TypeError('b3 is bad');
        return row + 2 * event.data.n;
      };
      const { test, define } = await startChanging(stage);
      await count(test, ITEMS, 10);
      await test.settled();
      define(doubled({ evolve }));
      await test.restart();
      await test.settled();
      const letter = only(await test.parked());
      assert.deepEqual([letter.consumer, letter.key, letter.waitingBehind], ['sums', 'b', 7]);
      assert.deepEqual(await rowsOf(test), [110, 6, 110]);
      const ended = await test.views.rebuildStatus('sums');
      assert.deepEqual([ended?.state, ended?.parked], ['switched', 1]);
      isMended = true;
      await test.deadLetters.retry(letter.id);
      await test.settled();
      assert.deepEqual(await rowsOf(test), [110, 110, 110]);
    },

    async 'what is to be tried again in a build at the switch is tried again in the view (G7)'(stage) {
      let failures = 2;
      const retrying = defineProjection({
        name: 'sums',
        version: 2,
        key: (event) => event.data.item,
        initial: () => 0,
        on: [
          [
            Counted,
            (row, { data }) => {
              if (data.item === 'b' && data.n === 3 && failures-- > 0) throw new TypeError('not yet');
              return row + data.n;
            },
          ],
        ],
        retry: { attempts: 5, minDelay: '1m', maxDelay: '1m' },
      });
      const { test, define } = await startChanging(stage);
      await count(test, ITEMS, 5);
      await test.settled();
      define(retrying);
      await test.restart();
      await test.settled();
      assert.equal((await test.views.rebuildStatus('sums'))?.state, 'switched');
      assert.deepEqual(await rowsOf(test), [15, 3, 15]);
      const { retrying: tried, waiting } = await test.consumers.status('sums');
      assert.deepEqual([tried, waiting], [1, 2]);
      await test.settled({ advance: '10m' });
      assert.deepEqual(await rowsOf(test), [15, 15, 15]);
      assert.deepEqual(await test.parked(), []);
    },

    async 'a build that is to be whole fails at an event that cannot be handled, names it, leaves the view as it is, and goes on when that is mended (G11)'(
      stage,
    ) {
      let isMended = false;
      const evolve = (row: number, event: EventOf<typeof Counted>) => {
        if (event.data.item === 'b' && event.data.n === 3 && !isMended) throw new TypeError('b3 is bad');
        return row + 2 * event.data.n;
      };
      const { test, define } = await startChanging(stage);
      await count(test, ITEMS, 10);
      await test.settled();
      const before = await rowsOf(test);
      define(doubled({ evolve, onBuildFailure: 'fail' }));
      await test.restart();
      await test.settled();
      const failed = await test.views.rebuildStatus('sums');
      assert.equal(failed?.state, 'failed');
      const { failure } = failed;
      const events = test.recorded(Counted);
      const bad = events.find(({ data }) => data.item === 'b' && data.n === 3);
      assert.deepEqual(failure, {
        position: bad?.position,
        source: bad?.source,
        id: bad?.id,
        type: Counted.type,
        key: 'b',
        error: 'TypeError: b3 is bad',
      });
      assert.deepEqual(await rowsOf(test), before);
      assert.equal(test.reported('thereupon.build.failed').length, 1);
      await test.restart();
      await test.settled();
      assert.equal((await test.views.rebuildStatus('sums'))?.state, 'failed', 'also after a restart');
      isMended = true;
      const rebuild = await test.views.rebuild('sums');
      await test.settled({ advance: '1m' });
      assert.equal((await rebuild.ended()).state, 'switched');
      assert.deepEqual(await rowsOf(test), [110, 110, 110]);
      assert.deepEqual(await test.parked(), []);
    },

    async 'a build that failed can be cancelled, and nothing of it is left'(stage) {
      const { test, define } = await startChanging(stage);
      await count(test, ITEMS, 10);
      await test.settled();
      const before = await rowsOf(test);
      const evolve = () => {
        throw new TypeError('bad');
      };
      define(doubled({ evolve }));
      await test.restart();
      await test.settled();
      assert.equal((await test.views.rebuildStatus('sums'))?.parked, 3, 'where keys are parked it comes to its end');
      define(doubled({ evolve, version: 3, onBuildFailure: 'fail' }));
      await test.restart();
      await test.settled();
      assert.equal((await test.views.rebuildStatus('sums'))?.state, 'failed');
      const cancelled = await test.views.cancelRebuild('sums');
      assert.deepEqual([cancelled.state, cancelled.switched], ['cancelled', false]);
      assert.deepEqual(await test.views.rebuildStatus('sums'), cancelled);
      await assert.rejects(test.views.cancelRebuild('sums'), { code: 'wrong-state' });
      await assert.rejects(test.consumers.status(BUILD), { code: 'not-found' });
      assert.equal((await test.parked()).length, 3);
      assert.notDeepEqual(await rowsOf(test), before);
    },

    async 'a build that is cancelled in the middle leaves the view as it is, and can be begun again'(stage) {
      const builds = heldBuilds();
      const { test } = await startChanging(stage, builds.newInterceptor);
      await count(test, ITEMS, 50);
      await test.settled();
      const before = await rowsOf(test);
      builds.hold();
      const stopping = new AbortController();
      const rebuild = await test.views.rebuild('sums', { signal: stopping.signal });
      await assert.rejects(test.views.rebuild('sums'), { code: 'wrong-state' });
      stopping.abort();
      builds.open();
      assert.equal((await rebuild.ended()).state, 'cancelled');
      await count(test, ITEMS, 1, 51);
      await test.settled();
      assert.deepEqual(
        await rowsOf(test),
        before.map((row) => (row ?? 0) + 51),
      );
      const again = await test.views.rebuild('sums');
      await test.settled();
      assert.equal((await again.ended()).state, 'switched');
    },

    async 'a build from a place on has rows of what comes after it alone'(stage) {
      const { test } = await startChanging(stage);
      await count(test, ['a'], 5);
      await count(test, ['b'], 5);
      await test.settled();
      const rebuild = await test.views.rebuild(sums, { from: { position: position(5) } });
      await test.settled();
      assert.equal((await rebuild.ended()).from, 5);
      assert.deepEqual(await rowsOf(test), [undefined, 15, undefined]);
      await count(test, ['a'], 1, 6);
      await test.settled();
      assert.deepEqual(await rowsOf(test), [6, 15, undefined]);
    },

    async 'a dry run says which rows would be otherwise, of one and the same place, and changes nothing'(stage) {
      const { test, define } = await startChanging(stage);
      await count(test, ITEMS, 5);
      await test.settled();
      const before = await rowsOf(test);
      let shift = 0;
      const shifting = defineProjection({
        name: 'sums',
        key: ({ data }) => (data.item === 'c' && shift > 0 ? 'd' : data.item),
        initial: () => 0,
        on: [[Counted, (row, { data }) => row + data.n + (data.item === 'b' ? shift : 0)]],
      });
      define(shifting);
      await test.restart();
      const same = await test.views.rebuild('sums', { dryRun: true });
      await test.settled();
      const none = { added: 0, removed: 0, changed: 0, sample: [] };
      assert.deepEqual((await same.ended()).comparison, {
        rows: { serving: 3, built: 3 },
        differences: none,
        reason: undefined,
      });
      shift = 1;
      const other = await test.views.rebuild('sums', { dryRun: true });
      await test.settled();
      const ended = await other.ended();
      assert.deepEqual([ended.state, ended.dryRun, ended.switched], ['compared', true, false]);
      assert.deepEqual(ended.comparison?.differences, {
        added: 1,
        removed: 1,
        changed: 1,
        sample: [
          { key: 'b', change: 'changed' },
          { key: 'c', change: 'removed' },
          { key: 'd', change: 'added' },
        ],
      });
      assert.deepEqual(await test.views.rebuildStatus('sums'), ended);
      assert.deepEqual(await rowsOf(test), before);
      await assert.rejects(test.consumers.status(BUILD), { code: 'not-found' });
      shift = 0;
      await count(test, ITEMS, 1, 6);
      await test.settled();
      assert.deepEqual(await rowsOf(test), [21, 21, 21]);
    },

    async 'a dry run up to a place has the rows of that place, which are not compared with those of another'(stage) {
      const { test } = await startChanging(stage);
      await count(test, ['a'], 5);
      await count(test, ['b'], 5);
      await test.settled();
      const rebuild = await test.views.rebuild('sums', { dryRun: true, to: { position: position(5) } });
      await test.settled();
      const { comparison, total } = await rebuild.ended();
      assert.deepEqual([total, comparison?.rows, comparison?.differences], [5, { serving: 2, built: 1 }, undefined]);
      assert.match(comparison?.reason ?? '', /the build ends at 5/);
    },

    async 'a paused view is compared where it stands, and is still paused after a rebuild'(stage) {
      const { test } = await startChanging(stage);
      await count(test, ITEMS, 5);
      await test.settled();
      await test.consumers.pause('sums', 'for a while');
      await count(test, ITEMS, 5, 6);
      const dry = await test.views.rebuild('sums', { dryRun: true });
      await test.settled();
      assert.deepEqual((await dry.ended()).comparison?.differences?.changed, 0);
      const rebuild = await test.views.rebuild('sums');
      await test.settled();
      assert.equal((await rebuild.ended()).state, 'switched');
      assert.deepEqual(await rowsOf(test), [55, 55, 55]);
      assert.equal((await test.consumers.status('sums')).state, 'paused');
      await count(test, ITEMS, 1, 11);
      await test.settled();
      assert.deepEqual(await rowsOf(test), [55, 55, 55]);
      await test.consumers.resume('sums');
      await test.settled();
      assert.deepEqual(await rowsOf(test), [66, 66, 66]);
    },

    async 'what cannot be built is refused, with what was expected and what was found'(stage) {
      const { test, define } = await startChanging(stage);
      await count(test, ['a'], 5);
      await test.settled();
      const { views } = test;
      await assert.rejects(views.rebuild('none'), { code: 'not-found' });
      await assert.rejects(views.rebuildStatus('none'), { code: 'not-found' });
      assert.equal(await views.rebuildStatus('sums'), undefined);
      await assert.rejects(views.cancelRebuild('sums'), /view sums is not being built/);
      await assert.rejects(views.rebuild('sums', { to: { position: position(3) } }), /to: expected dryRun with it/);
      await assert.rejects(
        views.rebuild('sums', { from: { position: position(99) } }),
        /from\.position: expected a position up to the head, \d+, found 99/,
      );
      await assert.rejects(
        views.rebuild('sums', { dryRun: true, from: { position: position(4) }, to: { position: position(3) } }),
        /to: expected a place from position 4, where it begins, found 3/,
      );
      await assert.rejects(views.rebuild('sums', { from: 'start' as never }), { code: 'invalid-input' });
      await assert.rejects(views.rebuild('sums', { dryRun: true, to: 'beginning' as never }), {
        code: 'invalid-input',
      });
      await assert.rejects(
        views.rebuild('sums', { onFailure: 'skip' as never }),
        /onFailure: expected 'park' or 'fail'/,
      );
      assert.throws(() => doubled({ version: 0 }), /version must be a whole number from 1, found 0/);
      define(doubled());
      await test.restart();
      await test.settled();
      define(sums);
      await assert.rejects(test.restart(), /the store has version 2 of it, and this program defines version 1/);
      define(doubled());
      await test.restart();
    },

    async 'a definition that changed while it was being built is built from the start'(stage) {
      const builds = heldBuilds();
      const { test, define } = await startChanging(stage, builds.newInterceptor);
      await count(test, ITEMS, 50);
      await test.settled();
      define(doubled());
      builds.hold();
      await test.restart();
      define(doubled({ version: 3, evolve: (row, { data }) => row + 3 * data.n }));
      await test.crash();
      builds.open();
      await test.settled();
      assert.deepEqual(await rowsOf(test), [3 * 1_275, 3 * 1_275, 3 * 1_275]);
      assert.equal((await test.views.rebuildStatus('sums'))?.version, 3);
    },
  });
