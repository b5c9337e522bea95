import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Position } from '../../event/position.ts';
import { defineProjection } from '../../projection/define-projection.ts';
import { seededRandom } from '../../system/random.ts';
import type { TestSystem } from '../../testing/index.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import type { DeliveryStage } from './delivery-case.ts';
import { Counted, upTo } from './samples.ts';

const SEEDS = 10;
const STEPS = 60;
const ITEMS = ['a', 'b', 'c', 'd'] as const;

interface Row {
  readonly sum: number;
  readonly events: number;
  readonly last: number;
}

/** What happens to an inline projection, drawn by a seed, and what must be so whatever did. */
class Drawn {
  readonly #random: () => number;
  readonly #test: TestSystem<typeof Counted>;
  /** Items whose events cannot be projected at present. */
  readonly #broken: Set<string>;
  readonly #given = new Set<Position>();
  #under: Promise<unknown>[] = [];
  #n = 0;
  readonly #repeats: boolean;
  readonly #lastOf: (version: number) => number;
  /** How often rows were compared right after a publish. */
  compared = 0;

  constructor(
    test: TestSystem<typeof Counted>,
    broken: Set<string>,
    seed: number,
    lastOf: (version: number) => number,
  ) {
    this.#test = test;
    this.#lastOf = lastOf;
    this.#broken = broken;
    const random = seededRandom(seed);
    this.#random = () => random.next();
    // What was given up is taken in again by a replay: a history has either of the two.
    this.#repeats = seed % 2 === 0;
  }

  async step(): Promise<void> {
    const drawn = this.#random();
    if (drawn < 0.45) return this.#publish();
    if (drawn < 0.6) return this.#publishBeside();
    if (drawn < 0.66) return this.#break();
    if (drawn < 0.72) return this.#mend();
    if (drawn < 0.78) return this.#test.consumers.pause('rows');
    if (drawn < 0.86) return this.#test.consumers.resume('rows');
    if (drawn < 0.91) return this.#repeats ? this.#repeat() : this.#giveUp();
    if (drawn < 0.94) return this.#end(() => this.#test.restart());
    if (drawn < 0.97) return this.#end(() => this.#test.crash());
    if (drawn < 0.985) return this.#test.advance('2s');
    await nextTurn();
  }

  /** Whatever is in the way is cleared: then the rows are the fold of the log, and inline. */
  async finish(): Promise<void> {
    await Promise.allSettled(this.#under);
    this.#broken.clear();
    await this.#test.consumers.resume('rows');
    await this.#test.settled({ advance: true });
    for (;;) {
      const letters = await this.#test.parked('rows');
      if (letters.length === 0) break;
      for (const { id } of letters) await this.#test.deadLetters.retry(id);
      await this.#test.settled({ advance: true });
    }
    await this.#compare();
    assert.equal((await this.#test.consumers.status('rows')).inline, 'in-force');
    await this.#publish();
  }

  #item(): string {
    return ITEMS[Math.floor(this.#random() * ITEMS.length)] ?? 'a';
  }

  #batch(): readonly { readonly event: typeof Counted; readonly data: { item: string; n: number } }[] {
    return upTo(1 + Math.floor(this.#random() * 3)).map(() => ({
      event: Counted,
      data: { item: this.#item(), n: (this.#n += 1) },
    }));
  }

  /** Where the projection is inline when that has returned, its rows are the fold of the log: nothing was waited for. */
  async #publish(): Promise<void> {
    await this.#test.system.publishAll(this.#batch());
    if ((await this.#test.consumers.status('rows')).inline !== 'in-force') return;
    await Promise.allSettled(this.#under);
    if ((await this.#test.consumers.status('rows')).inline !== 'in-force') return;
    this.compared += 1;
    await this.#compare();
  }

  async #publishBeside(): Promise<void> {
    this.#under.push(this.#test.system.publishAll(this.#batch()));
    if (this.#random() < 0.5) await nextTurn();
  }

  #break(): void {
    this.#broken.add(this.#item());
  }

  async #mend(): Promise<void> {
    this.#broken.clear();
    for (const { id } of await this.#test.parked('rows')) await this.#test.deadLetters.retry(id).catch(() => undefined);
  }

  async #repeat(): Promise<void> {
    if (this.#random() < 0.5) await this.#test.consumers.replay('rows', 'beginning');
    else await this.#test.views.rebuild('rows').catch(() => undefined);
  }

  async #giveUp(): Promise<void> {
    for (const { id, position } of await this.#test.parked('rows')) {
      await this.#test.deadLetters.discard(id, 'drawn');
      this.#given.add(position);
    }
  }

  /** What is under way then is answered or not; it is in the log or not. */
  async #end(act: () => Promise<void>): Promise<void> {
    for (const each of this.#under) void each.catch(() => undefined);
    this.#under = [];
    await act();
  }

  async #compare(): Promise<void> {
    const rows = new Map<string, Row>();
    for (let after = 0; ;) {
      const page = await this.#test.system.events.read({ after, limit: 1_000, types: [Counted.type] });
      for (const { data, position, version } of page.events) {
        if (this.#given.has(position)) continue;
        const { item, n } = data as { item: string; n: number };
        const row = rows.get(item) ?? { sum: 0, events: 0, last: 0 };
        rows.set(item, { sum: row.sum + n, events: row.events + 1, last: this.#lastOf(version) });
      }
      if (page.next === undefined) break;
      after = page.next;
    }
    const found = await this.#test.views.query('rows');
    assert.deepEqual(
      Object.fromEntries(found.items.map(({ key, row }) => [key, row])),
      Object.fromEntries([...rows].sort(([left], [right]) => (left < right ? -1 : 1))),
    );
  }
}

async function play(stage: DeliveryStage, seed: number): Promise<number> {
  const broken = new Set<string>();
  // What looks at no place of an event a store may work out before it is recorded.
  const isPlain = seed % 3 === 0;
  const lastOf = (version: number) => (isPlain ? 0 : version);
  const rows = defineProjection({
    name: 'rows',
    mode: 'inline',
    key: (event) => event.data.item,
    initial: (): Row => ({ sum: 0, events: 0, last: 0 }),
    on: [
      [
        Counted,
        (row, event) => {
          const { data } = event;
          if (broken.has(data.item)) throw new Error(`${data.item} is broken`);
          return { sum: row.sum + data.n, events: row.events + 1, last: isPlain ? 0 : event.version };
        },
      ],
    ],
    indexes: { sum: (row) => row.sum },
    retry: { attempts: 2, minDelay: '1s' },
  });
  const test = await stage.start({ events: [Counted], projections: [rows] }, { seed });
  const drawn = new Drawn(test, broken, seed, lastOf);
  for (let step = 0; step < STEPS; step += 1) await drawn.step();
  await drawn.finish();
  return drawn.compared;
}

/** No event is projected twice and none is left out, whoever has the checkpoint when (G5, G6, G7). */
export const projectingModelCases: ContractSuite = (bench) =>
  deliveryCases(
    bench,
    Object.fromEntries(
      upTo(SEEDS).map((seed) => [
        `G5 G6 G7 an inline projection is the fold of the log, whatever fails, is paused, replayed, rebuilt, killed or given up when, seed ${seed}`,
        async (stage: DeliveryStage) => {
          assert.ok((await play(stage, seed)) > 0, 'it was inline at some time');
        },
      ]),
    ),
    'inlineProjections',
  );
