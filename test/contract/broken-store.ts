import type { Store } from '../../src/store.ts';

/** A store with one fault, and what must find it. */
export interface BrokenStore {
  /** What is wrong. */
  readonly fault: string;
  /** The port whose suite must fail. */
  readonly port: string;
  /** A number that the name of a failing case must hold. */
  readonly cites: string;
  /** The random comparison must find it, too. */
  readonly compared?: true;
  readonly break: (store: Store) => Partial<Store>;
}

/** A port with some methods replaced; the others go on working on the original. */
export function but<Port extends object>(port: Port, replaced: Partial<Port>): Port {
  return new Proxy(port, {
    get(target, name) {
      if (Object.hasOwn(replaced, name)) return Reflect.get(replaced, name) as unknown;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
