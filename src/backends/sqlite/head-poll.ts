import type { LogWatchers } from '../../channel/log-watchers.ts';
import type { CancelTimer, Clock } from '../../system/clock.ts';

/** How long a reader in another process may be behind; the question costs 3 µs. */
const POLL_MS = 250;

/** Looks for what another process has appended, as long as somebody watches. Without watchers there is no timer. */
export class HeadPoll {
  readonly #clock: Clock;
  readonly #watchers: LogWatchers;
  readonly #readHead: () => number;
  #known = 0;
  #cancel: CancelTimer | undefined;

  constructor(clock: Clock, watchers: LogWatchers, readHead: () => number) {
    this.#clock = clock;
    this.#watchers = watchers;
    this.#readHead = readHead;
  }

  start(): void {
    if (this.#cancel !== undefined) return;
    this.#known = this.#readHead();
    this.#arm();
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #arm(): void {
    this.#cancel = this.#clock.setTimer(POLL_MS, () => {
      this.#cancel = undefined;
      if (!this.#watchers.any) return;
      this.#look();
      this.#arm();
    });
  }

  #look(): void {
    const head = this.#readHead();
    if (head <= this.#known) return;
    this.#known = head;
    this.#watchers.reached(head);
  }
}
