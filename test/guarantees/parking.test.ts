import { TerminalError, WrongState, defineConsumer } from 'thereupon';
import { testSystem } from 'thereupon/testing';
import { describe, expect, it } from 'vitest';
import { Answered, Happened } from './things.ts';

/** Fails for things in `broken`, answers the others; writes down what it handled. */
function answering(broken: Set<string>) {
  const handled: string[] = [];
  const consumer = defineConsumer({
    name: 'answering',
    on: Happened,
    publishes: [Answered],
    retry: { attempts: 3, minDelay: '1s', jitter: 0 },
    async handle({ event, publish }) {
      const { thing, n } = event.data;
      if (broken.has(thing)) throw new Error(`${thing} is broken`);
      handled.push(`${thing}${n}`);
      await publish(Answered, { thing, n });
    },
  });
  return { consumer, handled };
}

async function withThreeParked() {
  const broken = new Set(['a']);
  const { consumer, handled } = answering(broken);
  const test = await testSystem({ events: [Happened, Answered], consumers: [consumer] });
  for (const n of [1, 2, 3]) {
    await test.system.publish(Happened, { thing: 'a', n });
    await test.system.publish(Happened, { thing: 'b', n });
  }
  await test.settled({ advance: true });
  return { test, broken, handled };
}

describe('parking per key (G7)', () => {
  it('stops only the key of the bad event: later ones of it wait, other keys go on', async () => {
    const { test, handled } = await withThreeParked();
    await using _ = test;
    expect(handled).toEqual(['b1', 'b2', 'b3']);
    const [letter, ...others] = await test.parked();
    expect(others).toEqual([]);
    expect(letter).toMatchObject({
      consumer: 'answering',
      key: 'thing-a',
      attempts: 3,
      waitingBehind: 2,
      error: { message: 'a is broken' },
    });
    expect(letter?.event?.data).toEqual({ thing: 'a', n: 1 });
  });

  it('lets followers go on in order after a retry', async () => {
    const { test, broken, handled } = await withThreeParked();
    await using _ = test;
    broken.clear();
    expect(await test.deadLetters.retryAll({ consumer: 'answering' })).toBe(1);
    await test.settled({ advance: true });
    expect(handled.slice(3)).toEqual(['a1', 'a2', 'a3']);
    expect(
      test
        .recorded(Answered)
        .filter((event) => event.stream === 'answer-a')
        .map((event) => event.version),
    ).toEqual([1, 2, 3]);
    expect(await test.parked()).toEqual([]);
  });

  it('tries a retried letter as if for the first time, and parks it again when it still fails (JQ4)', async () => {
    const { test } = await withThreeParked();
    await using _ = test;
    await test.deadLetters.retryAll({ consumer: 'answering' });
    await test.settled({ advance: true });
    expect((await test.parked())[0]).toMatchObject({ attempts: 3, waitingBehind: 2 });
    expect(await test.deadLetters.retryAll({ consumer: 'nobody' })).toBe(0);
  });

  it('goes on with the followers after a discard, without the discarded one', async () => {
    const { test, broken, handled } = await withThreeParked();
    await using _ = test;
    broken.clear();
    const [letter] = await test.parked();
    await test.deadLetters.discard(letter?.id ?? '', 'a test');
    await test.settled({ advance: true });
    expect(handled.slice(3)).toEqual(['a2', 'a3']);
    expect(test.reported('thereupon.delivery.discarded')).toHaveLength(1);
  });

  it('retries with other data where an operator gave some, and leaves the event as it is', async () => {
    const { test, handled } = await withThreeParked();
    await using _ = test;
    const [letter] = await test.parked();
    await test.deadLetters.retryEdited(letter?.id ?? '', { thing: 'c', n: 9 });
    await test.settled({ advance: true });
    expect(handled.slice(3)).toEqual(['c9']);
    expect(test.recorded(Happened)[0]?.data).toEqual({ thing: 'a', n: 1 });
    // The next of the key is now the first, and as broken as before.
    expect((await test.parked())[0]).toMatchObject({ waitingBehind: 1 });
  });

  it.each(['restart', 'crash'] as const)('keeps what is parked and its followers in order over a %s', async (end) => {
    const { test, broken, handled } = await withThreeParked();
    await using _ = test;
    await test[end]();
    await test.system.publish(Happened, { thing: 'a', n: 4 });
    await test.settled({ advance: true });
    expect((await test.parked())[0]).toMatchObject({ waitingBehind: 3 });
    broken.clear();
    await test.deadLetters.retryAll({ consumer: 'answering' });
    await test.settled({ advance: true });
    expect(handled.slice(3)).toEqual(['a1', 'a2', 'a3', 'a4']);
  });

  it('refuses to retry what is no dead letter', async () => {
    const { test } = await withThreeParked();
    await using _ = test;
    const waiting = test.recorded(Happened)[2]?.position;
    await expect(test.deadLetters.retry(`answering~${waiting}`)).rejects.toThrow(WrongState);
    await expect(test.deadLetters.retry('answering~99')).rejects.toThrow('does not exist');
    await expect(test.deadLetters.retry('nonsense')).rejects.toThrow('consumer~position');
  });

  it('parks at once when the error is terminal, by class or by the consumer’s own word', async () => {
    const consumer = defineConsumer({
      name: 'terminal',
      on: Happened,
      retry: { terminal: (error) => error instanceof TerminalError || error instanceof RangeError },
      handle({ event }) {
        throw event.data.n === 1 ? new TerminalError('no use') : new RangeError('out of range');
      },
    });
    await using test = await testSystem({ events: [Happened], consumers: [consumer] });
    await test.when(Happened, { thing: 'a', n: 1 }).thereuponParked('terminal', 'no use');
    await test.when(Happened, { thing: 'b', n: 2 }).thereuponParked('terminal', 'out of range');
    expect((await test.parked()).map(({ attempts }) => attempts)).toEqual([1, 1]);
  });

  it('gives up by age as well as by number', async () => {
    let attempts = 0;
    const consumer = defineConsumer({
      name: 'old',
      on: Happened,
      retry: { attempts: 1_000, minDelay: '1m', factor: 1, jitter: 0, maxAge: '5m' },
      handle() {
        attempts += 1;
        throw new Error('never');
      },
    });
    await using test = await testSystem({ events: [Happened], consumers: [consumer] });
    await test.system.publish(Happened, { thing: 'a', n: 1 });
    await test.settled({ advance: true });
    expect(attempts).toBe(6);
    expect(await test.parked('old')).toHaveLength(1);
  });

  it('stores any thrown value safely, nested and circular ones too (JQ1)', async () => {
    const circular: Record<string, unknown> = { name: 'ring' };
    circular['self'] = circular;
    const thrown: unknown[] = [
      'a text',
      circular,
      new Error('outer', { cause: new Error('inner', { cause: 'innermost' }) }),
      undefined,
      10n,
    ];
    const consumer = defineConsumer({
      name: 'throwing',
      on: Happened,
      retry: { attempts: 1 },
      handle({ event }) {
        // oxlint-disable-next-line only-throw-error -- anything can be thrown, and users do
        throw thrown[event.data.n];
      },
    });
    await using test = await testSystem({ events: [Happened], consumers: [consumer] });
    for (const n of thrown.keys()) await test.when(Happened, { thing: String(n), n });
    const errors = (await test.parked()).map(({ error }) => error);
    expect(errors.map((error) => error?.message)).toEqual([
      'a text',
      expect.stringContaining('ring'),
      'outer',
      'undefined',
      '10',
    ]);
    expect(errors[2]?.cause).toMatchObject({ message: 'inner', cause: { message: 'innermost' } });
  });
});
