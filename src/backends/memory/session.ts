import { Closed } from '../../errors.ts';

/** From `open` to `close` of one store; every port of it asks here first. */
export class Session {
  readonly #store: string;
  #open = true;

  constructor(store: string) {
    this.#store = store;
  }

  /** Errors Closed after `close`. */
  assertOpen(): void {
    if (!this.#open) throw new Closed(this.#store);
  }

  /** Answers whether this call closed it. */
  close(): boolean {
    const wasOpen = this.#open;
    this.#open = false;
    return wasOpen;
  }
}
