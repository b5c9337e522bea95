import { InvalidInput, decodeJsonEvent, defineWindow, tumbling } from 'thereupon';
import { testSystem } from 'thereupon/testing';
import { describe, expect, it } from 'vitest';
import { Answered, Happened } from './things.ts';

const clocks = { trusted: '1m', sources: { '/exact': '1s', '/loose': '1d' } } as const;
const START_MS = Date.parse('2026-01-01T00:00:00Z');
const ahead = (seconds: number) => new Date(START_MS + seconds * 1_000);

const told = (source: string, seconds: number, type: string = Happened.type) =>
  decodeJsonEvent({
    specversion: '1.0',
    id: `${source}${seconds}`,
    source,
    type,
    time: ahead(seconds).toISOString(),
    datacontenttype: 'application/json',
    data: { thing: 'a', n: seconds },
  });

describe('how far clocks are trusted (G8)', () => {
  it('quarantines what is from further in the future, and says by how much; what is within it, or past, is recorded', async () => {
    await using test = await testSystem({ events: [Happened], clocks });
    for (const [source, seconds] of [
      ['/exact', 1],
      ['/exact', 2],
      ['/loose', 3_600],
      ['/other', 60],
      ['/other', 61],
      ['/other', -86_400],
    ] as const) {
      const [published] = await test.system.ingest([told(source, seconds)]);
      const isAhead = (source === '/exact' && seconds > 1) || (source === '/other' && seconds > 60);
      expect([source, seconds, published?.quarantined]).toEqual([source, seconds, isAhead]);
    }
    await test.advance('500ms');
    const [again] = await test.system.ingest([told('/exact', 2)]);
    expect([again?.quarantined, again?.duplicate]).toEqual([true, true]);
    const published = await test.system.publish(Happened, { thing: 'b', n: 1 }, { time: ahead(90) });
    expect(published.quarantined).toBe(true);
    expect(test.recorded(Happened).map(({ source }) => source)).toEqual(['/exact', '/loose', '/other', '/other']);
    const [issues] = test
      .reported('thereupon.event.quarantined')
      .map(({ data }) => (data as { issues: unknown }).issues);
    expect(issues).toEqual([
      {
        path: 'time',
        message:
          '2026-01-01T00:00:02.000Z is further in the future than the clock of /exact is trusted, which is for 1000 ms',
      },
    ]);
  });

  it('holds for types that nobody defined, too, and an operator lets an event through when its time has come', async () => {
    await using test = await testSystem({ events: [Happened], clocks, unknownTypes: 'accept' });
    await test.system.ingest([told('/exact', 30, 'test.thing.unknown')]);
    await test.settled();
    expect(test.recorded()).toEqual([]);
    const [letter] = await test.parked('thereupon.quarantine');
    await test.deadLetters.retry(letter?.id ?? '');
    await test.settled();
    expect(test.recorded()).toEqual([]);
    await test.advance('29s');
    await test.deadLetters.retry(letter?.id ?? '');
    await test.settled();
    expect(test.recorded().map(({ type, time }) => [type, time])).toEqual([
      ['test.thing.unknown', ahead(30).toISOString()],
    ]);
  });

  it('refuses what is no duration, by name', async () => {
    const opening = testSystem({ events: [Happened], clocks: { sources: { '/x': 'soon' as never } } });
    await expect(opening).rejects.toThrow(InvalidInput);
    await expect(opening).rejects.toThrow('clocks.sources./x');
  });

  it('holds for a time that a window reads off the data, too: the event is parked, and makes nothing else late', async () => {
    const window = defineWindow({
      name: 'minutes',
      on: Happened,
      key: ({ data }) => data.thing,
      windows: tumbling('1m'),
      time: { at: ({ data }) => START_MS + data.n * 1_000, idle: 'never' },
      aggregate: {
        initial: () => 0,
        add: (count: number) => count + 1,
        result: (n, { key }) => ({ thing: key, n }),
      },
      retry: { attempts: 1 },
      publishes: Answered,
    });
    await using test = await testSystem({ events: [Happened], windows: [window], clocks });
    await test.advance('5m');
    for (const [thing, n] of [
      ['a', 10],
      ['b', 31_536_000],
      ['a', 20],
      ['a', 130],
    ] as const)
      await test.system.publish(Happened, { thing, n });
    await test.settled();
    expect(test.recorded(Answered).map(({ data }) => data)).toEqual([{ thing: 'a', n: 2 }]);
    const parked = await test.parked('minutes');
    expect(parked.map(({ error }) => error?.message)).toEqual([
      expect.stringMatching(
        /^time\.at\(event\): expected a time at most 60000 ms after the event was recorded, .* found "2027-/,
      ),
    ]);
    expect(test.reported('thereupon.event.late')).toEqual([]);
    // A retry asks again, and lets it through when its time has come.
    await test.deadLetters.retryAll();
    await test.settled();
    expect((await test.parked('minutes')).length).toBe(1);
    await test.advance('365d');
    await test.deadLetters.retryAll();
    await test.settled();
    expect(await test.parked('minutes')).toEqual([]);
  });
});
