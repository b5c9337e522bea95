import assert from 'node:assert/strict';
import { defineAutomation } from '../../automation/define-automation.ts';
import { defineSilence } from '../../operator/define-monitor.ts';
import { defineSequence } from '../../operator/define-sequence.ts';
import { definePattern } from '../../operator/define-pattern.ts';
import { defineWindow } from '../../operator/define-window.ts';
import { every, one } from '../../operator/pattern.ts';
import { defineProjection } from '../../projection/define-projection.ts';
import { tumbling } from '../../time/windowing.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import type { DeliveryStage } from './delivery-case.ts';
import { common, key, Lost, read, Read, Said, said, start } from './gauges.ts';

/** Keys that are expected, one that was heard, and all of them silent. */
async function runSilences(stage: DeliveryStage): Promise<void> {
  for (const attempts of [1, 3]) {
    let failures = 3;
    const test = await start(stage, {
      monitors: [
        defineSilence({
          name: 'silence',
          on: Read,
          key,
          for: '5m',
          expected: ['cellar', 'roof'],
          time: { idle: '1m' },
          retry: { attempts, minDelay: '1s' },
          publishes: Lost,
          alarm({ key: gauge }) {
            failures -= 1;
            if (failures >= 0) throw new Error(`nobody to tell of ${gauge}`);
            return { gauge };
          },
        }),
      ],
    });
    await read(test, 'hall', 1, 0);
    await test.settled({ advance: true });
    const letters = await test.parked();
    assert.deepEqual(letters.map((letter) => letter.key).toSorted(), attempts > 1 ? [] : ['cellar', 'hall', 'roof']);
    assert.equal(test.reported('thereupon.attempt.failed').length, 3);
    assert.equal(test.reported('thereupon.delivery.parked').length, letters.length);
    await test.crash();
    for (const { id, key: gauge } of letters)
      await (gauge === 'roof' ? test.deadLetters.discard(id) : test.deadLetters.retry(id));
    await test.settled({ advance: true });
    const lost = () =>
      test
        .recorded(Lost)
        .map(({ data }) => data.gauge)
        .toSorted();
    const told = attempts > 1 ? ['cellar', 'hall', 'roof'] : ['cellar', 'hall'];
    assert.deepEqual(
      lost().filter((gauge) => told.includes(gauge)),
      told,
    );
    assert.equal(test.reported('thereupon.event.late').length, 0);
    await test.consumers.replay('silence', 'beginning');
    await test.settled();
    assert.deepEqual(lost(), ['cellar', 'hall', 'roof']);
  }
}

/** Two producers, each with a gap: that which is given up first goes on first. */
async function runGaps(stage: DeliveryStage): Promise<void> {
  for (const isPaused of [false, true]) {
    const test = await start(stage, {
      automations: [
        defineAutomation({
          ...common,
          name: 'reader',
          sequence: { onGap: 'hold', wait: '20s', first: 1 },
          publishes: [Said],
          run: ({ event, publish }) => void publish(Said, { n: event.data.n }),
        }),
      ],
    });
    const tell = async (source: string, sequence: number, n: number) => {
      await test.system.publish(Read, { gauge: 'a', n }, { source, subject: 'a', sequence });
      await test.settled();
    };
    if (isPaused) await test.consumers.pause('reader');
    await tell('/one', 1, 11);
    await tell('/two', 2, 22);
    await test.advance('10s');
    await tell('/one', 3, 13);
    await test.advance('1m');
    await tell('/one', 4, 14);
    if (isPaused) await test.consumers.resume('reader');
    await test.settled();
    assert.deepEqual(said(test), [11, 22, 13, 14]);
  }
}

/** A key that could not be told, and a result that could not be made, of one key, are mended; one after the other is tried again. */
async function runMendedOneByOne(stage: DeliveryStage): Promise<void> {
  let fails = true;
  const test = await start(stage, {
    windows: [
      defineWindow({
        name: 'reader',
        on: Read,
        key({ data }) {
          if (fails && data.n === 1) throw new Error('no key');
          return data.gauge;
        },
        windows: tumbling('1m'),
        time: { idle: 'never' },
        late: { correct: '1d' },
        retry: { attempts: 1 },
        aggregate: {
          initial: () => 0,
          add: (sum, { data }) => sum + data.n,
          result(n) {
            if (fails) throw new Error('no result');
            return { n };
          },
        },
        publishes: Said,
      }),
    ],
  });
  for (const n of [1, 2, 4]) await read(test, 'a', n, n);
  await read(test, 'b', 50, 3_600);
  await test.settled();
  fails = false;
  for (const { id } of await test.parked()) {
    await test.deadLetters.retry(id);
    await test.crash();
    await test.settled();
  }
  assert.deepEqual(await test.parked(), []);
  assert.equal(said(test).at(-1), 7);
}

/** What was set aside under a definition that took it is nothing to one that does not. */
async function runUnwanted(stage: DeliveryStage): Promise<void> {
  let fails = true;
  const shown = (takesLost: boolean) =>
    defineProjection({
      name: 'reader',
      key: ({ stream }) => stream.slice('gauge-'.length),
      initial: () => ({ n: 0 }),
      retry: { attempts: 1 },
      on: [
        [Read, () => ({ n: 4 })],
        ...(takesLost
          ? ([
              [
                Lost,
                (row: { readonly n: number }) => {
                  if (fails) throw new Error('not now');
                  return row;
                },
              ],
            ] as const)
          : []),
      ],
    });
  const projections = [shown(true)];
  const test = await stage.start({ events: [Read, Lost], projections });
  await test.system.publish(Read, { gauge: 'a', n: 4 });
  await test.system.publish(Lost, { gauge: 'a' }, { stream: 'gauge-a' });
  await test.settled();
  const [letter] = await test.parked();
  const present = shown(false);
  projections[0] = present;
  fails = false;
  await test.restart();
  await test.deadLetters.retry(letter?.id ?? '');
  await test.settled();
  assert.deepEqual(await test.views.get(present, 'a'), { n: 4 });
  const [report] = test.reported('thereupon.delivery.discarded');
  assert.equal(
    (report?.data as { reason: string } | undefined)?.reason,
    'the consumer no longer takes contract.gauge.lost',
  );
}

