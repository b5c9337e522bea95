import type { Clock } from './clock.ts';
import { systemClock } from './clock.ts';
import type { Ids } from './ids.ts';
import { createIds } from './ids.ts';
import type { Logger } from './logger.ts';
import { silentLogger } from './logger.ts';
import type { Random } from './random.ts';
import { systemRandom } from './random.ts';

/** Everything that is not determined by the input: time, chance, and where to say what happened. */
export interface Environment {
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: Ids;
  readonly logger: Logger;
  /** Keeps the process alive while a system is open, until the answered function is called. Undefined: `keepAlive`. */
  readonly keepAlive?: (() => () => void) | undefined;
}

/** The environment of a real process, with what the caller wants otherwise. */
export function createEnvironment(overrides: Partial<Environment> = {}): Environment {
  const clock = overrides.clock ?? systemClock;
  const random = overrides.random ?? systemRandom();
  return {
    clock,
    random,
    ids: overrides.ids ?? createIds(clock, random),
    logger: overrides.logger ?? silentLogger,
    keepAlive: overrides.keepAlive,
  };
}
