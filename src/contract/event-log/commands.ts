import assert from 'node:assert/strict';
import type { CommandEntry } from '../../channel/append-conditions.ts';
import type { AppendRequest } from '../../channel/event-log.ts';
import type { EncodedEvent } from '../../event/event.ts';
import { START } from '../../event/position.ts';
import type { Store } from '../../store.ts';
import { sampleConsumer, sampleUnit } from '../consumer-samples.ts';
import type { ContractSuite } from '../contract-case.ts';
import { accepted, casesOn, casesOverReopen, idsOf, refused, sampleEvent, sampleEvents } from '../samples.ts';

function entry(id: string, overrides: Partial<CommandEntry> = {}): CommandEntry {
  return { id, name: 'contract.do', digest: 'd1', outcome: undefined, ...overrides };
}

function execute(
  store: Store,
  command: CommandEntry,
  events: readonly EncodedEvent[],
  others: Partial<AppendRequest> = {},
) {
  return store.log.append({ events, command, onDuplicate: 'verify', ...others });
}

/** What commands came to is remembered with their events, for ever (G2, G3, G6). */
export const commandCases: ContractSuite = (bench) => [
  ...casesOn(bench, {
    'remembers a command with the place and number of its events (G2)': async (store) => {
      assert.equal(await store.log.findCommand('c1'), undefined);
      accepted(await execute(store, entry('c0'), sampleEvents('z', 2)));
      const places = accepted(await execute(store, entry('c1', { outcome: { why: ['ü'] } }), sampleEvents('e', 3)));
      assert.deepEqual(await store.log.findCommand('c1'), {
        ...entry('c1', { outcome: { why: ['ü'] } }),
        recordedMs: bench.clock.now(),
        position: places[0]?.position,
        events: 3,
      });
    },

    'remembers a command without events, and whose events were all known (G2)': async (store) => {
      assert.deepEqual(accepted(await execute(store, entry('c1', { outcome: 'refused' }), [])), []);
      const found = await store.log.findCommand('c1');
      assert.deepEqual([found?.position, found?.events, found?.outcome], [START, 0, 'refused']);
      accepted(await execute(store, entry('c2'), [sampleEvent('e1')]));
      assert.equal(accepted(await execute(store, entry('c3'), [sampleEvent('e1')]))[0]?.duplicate, true);
      assert.equal((await store.log.findCommand('c3'))?.events, 0);
      assert.equal((await store.log.read({ limit: 10 })).length, 1);
    },

    'was at no time before what is recorded already, also without events, when the clock is set back (G5)': async (
      store,
      { clock },
    ) => {
      const startMs = clock.now();
      accepted(await execute(store, entry('c1'), [sampleEvent('e1')]));
      clock.advance(-5_000);
      accepted(await execute(store, entry('c2'), []));
      accepted(await execute(store, entry('c3'), [sampleEvent('e2')]));
      const found = await Promise.all(['c1', 'c2', 'c3'].map((id) => store.log.findCommand(id)));
      assert.deepEqual(
        found.map((command) => command?.recordedMs),
        [startMs, startMs, startMs],
      );
    },

    'refuses a known command before everything else, tells the first outcome, and writes nothing (G2, G3)': async (
      store,
    ) => {
      accepted(await execute(store, entry('c1', { digest: 'first' }), [sampleEvent('e1')]));
      const first = await store.log.findCommand('c1');
      const known = { ok: false, reason: 'command-known', command: first };
      const again = entry('c1', { digest: 'second', name: 'other' });
      assert.deepEqual(await execute(store, again, [sampleEvent('e2')]), known);
      assert.deepEqual(await execute(store, again, []), known);
      const failing: Partial<AppendRequest> = {
        expected: [{ stream: 'order-1', version: 7 }],
        unless: [{ after: START }],
      };
      assert.deepEqual(await execute(store, again, [sampleEvent('e2')], failing), known);
      assert.deepEqual(await execute(store, again, [sampleEvent('e1', { data: '{"other":1}' })]), known);
      assert.deepEqual(idsOf(await store.log.read({ limit: 10 })), ['e1']);
      assert.deepEqual(await store.log.findCommand('c1'), first);
    },

    'forgets a command whose request was refused (G3)': async (store) => {
      const claim = { expected: [{ stream: 'order-1', version: 5 }] };
      assert.equal(refused(await execute(store, entry('c1'), [sampleEvent('e1')], claim)).reason, 'version-conflict');
      assert.equal(refused(await execute(store, entry('c1'), [], claim)).reason, 'version-conflict');
      assert.equal(await store.log.findCommand('c1'), undefined);
      accepted(await execute(store, entry('c1'), [sampleEvent('e1')]));
    },

    'of many at once with one id exactly one is recorded (G2)': async (store) => {
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, index) => execute(store, entry('c1'), [sampleEvent(`e${index}`)])),
      );
      const won = outcomes.findIndex(({ ok }) => ok);
      assert.equal(outcomes.filter(({ ok }) => ok).length, 1);
      for (const [index, outcome] of outcomes.entries())
        if (index !== won) assert.equal(refused(outcome).reason, 'command-known');
      assert.deepEqual(idsOf(await store.log.read({ limit: 100 })), [`e${won}`]);
    },

    'takes back the commands of a unit that is refused, and keeps those of others beside it (G3, G6)': async (
      store,
    ) => {
      await store.checkpoints.create(sampleConsumer('c'));
      const request = (id: string, event: string, others: Partial<AppendRequest> = {}): AppendRequest => ({
        events: [sampleEvent(event)],
        command: entry(id),
        onDuplicate: 'verify',
        ...others,
      });
      const [before, unit, after] = await Promise.all([
        execute(store, entry('c1'), []),
        store.unitOfWork.commit({
          ...sampleUnit(),
          consumer: 'c',
          appends: [request('c2', 'e2'), request('c3', 'e3', { expected: [{ stream: 'order-1', version: 9 }] })],
        }),
        execute(store, entry('c4'), [sampleEvent('e4')]),
      ]);
      accepted(before);
      accepted(after);
      assert.equal(unit.ok, false);
      const known = await Promise.all(['c1', 'c2', 'c3', 'c4'].map((id) => store.log.findCommand(id)));
      assert.deepEqual(
        known.map((found) => found?.id),
        ['c1', undefined, undefined, 'c4'],
      );
      const twice = await store.unitOfWork.commit({
        ...sampleUnit(),
        consumer: 'c',
        appends: [request('c5', 'e5'), request('c5', 'e6')],
      });
      assert.equal(!twice.ok && twice.refusal?.reason, 'command-known');
      assert.equal(await store.log.findCommand('c5'), undefined);
    },

    'remembers a command after its events were removed (G2)': async (store) => {
      const places = accepted(await execute(store, entry('c1'), sampleEvents('e', 2)));
      await store.log.deleteStream('order-1');
      const known = refused(await execute(store, entry('c1'), [sampleEvent('x', { stream: 'other-1' })]));
      assert.equal(known.reason === 'command-known' && known.command.position, places[0]?.position);
    },

    'names, ids and outcomes in every script come back as they were': async (store) => {
      const odd = entry('\u0000 ü \u{1f600}\u0001', { name: 'ä\u0000', outcome: { '\u0000': ['\u0001', null, 1.5] } });
      accepted(await execute(store, odd, []));
      const {
        recordedMs: _at,
        position: _where,
        events: _many,
        ...found
      } = (await store.log.findCommand(odd.id)) ?? {};
      assert.deepEqual(found, odd);
    },
  }),
  ...casesOverReopen(bench, {
    'a command is known after the store was opened again (G1, G2)': async (store, reopen) => {
      accepted(await execute(store, entry('c1', { outcome: { n: 1 } }), [sampleEvent('e1')]));
      const before = await store.log.findCommand('c1');
      const again = await reopen(store);
      assert.deepEqual(await again.log.findCommand('c1'), before);
      assert.equal(refused(await execute(again, entry('c1'), [sampleEvent('e2')])).reason, 'command-known');
    },
  }),
];
