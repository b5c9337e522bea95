import assert from 'node:assert/strict';
import { z } from 'zod';
import { defineAutomation } from '../../automation/define-automation.ts';
import { defineEvent } from '../../event/define-event.ts';
import { defineMonitor } from '../../operator/define-monitor.ts';
import { definePattern } from '../../operator/define-pattern.ts';
import { defineWindow } from '../../operator/define-window.ts';
import { every, not, one } from '../../operator/pattern.ts';
import { DEFAULT_START_MS } from '../../testing/index.ts';
import type { TestSystem } from '../../testing/index.ts';
import { tumbling } from '../../time/windowing.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import type { DeliveryStage } from './delivery-case.ts';

const Read = defineEvent({
  type: 'contract.meter.shown',
  schema: z.object({ n: z.number() }),
  stream: () => 'meter',
});

const Said = defineEvent({
  type: 'contract.meter.said',
  schema: z.object({ n: z.number() }),
  stream: () => 'said',
});

const Reset = defineEvent({ type: 'contract.meter.cleared', schema: z.object({}), stream: () => 'meter' });

type Test = TestSystem<typeof Read>;

const common = { publishes: [Said], retry: { attempts: 1 } } as const;
const time = { idle: 'never' } as const;

/** What is wrong with one that is negative; the first of several in one handling. */
function say(n: number, publish: (definition: typeof Said, data: { n: number }) => unknown): void {
  if (n < 0) throw new Error(`wrong: ${n}`);
  void publish(Said, { n });
}

/** Events of which one at a time fails, among others that are handled together with it. */
const programs = {
  'in time': {
    automations: [
      defineAutomation({
        ...common,
        name: 'reader',
        on: Read,
        inTime: { ...time, disorder: '5s' },
        run: ({ event, publish }) => say(event.data.n, publish),
      }),
    ],
  },
  'in sequence': {
    automations: [
      defineAutomation({
        ...common,
        name: 'reader',
        on: Read,
        sequence: { onGap: 'hold', wait: '1d', first: 1 },
        run: ({ event, publish }) => say(event.data.n, publish),
      }),
    ],
  },
  'of a pattern': {
    automations: [
      defineAutomation({
        ...common,
        name: 'reader',
        on: definePattern({
          sequence: [every(one('read', Read)), not(Reset).within('1s')],
          key: () => 'all',
          time: { ...time, disorder: '5s' },
        }),
        run: ({ events, publish }) => say(events.read[0]?.data.n ?? 0, publish),
      }),
    ],
  },
  'of a window': {
    windows: [
      defineWindow({
        name: 'reader',
        on: Read,
        key: () => 'all',
        windows: tumbling('1s'),
        time: { ...time, disorder: '5s' },
        aggregate: {
          initial: () => 0,
          add: (_sum, { data }) => data.n,
          result(n) {
            if (n < 0) throw new Error(`wrong: ${n}`);
            return { n };
          },
        },
        retry: { attempts: 1 },
        late: { correct: '1h' },
        publishes: Said,
      }),
    ],
  },
  'of a monitor': {
    monitors: [
      defineMonitor({
        name: 'reader',
        on: Read,
        key: () => 'all',
        value: ({ data }) => data.n,
        fires: () => true,
        rearms: 'always',
        time: { ...time, disorder: '5s' },
        alarm({ measured: n }) {
          if (n < 0) throw new Error(`wrong: ${n}`);
          return { n };
        },
        retry: { attempts: 1 },
        publishes: Said,
      }),
    ],
  },
} as const;

/** Six events, that of the first number last: with it, or with the time that it brings, all that come before are handled at once. */
async function read(test: Test): Promise<void> {
  for (const [number, n] of [
    [2, -2],
    [3, 3],
    [4, -4],
    [5, 5],
    [1, 1],
  ] as const)
    await tell(test, number, n);
  await tell(test, 6, 6, 600);
  await test.settled();
}

async function tell(test: Test, number: number, n: number, second = number): Promise<void> {
  const at = new Date(DEFAULT_START_MS + second * 1_000);
  await test.system.publish(Read, { n }, { source: '/meter', subject: 'm', sequence: number, time: at });
}

const said = (test: Test) => test.recorded(Said).map(({ data }) => data.n);

async function runDiscarded(stage: DeliveryStage, of: keyof typeof programs): Promise<void> {
  const test: Test = await stage.start({ events: [Read], ...programs[of] });
  await read(test);
  const isOne = of === 'in time' || of === 'in sequence';
  for (const wrong of [-2, -4]) {
    const [letter] = await test.parked('reader');
    assert.equal(letter?.error?.message, `wrong: ${wrong}`);
    assert.equal(typeof letter.part, 'string');
    if (isOne) assert.deepEqual(letter.event?.data, { n: wrong });
    await test.deadLetters.discard(letter.id, 'not worth it');
    await test.crash();
    await test.settled();
    const report = test.reported('thereupon.delivery.discarded').at(-1)?.data as {
      position: number;
      partPosition: number;
      part: string;
    };
    assert.equal(report.part, letter.part);
    assert.equal(report.position, letter.position);
    if (isOne) assert.equal(report.partPosition, letter.event?.position);
  }
  assert.deepEqual(await test.parked('reader'), []);
  // The last one waits until time has gone on, where it is by time.
  assert.deepEqual(
    said(test).filter((n) => n < 6),
    [1, 3, 5],
  );
  await tell(test, 7, 7, 1_200);
  await test.settled();
  assert.deepEqual(
    said(test).filter((n) => n < 7),
    [1, 3, 5, 6],
  );
}

async function runEdited(stage: DeliveryStage, of: keyof typeof programs): Promise<void> {
  const test: Test = await stage.start({ events: [Read], ...programs[of] });
  await read(test);
  for (const n of [20, 40]) {
    const [letter] = await test.parked('reader');
    const editing = test.deadLetters.retryEdited(letter?.id ?? '', { n });
    if (of === 'in time' || of === 'in sequence') {
      await editing;
      await test.crash();
      await test.settled();
    } else await assert.rejects(editing, /it can be retried or discarded, but not edited/);
  }
  if (of === 'in time' || of === 'in sequence')
    assert.deepEqual(
      said(test).filter((n) => n !== 6),
      [1, 20, 3, 40, 5],
    );
  else assert.equal((await test.parked('reader')).length, 1);
}

/** One of several things that are handled together fails: an operator gives up, or edits, that one (G7). */
export const givingUpCases: ContractSuite = (bench) =>
  deliveryCases(
    bench,
    Object.fromEntries(
      (Object.keys(programs) as (keyof typeof programs)[]).flatMap((of) => [
        [
          `G7 of what is handled together ${of} that alone is given up which fails, and the rest goes on`,
          (stage: DeliveryStage) => runDiscarded(stage, of),
        ],
        [
          `G7 of what is handled together ${of} an edit is of that which failed`,
          (stage: DeliveryStage) => runEdited(stage, of),
        ],
      ]),
    ),
  );
