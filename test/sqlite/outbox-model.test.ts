import { DatabaseSync } from 'node:sqlite';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Program } from './outbox-bench.ts';
import { systemClock, waitFor } from '../../src/system/clock.ts';
import { order, program, recorded } from './outbox-bench.ts';

type Act = 'begin' | 'put' | 'commit' | 'rollback' | 'savepoint' | 'release' | 'rollback to';

/** What a database must have told: savepoints as a stack of what was put since each; the lowest is the transaction. */
class Model {
  readonly database = new DatabaseSync(':memory:');
  readonly committed: string[] = [];
  readonly #levels: string[][] = [];
  readonly #name: string;
  #count = 0;

  constructor(name: string) {
    this.#name = name;
  }

  get open(): boolean {
    return this.#levels.length > 0;
  }

  async act(act: Act, system: Program): Promise<void> {
    const above = this.#levels.length - 1;
    switch (act) {
      case 'begin':
        if (!this.open) this.#change('BEGIN', () => this.#levels.push([]));
        return;
      case 'put': {
        const ids = Array.from({ length: 1 + (this.#count % 3) }, () => `${this.#name}${(this.#count += 1)}`);
        await system.publishWithin(
          this.database,
          ids.map((id) => order(id)),
        );
        (this.#levels.at(-1) ?? this.committed).push(...ids);
        return;
      }
      case 'commit':
        if (this.open) this.#change('COMMIT', () => this.committed.push(...this.#levels.splice(0).flat()));
        return;
      case 'rollback':
        if (this.open) this.#change('ROLLBACK', () => this.#levels.splice(0));
        return;
      case 'savepoint':
        if (this.open) this.#change(`SAVEPOINT s${above + 1}`, () => this.#levels.push([]));
        return;
      case 'release':
        if (above > 0)
          this.#change(`RELEASE s${above}`, () => {
            const released = this.#levels.pop() ?? [];
            this.#levels.at(-1)?.push(...released);
          });
        return;
      case 'rollback to':
        if (above > 0) this.#change(`ROLLBACK TO s${above}`, () => this.#levels.at(-1)?.splice(0));
    }
  }

  #change(sql: string, change: () => unknown): void {
    this.database.exec(sql);
    change();
  }

  /** What is recorded of it: nothing but what was committed, in its order; all of that, where nothing can hold it up. */
  check(ids: readonly string[]): void {
    const own = ids.filter((id) => id.startsWith(this.#name));
    expect(own).toEqual(this.committed.slice(0, own.length));
    if (!this.open) expect(own).toEqual(this.committed);
  }
}

const acts = fc.constantFrom<Act>('begin', 'put', 'put', 'commit', 'rollback', 'savepoint', 'release', 'rollback to');
const step = fc.record({
  at: fc.constantFrom<0 | 1>(0, 1),
  act: acts,
  after: fc.constantFrom('nothing', 'nothing', 'turn', 'settle'),
});

test('whatever is begun, put, taken back and committed on two databases, exactly what is committed is recorded (G1, G3, G5)', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
      const models = [new Model('a'), new Model('b')] as const;
      const system = await program({ store: 'memory:', outboxes: models.map(({ database }) => database) });
      for (const { at, act, after } of steps) {
        await models[at].act(act, system);
        // Nothing is waited for: time passes, so that the outbox looks by itself in the middle of what is done.
        if (after === 'turn') await waitFor(systemClock, 2);
        if (after !== 'settle') continue;
        await system.settled();
        const ids = await recorded(system);
        for (const model of models) model.check(ids);
      }
      for (const model of models) await model.act('commit', system);
      await system.settled();
      const ids = await recorded(system);
      for (const model of models) model.check(ids);
      await system.close();
      for (const { database } of models) database.close();
    }),
    { numRuns: Number(process.env['MODEL_RUNS'] ?? 150) },
  );
});