/** Facts to which the program gives ids of its own, of several events that are handed over together. */
async function runOwnIds(stage: DeliveryStage): Promise<void> {
  const publishes = [Said];
  const time = { disorder: '10m', idle: 'never' } as const;
  for (const automation of [
    defineAutomation({
      ...common,
      name: 'reader',
      inTime: time,
      publishes,
      run: ({ event, publish }) => void publish(Said, { n: event.data.n }, { id: 'mine' }),
    }),
    defineAutomation({
      name: 'reader',
      on: definePattern({ sequence: [every(one('read', Read))], key, time }),
      retry: { attempts: 1 },
      publishes,
      run: ({ events, publish }) => void publish(Said, { n: events.read[0]?.data.n ?? 0 }, { id: 'mine' }),
    }),
  ]) {
    const test = await start(stage, { automations: [automation] });
    for (const [n, second] of [
      [1, 1],
      [2, 1_000],
      [3, 3_000],
    ] as const) {
      await read(test, 'a', n, second);
      await test.settled();
    }
    assert.deepEqual(said(test), [1]);
    const [letter] = await test.parked();
    assert.match(letter?.error?.message ?? '', /already recorded at position .* with other content/);
  }
}

/** A source that cannot be asked: what is missing is told of, and waited for as long as it would be otherwise. */
async function runUnasked(stage: DeliveryStage): Promise<void> {
  for (const failures of [2, 100]) {
    let left = failures;
    const test = await start(stage, {
      automations: [
        defineAutomation({
          ...common,
          name: 'reader',
          retry: { attempts: 3, minDelay: '1s' },
          sequence: {
            onGap: 'hold',
            wait: '10m',
            first: 1,
            ask() {
              left -= 1;
              if (left >= 0) throw new Error('nobody there');
            },
          },
          publishes: [Said],
          run: ({ event, publish }) => void publish(Said, { n: event.data.n }),
        }),
      ],
    });
    for (const n of [1, 3]) {
      await test.system.publish(Read, { gauge: 'a', n }, { source: '/a', subject: 'a', sequence: n });
      await test.settled();
    }
    await test.settled({ advance: '1m' });
    assert.equal(test.reported('thereupon.sequence.gap').length, 1);
    assert.equal(test.reported('thereupon.sequence.unasked').length, failures > 3 ? 1 : 0);
    assert.deepEqual([said(test), await test.parked()], [[1], []]);
    await test.crash();
    await test.settled({ advance: '10m' });
    assert.deepEqual(said(test), [1, 3]);
    assert.equal(test.reported('thereupon.sequence.lost').length, 1);
  }
  const sequence = {
    onGap: 'hold',
    wait: '10m',
    first: 1,
    ask: () => Promise.reject(new Error('nobody there')),
  } as const;
  const count = defineSequence({ name: 'count', on: Read, retry: { attempts: 2, minDelay: '1s' }, sequence });
  const test = await start(stage, { monitors: [count] });
  for (const n of [1, 3])
    await test.system.publish(Read, { gauge: 'a', n }, { source: '/a', subject: 'a', sequence: n });
  await test.settled({ advance: '20m' });
  assert.deepEqual(await test.parked(), []);
  for (const kind of ['gap', 'unasked', 'lost'] as const)
    assert.equal(test.reported(`thereupon.sequence.${kind}`).length, 1, kind);
}

/** What outlives its attempt goes on by itself, beside the next attempt, but is handed nothing more. */
async function runOutlived(stage: DeliveryStage): Promise<void> {
  const gate = Promise.withResolvers<void>();
  const calls: string[] = [];
  const test = await start(stage, {
    automations: [
      defineAutomation({
        ...common,
        name: 'reader',
        retry: { attempts: 2, minDelay: '1s' },
        timeout: '10s',
        inTime: { disorder: '10m', idle: 'never' },
        async run({ event, attempt }) {
          calls.push(`${event.data.n}@${attempt}`);
          if (event.data.n === 2 && attempt === 1) await gate.promise;
        },
      }),
    ],
  });
  for (const n of [1, 2, 3]) await read(test, 'a', n, n);
  await read(test, 'b', 50, 3_600);
  await test.advance('11s');
  gate.resolve();
  await test.settled({ advance: true });
  assert.deepEqual(calls, ['1@1', '2@1', '1@2', '2@2', '3@2']);
  assert.deepEqual(await test.parked(), []);
}

/** What goes on after something failed, was changed or did not answer, and in which order (G6, G7, G8). */
export const mendingCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    'G6 G7 G8 silences of many keys of which none was heard fail and are told each by itself': runSilences,
    'G6 G7 a dead letter of what time brought on stays one, whatever else of its key is handled meanwhile':
      runMendedOneByOne,
    'G7 G11 what was set aside is nothing to a consumer that no longer takes its type, and that is recorded':
      runUnwanted,
    'G2 facts with ids of their own are not lost among those of events that are handed over together': runOwnIds,
    'G5 G7 an attempt whose time was up hands over nothing more of what it was to hand over': runOutlived,
    'G8 a source that cannot be asked is as one that does not answer': runUnasked,
    'G8 G14 of several producers with gaps those go on first that waited first, however late they are looked at':
      runGaps,
  });
