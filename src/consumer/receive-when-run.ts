import { Closed, WrongState } from '../errors.ts';
import type { Claim, Claims, ReceiveOptions } from './claims.ts';

/** A queue without handler, as it stands at the moment. */
export interface ReceivedFrom {
  readonly name: string;
  /** Undefined: none of its lanes is here. */
  readonly claims: Claims | undefined;
  readonly isClosed: boolean;
  /** Nobody stopped or paused it: it waits for lanes, or for the store. */
  readonly hasYetToRun: boolean;
  /** Resolves when that may be otherwise. */
  changed(signal: AbortSignal | undefined): Promise<void>;
}

/** Claims events of a queue, as soon as it has lanes here. Errors: WrongState when it does not run; Closed. */
export async function receiveWhenRun(queue: ReceivedFrom, options: ReceiveOptions): Promise<readonly Claim[]> {
  for (;;) {
    const { claims } = queue;
    if (queue.isClosed) throw new Closed(`queue ${queue.name}`);
    if (claims === undefined && !queue.hasYetToRun) throw new WrongState(`queue ${queue.name} is not running`);
    if (options.signal?.aborted === true) return [];
    try {
      if (claims !== undefined) return await claims.receive(options);
    } catch (error) {
      // Lanes changed hands, and another loop will handle those that are here then.
      if (!(error instanceof Closed) || !queue.hasYetToRun) throw error;
    }
    if (queue.claims === claims) await queue.changed(options.signal);
  }
}
