/** Commands of many callers on few streams, some of them across two: what is killed, and what has to hold afterwards (G1 to G4, G6). */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeSync } from 'node:fs';
import { CommandContested, defineCommand, defineDecider, defineEvent, fact, ofStream, refuse } from 'thereupon';
import type { AnySystem, CommandOutcome, RecordedEvent } from 'thereupon';
import { z } from 'zod';

const PURSES = 10;
/** Commands that are asked for again after each restart: the newest that were acknowledged. */
const ASKED_AGAIN = 200;

const put = z.object({ purse: z.int(), amount: z.int() });
const stream = ({ purse }: { purse: number }) => `purse-${purse}`;

const Filled = defineEvent({ type: 'crash.purse.filled', schema: put, stream });
const Emptied = defineEvent({ type: 'crash.purse.emptied', schema: put, stream });
const Fill = defineCommand({ name: 'crash.fill-purse', schema: put, stream });
const Spend = defineCommand({ name: 'crash.spend', schema: put, stream });
const Shift = defineCommand({
  name: 'crash.shift',
  schema: z.object({ from: z.int(), to: z.int(), amount: z.int() }),
});

/** Nobody spends what is not there. */
const purse = defineDecider({
  name: 'purse',
  initial: () => ({ balance: 0 }),
  evolve: [
    [Filled, (state, { data }) => ({ balance: state.balance + data.amount })],
    [Emptied, (state, { data }) => ({ balance: state.balance - data.amount })],
  ],
  decide: [
    [Fill, (_state, { data }) => fact(Filled, data)],
    [Spend, (state, { data }) => (data.amount <= state.balance ? fact(Emptied, data) : refuse('not-covered'))],
  ],
  snapshot: { every: 50 },
});

const shift = defineDecider({
  name: 'shift',
  across: {
    from: ofStream(purse, ({ from }: { from: number }) => `purse-${from}`),
    to: ofStream(purse, ({ to }: { to: number }) => `purse-${to}`),
  },
  decide: [
    [
      Shift,
      ({ from }, { data }) =>
        data.amount <= from.balance
          ? [
              fact(Emptied, { purse: data.from, amount: data.amount }),
              fact(Filled, { purse: data.to, amount: data.amount }),
            ]
          : refuse('not-covered'),
    ],
  ],
});

export const deciders = [purse, shift] as const;

/** A command as it is written down. */
interface Sketch {
  readonly id: string;
  readonly kind: 'fill' | 'spend' | 'shift';
  readonly purse: number;
  readonly other: number;
  readonly amount: number;
}

export function nextCommand(below: (bound: number) => number, id: string): Sketch {
  const kind = (['fill', 'spend', 'spend', 'shift'] as const)[below(4)] ?? 'fill';
  return { id, kind, purse: below(PURSES), other: below(PURSES), amount: 1 + below(20) };
}

export function execute(
  system: Pick<AnySystem, 'execute'>,
  { id, kind, purse: number, other, amount }: Sketch,
): Promise<CommandOutcome> {
  switch (kind) {
    case 'fill':
      return system.execute(Fill, { purse: number, amount }, { id });
    case 'spend':
      return system.execute(Spend, { purse: number, amount }, { id });
    case 'shift':
      return system.execute(Shift, { from: number, to: other, amount }, { id });
  }
}

/** One after the other, each written down when it is acknowledged. */
export async function command(
  system: Pick<AnySystem, 'execute'>,
  sketch: Sketch,
  acks: number,
  /** Waits until it may go better, or throws. */
  again: (error: unknown) => Promise<void>,
): Promise<void> {
  for (;;) {
    try {
      const { accepted, events } = await execute(system, sketch);
      writeSync(acks, `${JSON.stringify({ sketch, accepted, ids: events.map(({ id }) => id) })}\n`);
      return;
    } catch (error) {
      // The same id again: nothing is done twice.
      if (!(error instanceof CommandContested)) await again(error);
    }
  }
}

/** Answers how many commands were acknowledged. */
export async function verifyPurses(system: AnySystem, log: readonly RecordedEvent[], ackFile: string): Promise<number> {
  const moves = log.filter(({ type }) => type === Filled.type || type === Emptied.type);
  const balances = new Map<string, number>();
  const byCommand = new Map<string, RecordedEvent[]>();
  for (const event of moves) {
    const { amount } = event.data as { amount: number };
    const balance = (balances.get(event.stream) ?? 0) + (event.type === Filled.type ? amount : -amount);
    assert.ok(balance >= 0, `G4: ${event.stream} has ${balance} at version ${event.version}`);
    balances.set(event.stream, balance);
    const id = event.causationid ?? '';
    byCommand.set(id, [...(byCommand.get(id) ?? []), event]);
  }
  for (const [name, balance] of balances)
    assert.deepEqual((await system.deciders.state(purse, name)).state, { balance }, `G6: the state of ${name}`);
  const lines = existsSync(ackFile) ? readFileSync(ackFile, 'utf8').split('\n').slice(0, -1) : [];
  const acknowledged = lines.map((line) => JSON.parse(line) as { sketch: Sketch; accepted: boolean; ids: string[] });
  for (const { sketch, accepted, ids } of acknowledged) {
    const found = (byCommand.get(sketch.id) ?? []).map(({ id }) => id);
    assert.deepEqual(found, ids, `G1, G2: the facts of command ${sketch.id}, which was acknowledged`);
    assert.equal(ids.length, accepted ? (sketch.kind === 'shift' ? 2 : 1) : 0, `G3: command ${sketch.id}`);
  }
  for (const { sketch, accepted, ids } of acknowledged.slice(-ASKED_AGAIN)) {
    const again = await execute(system, sketch);
    assert.deepEqual(
      [again.duplicate, again.accepted, again.events.map(({ id }) => id)],
      [true, accepted, ids],
      `G2: command ${sketch.id}, executed again`,
    );
  }
  return lines.length;
}
