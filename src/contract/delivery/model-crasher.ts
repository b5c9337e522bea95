import type { Interceptor } from '../../testing/index.ts';
import type { NewInterceptor } from './delivery-case.ts';

/** Kills a process in the middle of one of its calls to the store. */
export interface Crasher {
  readonly newInterceptor: NewInterceptor;
  /** The process dies at the n-th call from now: before it happens, or after it happened and before its caller knows. */
  arm(calls: number, when: 'before' | 'after'): void;
  /** Resolved when it has died; anew after each opening of the store. */
  readonly died: Promise<void>;
  readonly dead: boolean;
}

/** `latency` passes between the end of each call and the moment its caller hears of it. */
export function createCrasher(latency: () => Promise<void> = async () => {}): Crasher {
  const never = new Promise<never>(() => {});
  let left = Number.POSITIVE_INFINITY;
  let when: 'before' | 'after' = 'before';
  let dead = false;
  let death = Promise.withResolvers<void>();
  const die = (): Promise<never> => {
    dead = true;
    death.resolve();
    return never;
  };
  const intercept: Interceptor = async (call) => {
    if (dead) return never;
    left -= 1;
    if (left > 0) {
      try {
        const answer = await call.proceed();
        await latency();
        return dead ? await never : answer;
      } catch (error) {
        if (dead) return never;
        throw error;
      }
    }
    left = Number.POSITIVE_INFINITY;
    if (when === 'before') return die();
    await call.proceed();
    return die();
  };
  return {
    newInterceptor() {
      dead = false;
      left = Number.POSITIVE_INFINITY;
      death = Promise.withResolvers<void>();
      // The store that was opened before has its own hold on `intercept`; its process is gone with its clock and its calls.
      return intercept;
    },
    arm(calls, instant) {
      left = calls;
      when = instant;
    },
    get died() {
      return death.promise;
    },
    get dead() {
      return dead;
    },
  };
}
