import type { JsonValue } from '../event/json.ts';

export type JsonObject = { readonly [member: string]: JsonValue };

/** Keywords whose value is a schema, schemas by name, or a list of schemas: of 2020-12, and what draft-07 called otherwise. */
const ONE = new Set(
  'additionalItems additionalProperties contains contentSchema else if items not propertyNames then unevaluatedItems unevaluatedProperties'.split(
    ' ',
  ),
);
const NAMED = new Set('$defs definitions dependencies dependentSchemas patternProperties properties'.split(' '));
const LISTED = new Set('allOf anyOf items oneOf prefixItems'.split(' '));

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isList(value: unknown): value is readonly JsonValue[] {
  return Array.isArray(value);
}

export type SchemaMapping = (schema: JsonValue, base: string) => JsonValue;

/** The value of a keyword with each schema in it replaced; what holds no schemas stays. */
export function mapSchemas(keyword: string, value: JsonValue, base: string, map: SchemaMapping): JsonValue {
  if (LISTED.has(keyword) && isList(value)) return value.map((each) => map(each, base));
  if (ONE.has(keyword)) return map(value, base);
  if (!NAMED.has(keyword) || !isObject(value)) return value;
  // In draft-07, a dependency may be a list of names.
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, isList(each) ? each : map(each, base)]));
}
