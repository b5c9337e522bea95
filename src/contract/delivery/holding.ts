import assert from 'node:assert/strict';
import { z } from 'zod';
import type { PatternFor } from '../../channel/filter/pattern.ts';
import { defineAutomation } from '../../automation/define-automation.ts';
import type { AutomationDefinition } from '../../automation/define-automation.ts';
import { defineEvent } from '../../event/define-event.ts';
import type { EventOf } from '../../event/define-event.ts';
import type { HoldOptions } from '../../operator/in-order.ts';
import { defineSequence } from '../../operator/define-sequence.ts';
import type { SequenceDefinition } from '../../operator/define-sequence.ts';
import type { SequenceGap, SequenceOptions } from '../../operator/in-sequence.ts';
import { systemStream } from '../../event/system-events.ts';
import { seededRandom } from '../../system/random.ts';
import { DEFAULT_START_MS } from '../../testing/index.ts';
import type { TestSystem } from '../../testing/index.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases, onStage } from './delivery-case.ts';
import type { DeliveryStage } from './delivery-case.ts';
import { only, upTo } from './samples.ts';

const SEEDS = [1, 2, 3, 4];

const Read = defineEvent({
  type: 'contract.meter.read',
  schema: z.object({ meter: z.string(), n: z.number() }),
  stream: (data) => `meter-${data.meter}`,
});

const Booked = defineEvent({
  type: 'contract.meter.booked',
  schema: z.object({ meter: z.string(), n: z.number(), count: z.number() }),
  stream: (data) => `booking-${data.meter}`,
});

type Test = TestSystem<typeof Read>;

/** Books what was read, and counts per meter. */
function booking(
  options:
    | { readonly sequence: SequenceOptions | SequenceDefinition; readonly where?: PatternFor<EventOf<typeof Read>> }
    | { readonly inTime: { readonly disorder: '10s'; readonly idle: '1s'; readonly hold?: HoldOptions } }
    | { readonly summary: string },
  fails: (n: number) => boolean = () => false,
) {
  return defineAutomation({
    ...options,
    name: 'booking',
    on: Read,
    state: { initial: () => 0 },
    publishes: [Booked],
    retry: { attempts: 2, minDelay: '1s' },
    async run({ event, state, publish }) {
      state.set(state.get() + 1);
      await publish(Booked, { ...event.data, count: state.get() });
      if (fails(event.data.n)) throw new Error(`${event.data.n} fails`);
    },
  });
}

const PLAIN = { summary: 'in the order of the log' };

/** Books what was read, and keeps nothing. */
function bookingOnly(): AutomationDefinition {
  return defineAutomation({
    name: 'booking',
    on: Read,
    publishes: [Booked],
    run: ({ event, publish }) => void publish(Booked, { ...event.data, count: 0 }),
  });
}

async function read(test: Test, n: number, meter = 'a', second = n): Promise<void> {
  const time = new Date(DEFAULT_START_MS + second * 1_000);
  await test.system.publish(Read, { meter, n }, { sequence: n, id: `${meter}${n}`, source: '/meters', time });
}

const booked = (test: Test, meter = 'a') =>
  test
    .recorded(Booked)
    .filter(({ data }) => data.meter === meter)
    .map(({ data }) => [data.n, data.count]);

const kinds = (test: Test) =>
  test
    .reported()
    .filter(({ type }) => type.startsWith('thereupon.sequence.'))
    .map(({ type, data }) => {
      const { from, to } = data as { from: number; to: number };
      return `${type.slice('thereupon.sequence.'.length)} ${from}-${to}`;
    });

/** Numbers of three meters in any order, each within the wait, with crashes between: every meter is booked in order, each once. */
async function runShuffled(stage: DeliveryStage, seed: number): Promise<void> {
  const chance = seededRandom(seed);
  const test: Test = await stage.start(
    { events: [Read], automations: [booking({ sequence: { onGap: 'hold', wait: '1h', first: 1 } })] },
    { seed },
  );
  const meters = ['a', 'b', 'c'];
  const told = meters
    .flatMap((meter) => upTo(15).map((n) => ({ meter, n, at: n + chance.next() * 6 })))
    .toSorted((left, right) => left.at - right.at);
  for (const { meter, n } of told) {
    await read(test, n, meter);
    const what = chance.next();
    if (what < 0.15) await test.crash();
    else if (what < 0.25) await test.restart();
    else if (what < 0.4) await test.settled();
  }
  await test.crash();
  await test.settled();
  for (const meter of meters)
    assert.deepEqual(
      booked(test, meter),
      upTo(15).map((n) => [n, n]),
    );
  assert.ok(kinds(test).some((kind) => kind.startsWith('gap')));
  assert.deepEqual(await test.consumers.held('booking'), []);
}

