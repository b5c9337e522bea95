import type { WaitingRoom } from './waiting.ts';

/** Lets those who would be in each other's way go one after the other, in the order in which they came. */
export class Turns {
  readonly #room: WaitingRoom;
  readonly #last = new Map<string, Promise<void>>();

  constructor(room: WaitingRoom) {
    this.#room = room;
  }

  /** Somebody has or awaits the turn of a name; undefined: nobody does. */
  busy(name: string): Promise<void> | undefined {
    return this.#last.get(name);
  }

  /**
   * Resolves when everybody has ended who came before and named one of these. To be ended by the answered function.
   *
   * Errors    SystemFull when too many wait; then nobody waits for it either.
   */
  async take(names: readonly string[]): Promise<() => void> {
    const isFree = names.every((name) => !this.#last.has(name));
    return isFree ? this.#take(names) : this.#room.for(() => this.#take(names));
  }

  async #take(names: readonly string[]): Promise<() => void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = names.map((name) => this.#last.get(name) ?? Promise.resolve());
    for (const name of names) this.#last.set(name, promise);
    await Promise.all(before);
    return () => {
      for (const name of names) if (this.#last.get(name) === promise) this.#last.delete(name);
      resolve();
    };
  }
}
