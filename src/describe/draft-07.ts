import { sameJson } from '../event/json.ts';
import type { JsonValue } from '../event/json.ts';
import { byPattern } from './named-properties.ts';
import { isList, isObject, mapSchemas } from '../schema/schema-parts.ts';
import type { JsonObject } from '../schema/schema-parts.ts';
import { baseOf } from '../schema/schema-tree.ts';
import type { PlacedSchema, ReferencedSchema, SchemaTree } from '../schema/schema-tree.ts';

/** Says where a referenced schema will stand. */
export type Placing = (target: ReferencedSchema) => string;

/** What means the same in both. */
const SAME = new Set(
  [
    'type enum const multipleOf maximum exclusiveMaximum minimum exclusiveMinimum maxLength minLength pattern maxItems minItems uniqueItems',
    'maxProperties minProperties required format contentMediaType contentEncoding title description default readOnly writeOnly deprecated',
    'examples $comment allOf anyOf oneOf not if then else properties patternProperties additionalProperties propertyNames',
  ]
    .join(' ')
    .split(' '),
);

/** Members of these names readers take for something else than names, wherever they stand. */
const MISREAD = ['$ref', '__proto__'];

/** Values that readers go through as if they were schemas. */
const VALUES = new Set(['const', 'default', 'enum', 'examples']);

/**
 * A schema of 2020-12 in the words of draft-07, which AsyncAPI's own schemas are.
 *
 * Guarantee Takes all that the schema takes; more only where draft-07 has no word (`unevaluatedProperties`, `minContains`), and where a
 *           reference leads out of the document.
 * Source    AsyncAPI 3.0.0, Schema Object; JSON Schema draft-07
 */
export function toDraft07({ schema, base }: PlacedSchema, tree: SchemaTree, placing: Placing): JsonValue {
  const convert = (given: JsonValue, outer: string): JsonValue => {
    if (given === false) return false;
    if (!isObject(given)) return true;
    const here = baseOf(given, outer);
    const members: [string, JsonValue][] = [];
    for (const [keyword, value] of Object.entries(byPattern(given, MISREAD))) {
      if (!SAME.has(keyword) || (VALUES.has(keyword) && isMisread(value))) continue;
      members.push([keyword, mapSchemas(keyword, value, here, convert)]);
    }
    const mapped = (keyword: string) => mapSchemas(keyword, given[keyword] ?? true, here, convert);
    members.push(...itemsOf(given, mapped), ...dependenciesOf(given, mapped));
    return referring({ schema: given, base: outer }, Object.fromEntries(members.map(wellFormed)));
  };
  const referring = (place: PlacedSchema, rest: JsonObject): JsonValue => {
    const target = tree.find(place);
    if (target === undefined || target.schema === true) return rest;
    const reference = isObject(target.schema) ? { $ref: placing(target) } : convert(target.schema, target.base);
    // Beside a reference, draft-07 reads nothing.
    return Object.keys(rest).length === 0
      ? reference
      : { ...rest, allOf: [...(isList(rest['allOf']) ? rest['allOf'] : []), reference] };
  };
  return convert(schema, base);
}

function* itemsOf(schema: JsonObject, mapped: (keyword: string) => JsonValue): Iterable<[string, JsonValue]> {
  const first = schema['prefixItems'];
  const isTuple = isList(first) && first.length > 0;
  if (isTuple) yield ['items', mapped('prefixItems')];
  if (schema['items'] !== undefined) yield [isTuple ? 'additionalItems' : 'items', mapped('items')];
  if (schema['contains'] !== undefined && schema['minContains'] !== 0) yield ['contains', mapped('contains')];
}

function* dependenciesOf(schema: JsonObject, mapped: (keyword: string) => JsonValue): Iterable<[string, JsonValue]> {
  const { dependentRequired: names, dependentSchemas: schemas } = schema;
  if (!isObject(names) && !isObject(schemas)) return;
  const dependencies = new Map<string, JsonValue>(isObject(names) ? Object.entries(names) : []);
  for (const [name, each] of isObject(schemas) ? Object.entries(mapped('dependentSchemas') as JsonObject) : []) {
    const required = dependencies.get(name);
    dependencies.set(name, required === undefined ? each : { allOf: [{ required }, each] });
  }
  for (const name of MISREAD) dependencies.delete(name);
  yield ['dependencies', Object.fromEntries(dependencies)];
}

/** In draft-07 the values of an enumeration differ from each other. */
function wellFormed([keyword, value]: [string, JsonValue]): [string, JsonValue] {
  if (keyword !== 'enum' || !isList(value)) return [keyword, value];
  return [keyword, value.filter((each, index) => !value.slice(0, index).some((earlier) => sameJson(earlier, each)))];
}

function isMisread(value: JsonValue): boolean {
  if (isList(value)) return value.some(isMisread);
  if (!isObject(value)) return false;
  return MISREAD.some((name) => Object.hasOwn(value, name)) || Object.values(value).some(isMisread);
}
