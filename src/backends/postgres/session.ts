import { Closed } from '../../errors.ts';

/** From `open` to `close` of one store; every port of it asks here first. */
export class Session {
  readonly #store: string;
  #open = true;

  constructor(store: string) {
    this.#store = store;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Errors Closed after `close`. */
  assertOpen(): void {
    if (!this.#open) throw new Closed(`store ${this.#store}`);
  }

  close(): void {
    this.#open = false;
  }
}
