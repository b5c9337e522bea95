import assert from 'node:assert/strict';
import type { InlineLook, InlineProjection, InlineRows } from '../consumer/inline-rows.ts';
import { INLINE_EVENTS } from '../consumer/inline-rows.ts';
import type { RowWrite } from '../consumer/row-store.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import { position, START } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import type { Store } from '../store.ts';
import { sampleConsumer, sampleDelivery, sampleRow, sampleUnit } from './consumer-samples.ts';
import type { ContractSuite } from './contract-case.ts';
import { accepted, casesOn, casesOverReopen, refused, sampleEvent, sampleEvents } from './samples.ts';

/** Writes down per stream the ids of its events; remembers nothing, and throws where a case asks for it. */
class Listed implements InlineProjection {
  readonly consumer: string;
  readonly told: string[] = [];
  readonly namespace: string;
  throws: (event: RecordedEvent) => boolean = () => false;
  head: Position = START;

  constructor(consumer = 'c', namespace = 'n') {
    this.consumer = consumer;
    this.namespace = namespace;
  }

  project(events: readonly RecordedEvent[], look: InlineLook): readonly RowWrite[] {
    const rows = new Map<string, JsonValue>();
    for (const event of events) {
      if (this.throws(event)) throw new Error(`${event.id} cannot be projected`);
      assert.equal(look.find(event.source, event.id)?.position, event.position);
      const row = (rows.get(event.stream) ?? look.row(this.namespace, event.stream) ?? []) as readonly string[];
      rows.set(event.stream, [...row, event.id]);
    }
    return [...rows].map(([key, value]) =>
      sampleRow(key, value, { last: (value as string[]).at(-1) ?? null }, this.namespace),
    );
  }

  laneOf(): number {
    return 0;
  }

  keysOf(events: readonly RecordedEvent[]): readonly string[] {
    return events.slice(1).map(({ stream }) => stream);
  }

  handOver(): number {
    return 0;
  }

  kept(head: Position): void {
    this.head = head;
    this.told.push(`kept ${head}`);
  }

  undone(): void {
    // It remembers nothing.
  }

  forget(): void {
    // It remembers nothing.
  }

  ended(): void {
    this.told.push('ended');
  }
}

