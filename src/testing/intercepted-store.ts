import type { Store, StoreFactory } from '../store.ts';

/** The ports of a store that do input and output. */
export type PortName =
  | 'log'
  | 'schemas'
  | 'checkpoints'
  | 'deliveries'
  | 'rows'
  | 'unitOfWork'
  | 'inlineRows'
  | 'tables'
  | 'cluster'
  | 'outbox';

/** One call of a port: what is called, with what, and how to let it happen. */
export interface PortCall {
  readonly port: PortName;
  readonly method: string;
  readonly input: readonly unknown[];
  /** Lets the call happen. */
  proceed(): Promise<unknown>;
}

/** Stands between a system and its store: to count, delay, fail or forget calls. Calls that answer at once (`watch`) pass it by. */
export type Interceptor = (call: PortCall) => Promise<unknown>;

/** A store whose calls go through an interceptor. */
export function interceptedStore(store: Store, intercept: Interceptor): Store {
  return {
    backend: store.backend,
    location: store.location,
    readOnly: store.readOnly,
    capabilities: store.capabilities,
    log: interceptedPort('log', store.log, intercept),
    chain: store.chain,
    schemas: interceptedPort('schemas', store.schemas, intercept),
    checkpoints: interceptedPort('checkpoints', store.checkpoints, intercept),
    deliveries: interceptedPort('deliveries', store.deliveries, intercept),
    rows: interceptedPort('rows', store.rows, intercept),
    unitOfWork: interceptedPort('unitOfWork', store.unitOfWork, intercept),
    inlineRows: store.inlineRows === undefined ? undefined : interceptedPort('inlineRows', store.inlineRows, intercept),
    tables: store.tables === undefined ? undefined : interceptedPort('tables', store.tables, intercept),
    image: store.image,
    cluster: store.cluster === undefined ? undefined : interceptedPort('cluster', store.cluster, intercept),
    outbox: store.outbox === undefined ? undefined : interceptedPort('outbox', store.outbox, intercept),
    erasure: store.erasure,
    pressure: () => store.pressure(),
    announce: (url) => store.announce(url),
    report: (thorough) => store.report(thorough),
    close: () => store.close(),
  };
}

/** A factory whose stores go through an interceptor. */
export function interceptedFactory(factory: StoreFactory, intercept: Interceptor): StoreFactory {
  return { ...factory, open: async (environment) => interceptedStore(await factory.open(environment), intercept) };
}

function interceptedPort<Port extends object>(port: PortName, target: Port, intercept: Interceptor): Port {
  const wrapped = new Map<PropertyKey, unknown>();
  return new Proxy(target, {
    get(_, property) {
      const known = wrapped.get(property);
      if (known !== undefined) return known;
      const member: unknown = Reflect.get(target, property);
      if (typeof member !== 'function') return member;
      // Private fields of a port belong to the port, not to the proxy.
      const call = (...input: unknown[]) => Reflect.apply(member, target, input) as unknown;
      const method = String(property);
      const guarded = SYNCHRONOUS.has(method)
        ? call
        : (...input: unknown[]) => intercept({ port, method, input, proceed: async () => call(...input) });
      wrapped.set(property, guarded);
      return guarded;
    },
  });
}

const SYNCHRONOUS = new Set(['watch']);

/** A process that can die: from then on none of its calls happens, and none under way is ever answered. */
export interface Mortality {
  readonly intercept: Interceptor;
  readonly dead: boolean;
  /** Calls that were made and not answered yet. */
  readonly underWay: number;
  die(): void;
}

export function createMortality(): Mortality {
  let dead = false;
  let underWay = 0;
  const never = new Promise<never>(() => {});
  return {
    get dead() {
      return dead;
    },
    get underWay() {
      return underWay;
    },
    die() {
      dead = true;
      underWay = 0;
    },
    async intercept(call) {
      if (dead) return never;
      underWay += 1;
      try {
        const answer = await call.proceed();
        return dead ? await never : answer;
      } catch (error) {
        if (dead) return never;
        throw error;
      } finally {
        if (!dead) underWay -= 1;
      }
    },
  };
}