/** Events that wait for others: by their producers' numbers, or by event time (G8). */
export const holdingCases: ContractSuite = (bench) => [
  ...SEEDS.map((seed) => ({
    name: `G5 G6 G8 what comes out of order is handled in the order of its producer’s numbers, once, whatever crashes when, seed ${seed}`,
    run: () => onStage(bench, (stage) => runShuffled(stage, seed)),
  })),
  ...deliveryCases(bench, {
    async 'G8 numbers that a type or a source counts are watched whoever consumes them, over crashes too, and told of once'(
      stage,
    ) {
      const asked: SequenceGap[] = [];
      const sequence = { onGap: 'hold', wait: '30s', ask: (gap: SequenceGap) => void asked.push(gap) } as const;
      const counted = defineSequence({ name: 'counted', on: Read, sequence });
      const ofSource = defineSequence({ name: 'of-source', source: '/other', sequence: { onGap: 'record' } });
      const test: Test = await stage.start({
        events: [Read],
        monitors: [counted, ofSource],
        automations: [booking({ sequence: counted, where: { data: { n: [{ 'anything-but': [5] }] } } })],
      });
      const number = (n: number, source: string, id = `${n}`) =>
        test.system.publish(Read, { meter: 'a', n }, { sequence: n, id, source });
      for (const n of [1, 2, 5, 6]) {
        await number(n, '/meters');
        await test.crash();
      }
      await number(2, '/meters', 'again');
      await number(4, '/other');
      await number(7, '/other');
      await test.settled();
      assert.deepEqual(
        booked(test).map(([n]) => n),
        [1, 2, 4],
      );
      await number(4, '/meters');
      await number(3, '/meters');
      await test.crash();
      await test.settled();
      // What it does not want holds nothing up, and is no gap.
      assert.deepEqual(
        booked(test).map(([n]) => n),
        [1, 2, 4, 3, 4, 6],
      );
      const byWatch = (name: string) =>
        test
          .reported()
          .filter(({ type, stream }) => type.startsWith('thereupon.sequence.') && stream === systemStream(name))
          .map(({ type, data }) => {
            const { from, to } = data as { from: number; to: number };
            return `${type.slice('thereupon.sequence.'.length)} ${from}-${to}`;
          });
      assert.deepEqual(byWatch('counted'), ['gap 3-4', 'duplicate 2-2', 'gap 5-6', 'filled 4-4', 'filled 3-3']);
      assert.deepEqual(byWatch('of-source'), ['gap 5-6']);
      assert.deepEqual(byWatch('booking'), []);
      assert.deepEqual(
        asked.map(({ source, from }) => [source, from]),
        [
          ['/meters', 3],
          ['/other', 5],
        ],
      );
    },
    async 'G8 what follows a gap waits, is shown, and goes on when the wait is over; what comes after that is told as filled'(
      stage,
    ) {
      const asked: SequenceGap[] = [];
      const sequence = { onGap: 'hold', wait: '30s', ask: (gap: SequenceGap) => void asked.push(gap) } as const;
      const test: Test = await stage.start({ events: [Read], automations: [booking({ sequence })] });
      for (const n of [1, 2, 5, 6]) await read(test, n);
      await test.settled();
      assert.deepEqual(booked(test), [
        [1, 1],
        [2, 2],
      ]);
      assert.deepEqual(asked, [{ source: '/meters', subject: 'meter-a', from: 3, to: 4 }]);
      const held = only(await test.consumers.held('booking'));
      assert.deepEqual(
        [held.key, held.events, held.waitsFor],
        ['meter-a', 2, '3 to 4 of meter-a from /meters, until 2026-01-01T00:00:30.000Z'],
      );
      await test.restart();
      await test.settled();
      assert.equal((await test.consumers.status('booking')).time?.held, 2);
      await test.advance('29s');
      assert.equal(booked(test).length, 2);
      await test.advance('3s');
      await test.settled();
      assert.deepEqual(booked(test).slice(2), [
        [5, 3],
        [6, 4],
      ]);
      await read(test, 4);
      await test.settled();
      assert.deepEqual(
        [booked(test).at(-1), kinds(test)],
        [
          [4, 5],
          ['gap 3-4', 'lost 3-4', 'filled 4-4'],
        ],
      );
    },
    async 'G8 duplicates, steps back and resets are told, and handled or not, as declared, over crashes too'(stage) {
      const reset = ['gap 2-3', 'duplicate 4-4', 'filled 3-3', 'stepped-back 4-4', 'reset 1-1'];
      const noReset = [...reset.slice(0, 4), 'stepped-back 1-1', 'filled 2-2'];
      for (const [sequence, handled, told] of [
        [{}, [1, 4, 3, 40, 10, 20], reset],
        [{ onDuplicate: 'hand-over' }, [1, 4, 4, 3, 40, 10, 20], reset],
        [{ onStepBack: 'drop' }, [1, 4, 3, 10, 20], reset],
        [{ onReset: 'step-back' }, [1, 4, 3, 40, 10, 20], noReset],
        [{ onReset: 'step-back', onStepBack: 'drop' }, [1, 4, 3, 20], noReset],
      ] as const) {
        const test: Test = await stage.start({
          events: [Read],
          automations: [booking({ sequence: { onGap: 'record', ...sequence } })],
        });
        const tell = (n: number, data: number, id: string) =>
          test.system.publish(Read, { meter: 'a', n: data }, { sequence: n, id, source: '/meters' });
        await tell(1, 1, 'one');
        await tell(4, 4, 'four');
        await test.crash();
        await tell(4, 4, 'four again');
        await tell(3, 3, 'three');
        await tell(4, 40, 'another four');
        await test.crash();
        await tell(1, 10, 'another one');
        await tell(2, 20, 'another two');
        await test.settled();
        assert.deepEqual(kinds(test), told);
        assert.deepEqual(
          booked(test).map(([n]) => n),
          handled,
        );
      }
    },
    async 'G8 an automation that is to hold nothing any more is refused while events wait, and what it knew of numbers does not come back'(
      stage,
    ) {
      const program: AutomationDefinition[] = [booking({ sequence: { onGap: 'hold', wait: '1h' } })];
      const test: Test = await stage.start({ events: [Read], automations: program });
      for (const n of [1, 3]) await read(test, n);
      await test.settled();
      for (const other of [booking(PLAIN), booking({ inTime: { disorder: '10s', idle: '1s' } })]) {
        program[0] = other;
        await assert.rejects(
          test.restart(),
          /^InvalidDefinition: automation booking: events of meter-a wait in its sequence/,
        );
      }
      program[0] = booking({ sequence: { onGap: 'record' } });
      await test.restart();
      await test.settled();
      assert.deepEqual(booked(test), [
        [1, 1],
        [3, 2],
      ]);
      // Its own count would not be found.
      program[0] = booking(PLAIN);
      await assert.rejects(
        test.restart(),
        /the states of 1 keys were kept with sequence, and are now to be kept without/,
      );
      program[0] = bookingOnly();
      await test.restart();
      for (const n of [4, 7]) await read(test, n);
      await test.settled();
      program[0] = booking({ sequence: { onGap: 'record' } });
      await test.restart();
      for (const n of [8, 9]) await read(test, n);
      await test.settled();
      assert.deepEqual(
        booked(test).map(([n]) => n),
        [1, 3, 4, 7, 8, 9],
      );
      assert.deepEqual(kinds(test), ['gap 2-2']);
    },
    async 'G8 an automation that is forgotten begins anew, with nothing of what it kept'(stage) {
      for (const options of [PLAIN, { sequence: { onGap: 'hold', wait: '1h' } } as const]) {
        const program: AutomationDefinition[] = [booking(options)];
        const test: Test = await stage.start({ events: [Read], automations: program });
        for (const n of [1, 2, 4]) await read(test, n);
        await test.settled();
        program.length = 0;
        await test.restart();
        await test.consumers.remove('booking');
        program.push(booking(options));
        await test.restart();
        await read(test, 5);
        await test.settled();
        await read(test, 3);
        await test.settled();
        const counts = booked(test).toSorted(([left = 0], [right = 0]) => left - right);
        assert.deepEqual(
          counts.map(([, count]) => count),
          'sequence' in options ? [1, 2, 3, 4, 5] : [1, 2, 5, 3, 4],
        );
        assert.deepEqual(kinds(test), 'sequence' in options ? ['gap 3-3', 'filled 3-3'] : []);
      }
    },
    async 'G10 when too many wait, what is missing is given up, or what comes is told as late; nothing is locked'(
      stage,
    ) {
      for (const overflow of ['release', 'drop'] as const) {
        const sequence = { onGap: 'hold', wait: '1h', hold: { maxEvents: 2, overflow } } as const;
        const test: Test = await stage.start({ events: [Read], automations: [booking({ sequence })] });
        for (const n of [1, 3, 4, 5]) await read(test, n);
        await test.settled();
        await read(test, 2);
        await test.settled();
        assert.deepEqual(
          booked(test).map(([n]) => n),
          overflow === 'release' ? [1, 3, 4, 5, 2] : [1, 2, 3, 4],
        );
        const { late } = (await test.consumers.status('booking')).figures;
        assert.deepEqual([late, test.reported('thereupon.event.late').length], overflow === 'drop' ? [1, 1] : [0, 0]);
        assert.deepEqual(await test.parked(), []);
      }
    },
    async 'G10 what an event lets go itself takes no room from it'(stage) {
      for (const overflow of ['release', 'drop'] as const) {
        const inTime = { disorder: '10s', idle: '1s', hold: { maxEvents: 2, overflow } } as const;
        const test: Test = await stage.start({ events: [Read], automations: [booking({ inTime })] });
        for (const n of [1, 2, 30, 31]) await read(test, n);
        await test.settled({ advance: '1m' });
        assert.deepEqual(
          booked(test).map(([n]) => n),
          [1, 2, 30, 31],
        );
        assert.deepEqual(test.reported('thereupon.event.late'), []);
        assert.deepEqual(test.reported('thereupon.hold.overflowed'), []);
      }
    },
    async 'G7 one that fails is tried again with those that it let go, and no other key waits for it'(stage) {
      let wrong = true;
      const test: Test = await stage.start({
        events: [Read],
        automations: [booking({ sequence: { onGap: 'hold', wait: '1h' } }, (n) => wrong && n === 3)],
      });
      for (const n of [1, 3, 4, 2]) await read(test, n);
      await read(test, 1, 'b');
      await test.settled();
      assert.deepEqual([booked(test), booked(test, 'b')], [[[1, 1]], [[1, 1]]]);
      await test.advance('10s');
      await test.settled();
      const letter = only(await test.parked('booking'));
      // The one that failed, and not the one that let it go.
      assert.deepEqual(letter.event?.data, { meter: 'a', n: 3 });
      wrong = false;
      await test.deadLetters.retry(letter.id);
      await test.settled();
      assert.deepEqual(
        booked(test),
        upTo(4).map((n) => [n, n]),
      );
    },
    async 'G8 in event time, events wait until nothing earlier is expected, and in a quiet log until time has gone on'(
      stage,
    ) {
      const test: Test = await stage.start({
        events: [Read],
        automations: [booking({ inTime: { disorder: '10s', idle: '1s' } })],
      });
      for (const [n, second] of [
        [1, 0],
        [2, 8],
        [3, 4],
        [4, 12],
      ] as const)
        await read(test, n, 'a', second);
      await test.settled();
      assert.deepEqual(
        booked(test).map(([n]) => n),
        [1],
      );
      const held = only(await test.consumers.held('booking'));
      assert.deepEqual([held.events, held.waitsFor], [3, 'event time to reach 2026-01-01T00:00:04.000Z']);
      await test.crash();
      await test.settled({ advance: '1m' });
      assert.deepEqual(
        booked(test).map(([n]) => n),
        [1, 3, 2, 4],
      );
      await read(test, 5, 'a', 3);
      await test.settled();
      assert.equal(test.reported('thereupon.event.late').length, 1);
    },
  }),
];