/** What every store must do that changes rows where events are recorded. */
export const inlineRowsSuite: ContractSuite = (bench) => [
  ...casesOn(
    bench,
    {
      'rows and checkpoint are there with the events of an append, and of a unit (G6)': async (store) => {
        const listed = await begun(store);
        accepted(await store.log.append({ events: sampleEvents('e', 3), onDuplicate: 'verify' }));
        await assertListed(store, listed);
        await store.checkpoints.create(sampleConsumer('other'));
        const appends = [{ events: sampleEvents('u', 2), onDuplicate: 'keep-first' as const }];
        assert.equal((await store.unitOfWork.commit({ ...sampleUnit(), consumer: 'other', appends })).ok, true);
        await assertListed(store, listed, 5);
        const [row] = await store.rows.query('n', { where: [{ index: 'last', op: '=', value: 'u2' }], limit: 9 });
        assert.equal(row?.key, 'order-1');
      },

      'listeners and readers find the rows of what they are told of': async (store) => {
        const listed = await begun(store);
        const seen: string[] = [];
        const looks: Promise<void>[] = [];
        store.log.watch((head) => {
          seen.push(`${head} ${listed.head}`);
          looks.push(assertListed(store, listed));
        });
        accepted(await store.log.append({ events: sampleEvents('e', 2), onDuplicate: 'verify' }));
        await Promise.all(looks);
        assert.deepEqual(seen, ['2 2']);
      },

      'what is refused, or known, changes no row (G2, G3, G4)': async (store) => {
        const listed = await begun(store);
        const wrong = { expected: [{ stream: 'order-1', version: 9 }] };
        const outcomes = await Promise.all([
          store.log.append({ events: [sampleEvent('a')], onDuplicate: 'verify' }),
          store.log.append({ events: [sampleEvent('b'), sampleEvent('c')], ...wrong, onDuplicate: 'verify' }),
          store.log.append({ events: [sampleEvent('a'), sampleEvent('d')], onDuplicate: 'verify' }),
          store.log.append({ events: [sampleEvent('a', { data: '{"other":1}' })], onDuplicate: 'verify' }),
        ]);
        assert.deepEqual(
          outcomes.map(({ ok }) => ok),
          [true, false, true, false],
        );
        assert.equal(refused(outcomes[1]).reason, 'version-conflict');
        await assertListed(store, listed, 2);
      },

      'many writers at once: each row is the fold of the log (G5)': async (store) => {
        const listed = await begun(store);
        await Promise.all(
          Array.from({ length: 80 }, (_, n) =>
            store.log.append({
              events: sampleEvents(`w${n}-`, 1 + (n % 3)).map((event) => ({ ...event, stream: `order-${n % 7}` })),
              onDuplicate: 'verify',
            }),
          ),
        );
        await assertListed(store, listed);
      },

      'begins behind the head, and brings it there in the same step': async (store) => {
        accepted(await store.log.append({ events: sampleEvents('e', 5), onDuplicate: 'verify' }));
        await store.checkpoints.create(sampleConsumer('c', { checkpoint: { low: position(2), done: [] } }));
        const listed = new Listed();
        await store.rows.put([sampleRow('order-1', ['e1', 'e2'])]);
        const appended = store.log.append({ events: sampleEvents('f', 2), onDuplicate: 'verify' });
        assert.equal(await rowsOf(store).begin(listed), true);
        accepted(await appended);
        await assertListed(store, listed, 7);
      },

      'what the checkpoint says to be done above its low mark is not projected again': async (store) => {
        accepted(await store.log.append({ events: sampleEvents('e', 6), onDuplicate: 'verify' }));
        const checkpoint = { low: position(1), done: [at(2, 2), at(4, 5)] };
        await store.checkpoints.create(sampleConsumer('c', { checkpoint }));
        assert.equal(await rowsOf(store).begin(new Listed()), true);
        assert.deepEqual(await store.rows.get('n', 'order-1'), ['e3', 'e6']);
        assert.deepEqual((await store.checkpoints.load('c'))?.checkpoint, { low: 6, done: [] });
      },

      'does not begin too far behind, while paused, with something set aside, or unknown': async (store) => {
        const listed = new Listed();
        assert.equal(await rowsOf(store).begin(listed), false);
        for (let from = 0; from <= INLINE_EVENTS; from += 500)
          accepted(await store.log.append({ events: sampleEvents(`e${from}-`, 500), onDuplicate: 'verify' }));
        const head = await store.log.head();
        await store.checkpoints.create(sampleConsumer('c'));
        assert.equal(await rowsOf(store).begin(listed), false);
        const near = { low: position(head - 2), done: [] };
        await store.checkpoints.put(sampleConsumer('c', { checkpoint: near, paused: { sinceMs: 1, reason: 'r' } }));
        assert.equal(await rowsOf(store).begin(listed), false);
        await store.checkpoints.put(sampleConsumer('c', { checkpoint: near }));
        const put = [sampleDelivery(head)];
        await store.unitOfWork.commit(sampleUnit({ deliveries: { put, remove: [] } }));
        assert.equal(await rowsOf(store).begin(listed), false);
        assert.equal(await store.rows.count('n'), 0);
        await store.unitOfWork.commit(sampleUnit({ deliveries: { put: [], remove: [head] } }));
        assert.equal(await rowsOf(store).begin(listed), true);
        assert.deepEqual(await store.rows.get('n', 'order-1'), ['e2000-499', 'e2000-500']);
        assert.equal((await store.checkpoints.load('c'))?.checkpoint.low, head);
      },

      'an append for which it throws is recorded; the projection stays behind it, whole, and is ended (G7)': async (
        store,
      ) => {
        const listed = await begun(store);
        const beside = await begun(store, 'd', 'm');
        accepted(await store.log.append({ events: [sampleEvent('a')], onDuplicate: 'verify' }));
        listed.throws = ({ id }) => id === 'b2';
        accepted(await store.log.append({ events: sampleEvents('b', 3), onDuplicate: 'verify' }));
        assert.equal(listed.told.at(-1), 'ended');
        await assertListed(store, listed, 1);
        await assertListed(store, beside, 4, 'm');
        accepted(await store.log.append({ events: [sampleEvent('c')], onDuplicate: 'verify' }));
        await assertListed(store, listed, 1);
        assert.equal(await rowsOf(store).begin(listed), false);
        await assertListed(store, listed, 1);
        listed.throws = () => false;
        assert.equal(await rowsOf(store).begin(listed), true);
        await assertListed(store, listed, 5);
      },

      'a row that cannot be stored ends the projection, and costs no append': async (store) => {
        const listed = await begun(store);
        const beside = await begun(store, 'd', 'm');
        const round: JsonValue[] = [];
        round.push(round);
        listed.project = () => [sampleRow('fine', 1), sampleRow('round', round)];
        accepted(await store.log.append({ events: sampleEvents('e', 2), onDuplicate: 'verify' }));
        assert.equal(listed.told.at(-1), 'ended');
        assert.equal(await store.rows.count('n'), 0);
        assert.equal((await store.checkpoints.load('c'))?.checkpoint.low, START);
        await assertListed(store, beside, 2, 'm');
      },

      'after an end no append changes the rows or the checkpoint, from the call on': async (store) => {
        const listed = await begun(store);
        const before = store.log.append({ events: [sampleEvent('a')], onDuplicate: 'verify' });
        const ended = rowsOf(store).end('c');
        const after = store.log.append({ events: [sampleEvent('b')], onDuplicate: 'verify' });
        await Promise.all([before, ended, after]);
        const low = (await store.checkpoints.load('c'))?.checkpoint.low ?? START;
        // Before and end may share a flush: then the event is left to whoever goes on from the checkpoint.
        assert.ok(low <= 1, `the checkpoint is at ${low}`);
        await assertListed(store, listed, low);
        accepted(await store.log.append({ events: [sampleEvent('c')], onDuplicate: 'verify' }));
        await assertListed(store, listed, low);
        assert.ok(!listed.told.includes('ended'));
      },

      'whoever changes the consumer beside it ends it: paused, moved, removed, or with something set aside': async (
        store,
      ) => {
        const changes: readonly (() => Promise<unknown>)[] = [
          () => store.checkpoints.change('c', { paused: { sinceMs: 1, reason: 'r' } }, 2),
          () => store.checkpoints.change('c', { checkpoint: { low: START, done: [] } }, 2),
          () => store.unitOfWork.commit(sampleUnit({ deliveries: { put: [sampleDelivery(1)], remove: [] } })),
          () => store.checkpoints.remove('c'),
        ];
        for (const [index, change] of changes.entries()) {
          await store.checkpoints.remove('c');
          await store.rows.clear('n');
          await store.checkpoints.create(
            sampleConsumer('c', { checkpoint: { low: await store.log.head(), done: [] } }),
          );
          const listed = new Listed();
          assert.equal(await rowsOf(store).begin(listed), true);
          accepted(await store.log.append({ events: [sampleEvent(`e${index}`)], onDuplicate: 'verify' }));
          await change();
          const record = await store.checkpoints.load('c');
          accepted(await store.log.append({ events: [sampleEvent(`f${index}`)], onDuplicate: 'verify' }));
          assert.equal(listed.told.at(-1), 'ended', `change ${index}`);
          assert.deepEqual(await store.checkpoints.load('c'), record, `change ${index}`);
          assert.deepEqual(await store.rows.get('n', 'order-1'), [`e${index}`], `change ${index}`);
        }
      },
    },
    'inlineProjections',
  ),
  ...casesOverReopen(bench, {
    'after closing and opening, rows and checkpoint are those of the last append (G1)': async (store, reopen) => {
      if (store.inlineRows === undefined) return;
      await begun(store);
      accepted(await store.log.append({ events: sampleEvents('e', 4), onDuplicate: 'verify' }));
      const again = await reopen(store);
      assert.deepEqual(await again.rows.get('n', 'order-1'), ['e1', 'e2', 'e3', 'e4']);
      assert.equal((await again.checkpoints.load('c'))?.checkpoint.low, 4);
      // Who projects it is the program's to say, in each process anew.
      accepted(await again.log.append({ events: [sampleEvent('f')], onDuplicate: 'verify' }));
      assert.equal((await again.checkpoints.load('c'))?.checkpoint.low, 4);
    },
  }),
];

