import type { EventDefinition } from '../event/define-event.ts';
import { open } from '../open.ts';
import type { System } from '../open.ts';
import type { SystemOptions } from '../system-options.ts';
import type { StoreFactory } from '../store.ts';
import type { Environment } from '../system/environment.ts';
import { keepAlive } from '../system/keep-alive.ts';
import { createMortality, interceptedStore } from './intercepted-store.ts';
import type { Interceptor } from './intercepted-store.ts';
import type { Recording } from './recording.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** What a program is, without a store and an environment: these are the test's. */
export type ProgramOptions<Events extends EventDefinition> = Omit<SystemOptions<Events>, 'store' | 'environment'>;

export interface TestProcessOptions<Events extends EventDefinition> {
  readonly program: ProgramOptions<Events>;
  readonly factory: StoreFactory;
  readonly clock: VirtualClock;
  /** Chance and ids go on from one process to the next, as they do in reality. */
  readonly environment: Environment;
  /** Gets every event that becomes durable. */
  readonly recording: Recording;
  /** Stands between the process and its store; what it has become of a dead one is nobody's any more. */
  readonly interrupt?: Interceptor;
}

/** One incarnation of a system: from its start to its orderly end or its crash. */
export interface TestProcess<Events extends EventDefinition> {
  readonly system: System<Events>;
  /** Calls of the store that were made and not answered yet. */
  readonly storeCalls: number;
  /** In order: attempts under way may finish. */
  close(): Promise<void>;
  /** As after SIGKILL: what is not durable is lost, and nothing of this process happens any more. */
  crash(): Promise<void>;
}

export async function startProcess<Events extends EventDefinition>(
  options: TestProcessOptions<Events>,
): Promise<TestProcess<Events>> {
  const { program, factory, clock, environment } = options;
  const session = clock.session();
  const mortality = createMortality();
  let release = async () => {};
  let letGo = () => {};
  const mortalFactory: StoreFactory = {
    ...factory,
    async open(given) {
      const store = await factory.open(given);
      release = () => store.close();
      await options.recording.follow(store.log);
      const { interrupt } = options;
      if (interrupt === undefined) return interceptedStore(store, mortality.intercept);
      return interceptedStore(store, (call) => mortality.intercept({ ...call, proceed: () => interrupt(call) }));
    },
  };
  const system = await open<Events>({
    ...program,
    store: mortalFactory,
    environment: {
      ...environment,
      clock: session.clock,
      keepAlive: () => (letGo = keepAlive()),
    },
  });
  return {
    system,
    get storeCalls() {
      return mortality.underWay + (options.recording.isReading ? 1 : 0);
    },
    async close() {
      const closing = system.close().finally(() => session.end());
      await untilDone(closing, clock);
      await closing;
    },
    async crash() {
      mortality.die();
      session.end();
      letGo();
      await release();
    },
  };
}

/** Lets the clock run until the promise is settled: the grace time of an attempt under way passes at once. */
async function untilDone(promise: Promise<unknown>, clock: VirtualClock): Promise<void> {
  let done = false;
  const settled = () => {
    done = true;
  };
  promise.then(settled, settled);
  for (;;) {
    await clock.advanceTo(clock.now());
    if (done || clock.nextMs === undefined) return;
    await clock.advanceTo(clock.nextMs);
  }
}
