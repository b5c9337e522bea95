import type { JsonValue } from '../event/json.ts';
import { isList, isObject, mapSchemas } from '../schema/schema-parts.ts';
import type { JsonObject } from '../schema/schema-parts.ts';
import { baseOf, SchemaTree } from '../schema/schema-tree.ts';
import type { PlacedSchema, ReferencedSchema } from '../schema/schema-tree.ts';
import { Names } from './source-text.ts';

/** What stands in schemas of AsyncAPI, and is no JSON Schema; and what a schema is called, which it is not here. */
const NOT_TAKEN = new Set([
  '$schema',
  '$id',
  'definitions',
  '$defs',
  'discriminator',
  'externalDocs',
  'example',
  'xml',
]);
/** What 2020-12 calls otherwise. */
const RENAMED = new Set(['$ref', 'additionalItems', 'dependencies', 'items']);

/**
 * A schema in a larger document, which refers to others there, as one of 2020-12 that stands by itself.
 *
 * Shape     With `isDraft07`, which AsyncAPI's own schemas are, words are changed to those of 2020-12; what stands beside a reference
 *           there counts for nothing.
 * Errors    The reference that leads to nothing in the document goes to `lost`.
 */
export function standalone(
  document: JsonValue,
  schema: JsonValue,
  { isDraft07, lost }: { readonly isDraft07: boolean; readonly lost: (reference: string) => void },
): JsonValue {
  const tree = new SchemaTree(document, schema);
  const outside = new SchemaTree(document);
  const names = new Names();
  const named = new Map<JsonValue, string>();
  const waiting: ReferencedSchema[] = [];
  const start = origin(tree, isDraft07);

  const reference = (place: PlacedSchema, text: JsonValue): JsonValue => {
    // The document has no names for its schemas, so an `$id` around changes nothing in what is meant.
    const target = tree.find(place) ?? outside.find({ ...place, base: outside.root.base });
    if (target === undefined) {
      lost(typeof text === 'string' ? text : JSON.stringify(text));
      return {};
    }
    if (target.schema === start.schema) return { $ref: '#' };
    if (!isObject(target.schema)) return target.schema === false ? { not: {} } : {};
    let name = named.get(target.schema);
    if (name === undefined) {
      name = names.take(target.name === '' ? 'part' : target.name);
      named.set(target.schema, name);
      waiting.push(target);
    }
    return { $ref: `#/$defs/${encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1'))}` };
  };
  const convert = (given: JsonValue, outer: string): JsonValue => {
    if (!isObject(given)) return given !== false;
    const refers = given['$ref'];
    if (refers !== undefined && isDraft07) return reference({ schema: given, base: outer }, refers);
    const base = baseOf(given, outer);
    const entries = Object.entries(given).filter(
      ([keyword]) => !NOT_TAKEN.has(keyword) && !keyword.startsWith('x-') && !RENAMED.has(keyword),
    );
    const members = entries.map(
      ([keyword, value]) => [keyword, withPatterns(keyword, mapSchemas(keyword, value, base, convert))] as const,
    );
    const mapped = (keyword: string) => mapSchemas(keyword, given[keyword] ?? true, base, convert);
    return Object.fromEntries([
      ...members,
      ...itemsOf(given, mapped),
      ...dependenciesOf(given, mapped),
      ...(refers === undefined ? [] : Object.entries(reference({ schema: given, base: outer }, refers) as JsonObject)),
    ]);
  };

  const root = convert(start.schema, start.base);
  const definitions: [string, JsonValue][] = [];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
    definitions.push([named.get(next.schema) ?? next.name, convert(next.schema, next.base)]);
  if (definitions.length === 0) return root;
  return { ...(isObject(root) ? root : {}), $defs: Object.fromEntries(definitions) };
}

function withPatterns(keyword: string, value: JsonValue): JsonValue {
  if (keyword === 'pattern' && typeof value === 'string') return unicodePattern(value);
  if (keyword !== 'patternProperties' || !isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([pattern, each]) => [unicodePattern(pattern), each]));
}

/** In 2020-12 patterns are those with the flag `u`, which refuses a backslash before what needs none, as in `\-` and `\@`. */
function unicodePattern(pattern: string): string {
  if (isPattern(pattern)) return pattern;
  return pattern.replaceAll(/\\(.)/gsu, (escape, character: string) =>
    /[\w^$\\.*+?()[\]{}|/]/.test(character) && character !== '_'
      ? escape
      : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

function isPattern(text: string): boolean {
  try {
    RegExp(text, 'u');
    return true;
  } catch {
    return false;
  }
}

/** What a schema that is nothing but a reference refers to. */
function origin(tree: SchemaTree, isDraft07: boolean): PlacedSchema {
  const seen = new Set<JsonValue>();
  let place = tree.root;
  while (isObject(place.schema) && place.schema['$ref'] !== undefined && !seen.has(place.schema)) {
    seen.add(place.schema);
    const target = isDraft07 || Object.keys(place.schema).length === 1 ? tree.find(place) : undefined;
    if (target === undefined) break;
    place = target;
  }
  return place;
}

function* itemsOf(schema: JsonObject, mapped: (keyword: string) => JsonValue): Iterable<[string, JsonValue]> {
  const { items, additionalItems } = schema;
  if (!isList(items)) {
    if (items !== undefined) yield ['items', mapped('items')];
    return;
  }
  if (items.length > 0) yield ['prefixItems', mapped('items')];
  if (additionalItems !== undefined) yield ['items', mapped('additionalItems')];
}

function* dependenciesOf(schema: JsonObject, mapped: (keyword: string) => JsonValue): Iterable<[string, JsonValue]> {
  if (!isObject(schema['dependencies'])) return;
  const all = Object.entries(mapped('dependencies') as JsonObject);
  const lists = all.filter(([, each]) => isList(each));
  const schemas = all.filter(([, each]) => !isList(each));
  if (lists.length > 0) yield ['dependentRequired', Object.fromEntries(lists)];
  if (schemas.length > 0) yield ['dependentSchemas', Object.fromEntries(schemas)];
}
