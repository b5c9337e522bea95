import assert from 'node:assert/strict';
import type { RecordedEvent } from '../../event/event.ts';
import { position, START } from '../../event/position.ts';
import type { Position } from '../../event/position.ts';
import type { EventLog } from '../../channel/event-log.ts';
import type { ContractSuite } from '../contract-case.ts';
import {
  accepted,
  at,
  casesOn,
  claimed,
  idsOf,
  record,
  recordOne,
  refused,
  sampleEvent,
  sampleEvents,
} from '../samples.ts';

interface Told {
  readonly head: Position;
  readonly events: readonly RecordedEvent[] | undefined;
}

/** Collects what a log tells, and waits until it has told of a position. */
function listenTo(log: EventLog) {
  const told: Told[] = [];
  let wanted: { readonly head: Position; readonly reached: () => void } | undefined;
  const stop = log.watch((head, events) => {
    told.push({ head, events });
    if (wanted !== undefined && head >= wanted.head) wanted.reached();
  });
  return {
    told,
    stop,
    until(head: Position): Promise<void> {
      if ((told.at(-1)?.head ?? START) >= head) return Promise.resolve();
      return new Promise((resolve) => {
        wanted = { head, reached: resolve };
      });
    },
  };
}

/** Being told of writes (G5): in log order, of what is durable and visible, of nothing else. */
export const watchingCases: ContractSuite = (bench) =>
  casesOn(bench, {
    'tells of every append in log order, batches whole (G3, G5)': async (store) => {
      const listening = listenTo(store.log);
      await recordOne(store, sampleEvent('e1'));
      await record(store, ...sampleEvents('batch', 3));
      const last = await recordOne(store, sampleEvent('e2'));
      await listening.until(last.position);
      assertInOrder(listening.told);
      const events = listening.told.flatMap((told) => told.events ?? []);
      if (listening.told.every((told) => told.events !== undefined)) {
        assert.deepEqual(
          events.map((event) => event.stored),
          (await store.log.read({ limit: 100 })).map((event) => event.stored),
        );
        const turn = listening.told.find((told) => idsOf(told.events ?? []).includes('batch1'));
        assert.ok(idsOf(turn?.events ?? []).includes('batch3'), 'a batch is told at once');
      }
    },

    'what is told of can be read at once (G1, G5)': async (store) => {
      const seen = new Promise<readonly string[]>((resolve, reject) => {
        store.log.watch((head) => {
          store.log
            .read({ direction: 'backward', after: position(head + 1), limit: 1 })
            .then((events) => resolve(idsOf(events)), reject);
        });
      });
      await recordOne(store, sampleEvent('e1'));
      assert.deepEqual(await seen, ['e1']);
    },

    'does not tell of refusals and duplicates (G2)': async (store) => {
      await recordOne(store, sampleEvent('e1'));
      const listening = listenTo(store.log);
      await recordOne(store, sampleEvent('e1'));
      refused(await store.log.append(claimed(sampleEvent('x'), [{ stream: 'order-1', version: 'none' }])));
      refused(await store.log.append(claimed(sampleEvent('e1', { data: '0' }))));
      const place = at(await record(store, sampleEvent('e1'), sampleEvent('e2')), 1);
      await listening.until(place.position);
      assert.deepEqual(
        listening.told.map((told) => told.head),
        [place.position],
      );
      const { events } = at(listening.told, 0);
      if (events !== undefined) assert.deepEqual(idsOf(events), ['e2']);
    },

    'tells several listeners, and none after it stopped watching': async (store) => {
      const staying = listenTo(store.log);
      const leaving = listenTo(store.log);
      const first = await recordOne(store, sampleEvent('e1'));
      await Promise.all([staying.until(first.position), leaving.until(first.position)]);
      leaving.stop();
      leaving.stop();
      const second = await recordOne(store, sampleEvent('e2'));
      await staying.until(second.position);
      assert.deepEqual(
        staying.told.map((told) => told.head),
        [first.position, second.position],
      );
      assert.deepEqual(
        leaving.told.map((told) => told.head),
        [first.position],
      );
    },

    'a listener that throws disturbs neither the writer nor other listeners, and is logged (G11)': async (
      store,
      { logged },
    ) => {
      store.log.watch(() => {
        throw new Error('thrown by a listener');
      });
      const listening = listenTo(store.log);
      const place = await recordOne(store, sampleEvent('e1'));
      await listening.until(place.position);
      assert.equal((await recordOne(store, sampleEvent('e2'))).duplicate, false);
      assert.ok(logged.length > 0, 'the failure is logged');
    },

    'what a listener appends is told after what it was told of (G5)': async (store) => {
      const answered = new Promise<Position>((resolve, reject) => {
        let first = true;
        store.log.watch(() => {
          if (!first) return;
          first = false;
          store.log
            .append(claimed(sampleEvent('answer')))
            .then((outcome) => resolve(at(accepted(outcome), 0).position), reject);
        });
      });
      const listening = listenTo(store.log);
      await recordOne(store, sampleEvent('question'));
      await listening.until(await answered);
      assertInOrder(listening.told);
      assert.deepEqual(idsOf(await store.log.read({ limit: 10 })), ['question', 'answer']);
    },

    'tells of concurrent appends in log order, each event once (G5)': async (store) => {
      const listening = listenTo(store.log);
      const outcomes = await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          store.log.append({
            events: sampleEvents(`${index}-`, 1 + (index % 3), { stream: `s-${index % 5}` }),
            onDuplicate: 'verify',
          }),
        ),
      );
      const last = Math.max(...outcomes.flatMap((outcome) => accepted(outcome).map((place) => place.position)));
      await listening.until(position(last));
      assertInOrder(listening.told);
      if (listening.told.every((told) => told.events !== undefined)) {
        const events = listening.told.flatMap((told) => told.events ?? []);
        assert.deepEqual(idsOf(events), idsOf(await store.log.read({ limit: 1_000 })));
      }
    },
  });

function assertInOrder(told: readonly Told[]): void {
  let last: number = START;
  for (const { head, events } of told) {
    assert.ok(head > last, `heads rise: ${head} was told after ${last}`);
    for (const event of events ?? []) {
      assert.ok(event.position > last, 'events are told in log order');
      last = event.position;
    }
    if (events !== undefined) assert.equal(last, head, 'the head is the position of the last event');
    last = head;
  }
}
