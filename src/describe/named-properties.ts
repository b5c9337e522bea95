import type { JsonObject } from '../schema/schema-parts.ts';

/**
 * A schema which says of properties of these names by a pattern what it said by name. It means the same, and is for readers that misread
 * the names.
 */
export function byPattern(schema: JsonObject, names: readonly string[]): JsonObject {
  const { properties, patternProperties } = schema as { properties?: JsonObject; patternProperties?: JsonObject };
  const found = properties === undefined ? [] : names.filter((name) => Object.hasOwn(properties, name));
  if (properties === undefined || found.length === 0) return schema;
  const patterns = new Map(Object.entries(patternProperties ?? {}));
  for (const name of found) {
    const pattern = `^${name.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')}$`;
    const said = patterns.get(pattern);
    const says = properties[name] ?? true;
    patterns.set(pattern, said === undefined ? says : { allOf: [said, says] });
  }
  return {
    ...schema,
    properties: Object.fromEntries(Object.entries(properties).filter(([name]) => !found.includes(name))),
    patternProperties: Object.fromEntries(patterns),
  };
}
