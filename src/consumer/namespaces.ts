const ROW_KINDS = ['state', 'time', 'view', 'out'] as const;

/** The namespace of a consumer's rows. */
export function namespaceOf(kind: (typeof ROW_KINDS)[number], name: string): string {
  return `${kind}:${name}`;
}

/** All that may have rows of a consumer, whatever its definition was. */
export function namespacesOf(name: string): readonly string[] {
  return ROW_KINDS.map((kind) => namespaceOf(kind, name));
}