function at(from: number, to: number): readonly [Position, Position] {
  return [position(from), position(to)];
}

function rowsOf({ inlineRows }: Store): InlineRows {
  assert.ok(inlineRows !== undefined, 'the store declares inlineProjections');
  return inlineRows;
}

/** A projection of a new consumer, at the head. */
async function begun(store: Store, consumer = 'c', namespace = 'n'): Promise<Listed> {
  await store.checkpoints.create(sampleConsumer(consumer, { checkpoint: { low: await store.log.head(), done: [] } }));
  const listed = new Listed(consumer, namespace);
  assert.equal(await rowsOf(store).begin(listed), true);
  return listed;
}

/** The rows are those of the log up to a place, by default all of it, and the checkpoint is there. */
async function assertListed(store: Store, { consumer, head }: Listed, upTo?: number, namespace = 'n'): Promise<void> {
  const log = await store.log.read({ limit: 10_000 });
  const end = upTo ?? log.length;
  const rows = new Map<string, string[]>();
  for (const { stream, id } of log.slice(0, end)) rows.set(stream, [...(rows.get(stream) ?? []), id]);
  const found = await store.rows.query(namespace, { limit: 1_000 });
  assert.deepEqual(Object.fromEntries(found.map(({ key, value }) => [key, value])), Object.fromEntries(rows));
  assert.equal((await store.checkpoints.load(consumer))?.checkpoint.low, end);
  assert.equal(head, end);
}
