import assert from 'node:assert/strict';
import type { Claim } from '../../consumer/claims.ts';
import type { TestSystem } from '../../testing/index.ts';
import type { Crasher } from './model-crasher.ts';
import type { Echoed, Worked } from './model-program.ts';
import { Counted } from './samples.ts';
import type { Answered } from './samples.ts';

export type ModelSystem = TestSystem<typeof Counted | typeof Answered | typeof Echoed | typeof Worked>;

export const ITEMS = ['a', 'b', 'c', 'd'];

/** Does at random what publishers, operators and misfortune do. */
export class Driver {
  readonly #test: ModelSystem;
  readonly #crasher: Crasher;
  readonly #chance: { next(): number };
  readonly #published = new Map<string, number>();
  readonly #acknowledged = new Set<number>();

  constructor(test: ModelSystem, crasher: Crasher, chance: { next(): number }) {
    this.#test = test;
    this.#crasher = crasher;
    this.#chance = chance;
  }

  published(item: string): readonly number[] {
    return Array.from({ length: this.#published.get(item) ?? 0 }, (_, index) => index + 1);
  }

  async step(): Promise<void> {
    const kind = this.#chance.next() * 1.15;
    if (kind < 0.45) await this.#publish(1 + this.#upTo(4));
    else if (kind < 0.75) await this.#test.clock.advance(this.#upTo(40));
    else if (kind < 0.85) this.#crasher.arm(1 + this.#upTo(30), this.#chance.next() < 0.5 ? 'before' : 'after');
    else if (kind < 0.88) await this.#unlessDead(() => this.#test.consumers.pause('answering'));
    else if (kind < 0.92) await this.#unlessDead(() => this.#test.consumers.resume('answering'));
    else if (kind < 0.94)
      await this.#unlessDead(async () => void (await this.#test.deadLetters.retryAll({ consumer: 'answering' })));
    else if (kind < 0.96) await this.#discardOne();
    else if (kind < 1) await this.#restart();
    else await this.#receive();
    if (this.#crasher.dead) await this.#test.crash();
  }

  /** Everything that can happen, happens; nothing fails any more. */
  async finish(): Promise<void> {
    await this.#test.crash();
    await this.#test.consumers.resume('answering');
    await this.#test.settled({ advance: true });
    await this.#receiveAll();
    for (let letters = 1; letters > 0;) {
      letters = await this.#test.deadLetters.retryAll({ consumer: 'answering' });
      await this.#test.settled({ advance: true });
    }
    const statuses = await this.#test.consumers.list();
    for (const { name, lag, parked, retrying, waiting } of statuses) {
      assert.deepEqual(
        { name, lag: lag.events, parked, retrying, waiting },
        { name, lag: 0, parked: 0, retrying: 0, waiting: 0 },
      );
    }
  }

  async #restart(): Promise<void> {
    if (this.#crasher.dead) return;
    await Promise.race([this.#test.restart(), this.#crasher.died]);
  }

  /** Takes some events from the queue without handler, and settles them in one way or another. */
  async #receive(): Promise<void> {
    await this.#unlessDead(async () => {
      for (const claim of await this.#available(1 + this.#upTo(4))) {
        const kind = this.#chance.next();
        if (kind < 0.6) await this.#acknowledge(claim);
        else if (kind < 0.8) await claim.nack({ delayMs: this.#upTo(30) });
        // Else the lease runs out.
      }
    });
  }

  async #receiveAll(): Promise<void> {
    for (;;) {
      await this.#test.clock.advance('1m');
      const claims = await this.#available(100);
      for (const claim of claims) await this.#acknowledge(claim);
      const { waiting, retrying, buffered } = await this.#test.consumers.status('claimed');
      if (claims.length === 0 && waiting + retrying + buffered === 0) return;
    }
  }

  async #acknowledge(claim: Claim): Promise<void> {
    if (await claim.ack()) this.#acknowledged.add(claim.event.position);
  }

  /** Nothing that was acknowledged is ever given out again. */
  async #available(max: number): Promise<readonly Claim[]> {
    const now = new AbortController();
    const receiving = this.#test.consumers.receive('claimed', { max, leaseMs: 20, signal: now.signal });
    setImmediate(() => now.abort());
    const claims = await receiving;
    for (const { event } of claims)
      assert.ok(!this.#acknowledged.has(event.position), `event ${event.position} was acknowledged and came again`);
    return claims;
  }

  async #publish(howMany: number): Promise<void> {
    const publications = Array.from({ length: howMany }, () => {
      const item = ITEMS[this.#upTo(ITEMS.length)] ?? 'a';
      const n = (this.#published.get(item) ?? 0) + 1;
      this.#published.set(item, n);
      return { event: Counted, data: { item, n }, options: { id: `${item}-${n}` } };
    });
    // As a publisher who was not told whether it worked: again, with the same ids.
    for (let done = false; !done;) {
      done = await this.#unlessDead(async () => void (await this.#test.system.publishAll(publications)));
      if (!done) await this.#test.crash();
    }
  }

  async #discardOne(): Promise<void> {
    await this.#unlessDead(async () => {
      const [letter] = await this.#test.parked('answering');
      if (letter === undefined) return;
      await this.#test.deadLetters.discard(letter.id);
    });
  }

  /** Answers whether it was carried out before the process died. */
  async #unlessDead(act: () => Promise<void>): Promise<boolean> {
    if (this.#crasher.dead) return false;
    // Time has to pass for what waits for attempts under way; a system that is dead does nothing in it.
    const over = new AbortController();
    const acting = act().finally(() => over.abort());
    const died = this.#crasher.died.then(() => over.abort());
    acting.catch(() => undefined);
    while (!over.signal.aborted) {
      await this.#test.clock.advance(0);
      if (!over.signal.aborted && this.#test.clock.nextMs !== undefined)
        await this.#test.clock.advanceTo(this.#test.clock.nextMs);
    }
    return Promise.race([acting.then(() => true), died.then(() => false)]);
  }

  #upTo(limit: number): number {
    return Math.floor(this.#chance.next() * limit);
  }
}
