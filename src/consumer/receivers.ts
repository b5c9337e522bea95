import { systemClock } from '../system/clock.ts';
import type { CancelTimer } from '../system/clock.ts';

/** Whoever received is expected again for so long, in real time as the leases of nodes. */
const EXPECTED_MS = 10_000;

interface Presence {
  waiting: number;
  cancel: CancelTimer | undefined;
}

/** From which queues without handler somebody receives in this process. */
export class Receivers {
  readonly #changed: () => void;
  readonly #queues = new Map<string, Presence>();

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get queues(): readonly string[] {
    return [...this.#queues.keys()];
  }

  /** Somebody comes, and goes when the answered function is called; is expected again for a while, and as long as `busy` says. */
  come(queue: string, busy: () => boolean): () => void {
    let presence = this.#queues.get(queue);
    if (presence === undefined) {
      presence = { waiting: 0, cancel: undefined };
      this.#queues.set(queue, presence);
      this.#changed();
    }
    const came = presence;
    came.cancel?.();
    came.waiting += 1;
    return () => {
      came.waiting -= 1;
      if (came.waiting === 0 && this.#queues.get(queue) === came) this.#expect(queue, came, busy);
    };
  }

  close(): void {
    for (const { cancel } of this.#queues.values()) cancel?.();
    this.#queues.clear();
  }

  #expect(queue: string, presence: Presence, busy: () => boolean): void {
    presence.cancel = systemClock.setTimer(EXPECTED_MS, () => {
      if (busy()) {
        this.#expect(queue, presence, busy);
        return;
      }
      this.#queues.delete(queue);
      this.#changed();
    });
  }
}
