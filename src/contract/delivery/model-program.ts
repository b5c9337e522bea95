import { setImmediate as nextTurn } from 'node:timers/promises';
import { z } from 'zod';
import { defineAutomation } from '../../automation/define-automation.ts';
import { defineConsumer } from '../../consumer/define-consumer.ts';
import { TerminalError } from '../../errors.ts';
import { defineEvent } from '../../event/define-event.ts';
import { defineProjection } from '../../projection/define-projection.ts';
import type { Clock } from '../../system/clock.ts';
import { waitFor } from '../../system/clock.ts';
import type { Random } from '../../system/random.ts';
import { Answered, Counted } from './samples.ts';

/** A reaction's answer to an answer. */
export const Echoed = defineEvent({
  type: 'contract.item.echoed',
  schema: z.object({ item: z.string(), n: z.number() }),
  stream: (data) => `echo-${data.item}`,
});

/** The one effect of a job. */
export const Worked = defineEvent({
  type: 'contract.item.worked',
  schema: z.object({ item: z.string(), n: z.number() }),
  stream: (data) => `work-${data.item}`,
});

/** What the handlers of the model do by chance; the driver turns it off in the end. */
export interface Whims {
  readonly chance: Random;
  clock: Clock | undefined;
  /** Handlers fail at random, before or after they have published. */
  fails: boolean;
  /** Some events fail until they are mended. */
  poisonous: boolean;
}

export function isPoison(n: number): boolean {
  return n % 11 === 0;
}

/** How many answers an event gets. */
export function answersTo(n: number): number {
  return n % 3 === 0 ? 2 : 1;
}

/** Handlers that take their time, fail, keep state and publish; what they should come to is computed from the log alone. */
export function modelProgram(whims: Whims) {
  const retry = { attempts: 1_000, minDelay: '5ms', maxDelay: '200ms' } as const;
  const stumble = () => {
    if (whims.fails && whims.chance.next() < 0.15) throw new Error('by chance');
  };
  const dawdle = async () => {
    const kind = whims.chance.next();
    if (kind < 0.3) return;
    if (kind < 0.6) await nextTurn();
    else if (whims.clock !== undefined) await waitFor(whims.clock, Math.floor(whims.chance.next() * 20));
  };
  const answering = defineConsumer({
    name: 'answering',
    on: Counted,
    publishes: [Answered],
    concurrency: 3,
    retry,
    state: { initial: () => ({ total: 0 }) },
    async handle({ event, state, publish }) {
      const { item, n } = event.data;
      await dawdle();
      stumble();
      if (whims.poisonous && isPoison(n)) throw new TerminalError(`${item} ${n} is not mended yet`);
      const total = state.get().total + n;
      state.set({ total });
      for (let part = 0; part < answersTo(n); part += 1) {
        await publish(Answered, { item, n, part, total });
        stumble();
      }
      await dawdle();
    },
  });
  const echoing = defineAutomation({
    name: 'echoing',
    on: Answered,
    where: { data: { part: [0] } },
    publishes: [Echoed],
    retry,
    maxRate: { runs: 1_000_000, per: '1m' },
    async run({ event, publish }) {
      stumble();
      await publish(Echoed, { item: event.data.item, n: event.data.n });
    },
  });
  const jobs = defineConsumer({
    name: 'jobs',
    on: Counted,
    mode: 'queue',
    concurrency: 3,
    retry,
    priority: ({ data }) => data.n % 2,
    delay: ({ data }) => (data.n % 5 === 0 ? 15 : 0),
    publishes: [Worked],
    async handle({ event, publish }) {
      const { item, n } = event.data;
      await dawdle();
      stumble();
      // Not the id that follows from the event: an event that is handled twice leaves two facts.
      await publish(Worked, { item, n }, { id: `${item} ${n} ${whims.chance.next()}` });
      stumble();
    },
  });
  const claimed = defineConsumer({ name: 'claimed', on: Counted, mode: 'queue', concurrency: 4, retry });
  const history = defineProjection({
    name: 'history',
    key: (event) => event.data.item,
    initial: () => ({ numbers: [] as number[], answers: 0 }),
    on: [
      [Counted, (row, event) => ({ ...row, numbers: [...row.numbers, event.data.n] })],
      [Answered, (row) => ({ ...row, answers: row.answers + 1 })],
    ],
  });
  return {
    program: {
      events: [Counted, Answered, Echoed, Worked],
      consumers: [answering, jobs, claimed],
      automations: [echoing],
      projections: [history],
    },
    history,
  };
}
