import { SystemFull } from '../errors.ts';

/** Callers that find the room full may come again after this long: others are through by then, mostly. */
const RETRY_AFTER_MS = 100;

/** The room for commands that wait for others: for their turn, for the first one of their id, for what a state is made of (G10). */
export class WaitingRoom {
  readonly #most: number;
  #waiting = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Waits for something. Errors: SystemFull when too many do. */
  async for<Answer>(pending: () => Promise<Answer>): Promise<Answer> {
    if (this.#waiting >= this.#most)
      throw new SystemFull(`the room for ${this.#most} commands that wait for others`, RETRY_AFTER_MS);
    this.#waiting += 1;
    try {
      return await pending();
    } finally {
      this.#waiting -= 1;
    }
  }
}
