import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import type { RecordedEvent } from '../event/event.ts';
import { position, START } from '../event/position.ts';
import { recordedEvent } from '../event/recorded-event.ts';
import { Tail } from './tail.ts';

function eventAt(place: number, data = '{}'): RecordedEvent {
  return recordedEvent({
    id: `e${place}`,
    source: '/test',
    type: 'test.thing.happened',
    schemaVersion: 1,
    stream: 'thing-1',
    subject: undefined,
    time: '2026-01-01T00:00:00.000Z',
    correlationid: `e${place}`,
    causationid: undefined,
    encoding: 'json',
    data,
    attributes: undefined,
    position: position(place),
    version: place,
    recordedMs: 0,
  });
}

/** Collects everything that nothing refers to. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

describe('the tail of the log in memory', () => {
  test('answers what it holds, and says where it no longer reaches', () => {
    const tail = new Tail(START, { maxEvents: 4, maxBytes: 1_000_000 });
    for (let place = 1; place <= 10; place += 1) tail.append([eventAt(place)]);
    expect(tail.read(position(5), 10)).toBeUndefined();
    expect(tail.read(position(6), 10)?.map((event) => event.position)).toEqual([7, 8, 9, 10]);
    expect(tail.read(position(8), 1)?.map((event) => event.position)).toEqual([9]);
    expect(tail.read(position(10), 10)).toEqual([]);
  });

  test('is bounded in bytes as in events (G10)', () => {
    const tail = new Tail(START, { maxEvents: 100, maxBytes: 500_000 });
    for (let place = 1; place <= 20; place += 1) tail.append([eventAt(place, JSON.stringify('x'.repeat(50_000)))]);
    expect(tail.read(position(14), 10)).toBeUndefined();
    expect(tail.read(position(16), 10)?.length).toBe(4);
  });

  test('lets go at once of what no longer counts (G10)', async () => {
    const tail = new Tail(START, { maxEvents: 2, maxBytes: 1_000_000 });
    const gone = (() => {
      const first = eventAt(1);
      tail.append([first, eventAt(2), eventAt(3)]);
      return new WeakRef(first);
    })();
    // A reference that was made in this turn is kept until its end.
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    expect(gone.deref()).toBeUndefined();
    expect(tail.read(position(1), 10)?.length).toBe(2);
  });
});
