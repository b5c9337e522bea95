/** A port of which some methods are others. */
export function withMethods<Port extends object>(port: Port, methods: Partial<Port>): Port {
  const bound = new Map<PropertyKey, unknown>(Object.entries(methods));
  return new Proxy(port, {
    get(_, property) {
      if (bound.has(property)) return bound.get(property);
      const member: unknown = Reflect.get(port, property);
      if (typeof member !== 'function') return member;
      // Private fields of a port belong to the port, not to the proxy.
      const method = (...input: unknown[]) => Reflect.apply(member, port, input) as unknown;
      bound.set(property, method);
      return method;
    },
  });
}
