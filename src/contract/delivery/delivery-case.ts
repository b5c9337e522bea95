import type { EventDefinition } from '../../event/define-event.ts';
import type { Store, StoreFactory } from '../../store.ts';
import type { Environment } from '../../system/environment.ts';
import type { Logger } from '../../system/logger.ts';
import { interceptedStore, testSystem } from '../../testing/index.ts';
import type { Interceptor, ProgramOptions, TestSystem } from '../../testing/index.ts';
import type { ContractBench, ContractCase } from '../contract-case.ts';

/** What stands between the engine and the store in one case: made anew each time the store is opened. */
export type NewInterceptor = () => Interceptor;

export interface StartOptions {
  readonly seed?: number;
  readonly interceptor?: NewInterceptor;
  /** Lies about what the store holds, for cases that show that a broken guarantee is noticed. */
  readonly broken?: (store: Store) => Store;
  /** Default: what test systems have. */
  readonly logger?: Logger;
}

/** Where a case gets its systems from: the engine under test, on a store of the bench and a virtual clock. */
export interface DeliveryStage {
  /** A system on a store of its own. It is closed when the case is over. */
  start<const Events extends EventDefinition>(
    program: ProgramOptions<Events>,
    options?: StartOptions,
  ): Promise<TestSystem<Events>>;
}

export type DeliveryBody = (stage: DeliveryStage) => Promise<void>;

/** Cases about the delivery engine, by their sentence. */
export function deliveryCases(
  bench: ContractBench,
  bodies: Readonly<Record<string, DeliveryBody>>,
  requires?: ContractCase['requires'],
): readonly ContractCase[] {
  return Object.entries(bodies).map(([name, body]) => ({
    name,
    ...(requires === undefined ? {} : { requires }),
    run: () => onStage(bench, body),
  }));
}

/** Runs a body with a stage of its own. */
export async function onStage(bench: ContractBench, body: DeliveryBody): Promise<void> {
  const started: { close(): Promise<void> }[] = [];
  try {
    await body({
      async start(program, options = {}) {
        const store = storeOf(bench, options);
        const test = await testSystem({
          ...program,
          store,
          seed: options.seed ?? 1,
          ...(options.logger === undefined ? {} : { logger: options.logger }),
        });
        started.push(test);
        return test;
      },
    });
  } finally {
    for (const test of started) await test.close();
  }
}

/** A factory for one store of the bench: opened first, reopened whenever it is opened again. */
function storeOf(bench: ContractBench, { interceptor, broken }: StartOptions): StoreFactory {
  let opened: Store | undefined;
  return {
    backend: 'contract',
    location: 'a store of the bench',
    async open(environment: Environment) {
      if (opened === undefined) opened = await bench.open();
      else if (bench.reopen === undefined) throw new Error('this bench cannot reopen a store');
      else opened = await bench.reopen(opened);
      // The store of a bench has the bench's clock; it follows the one of the test.
      const follow: Interceptor = (call) => {
        bench.clock.set(environment.clock.now());
        return call.proceed();
      };
      const store = interceptedStore(opened, follow);
      const given = broken === undefined ? store : broken(store);
      return interceptor === undefined ? given : interceptedStore(given, interceptor());
    },
  };
}
