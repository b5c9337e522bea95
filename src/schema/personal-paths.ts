import { InvalidDefinition } from '../errors.ts';
import type { EventDefinition } from '../event/define-event.ts';
import type { JsonValue } from '../event/json.ts';
import { jsonSchemaOf } from './json-schema.ts';
import { isList, isObject } from './schema-parts.ts';
import type { JsonObject } from './schema-parts.ts';
import { SchemaTree } from './schema-tree.ts';
import type { PlacedSchema } from './schema-tree.ts';

/** References that lead to one another are followed so far; beyond it nothing is known. */
const MAX_DEPTH = 64;
const SAYS_NOTHING: ReadonlySet<string> = new Set([
  '$comment',
  '$id',
  '$schema',
  'default',
  'description',
  'examples',
  'title',
]);
const SAME_PLACE = ['allOf', 'anyOf', 'oneOf', 'then', 'else'];

/**
 * A path of a personal field leads somewhere: what stands where a slip in it does not lead would be stored for everybody to read.
 *
 * Shape     A schema that takes members without naming them, or that has no JSON Schema, may have anything.
 * Errors    InvalidDefinition names the path, and what there is in its place.
 */
export function assertPersonalPaths(definition: EventDefinition): void {
  const { personal, type } = definition;
  const schema = personal && jsonSchemaOf(definition);
  if (personal === undefined || schema === undefined) return;
  const tree = new SchemaTree(schema);
  for (const path of personal.paths)
    for (const [index, segment] of path.entries()) {
      const places = placesAt(tree, path.slice(0, index));
      if (places === undefined || leadsOn(tree, places, segment)) continue;
      const names = [...new Set(places.flatMap((place) => namesIn(place.schema)))];
      const there = names.length === 0 ? 'which has no members' : `which has ${names.join(', ')}`;
      const where = index === 0 ? 'the data' : path.slice(0, index).join('.');
      throw new InvalidDefinition(
        `event ${type}`,
        `personal.fields has ${path.join('.')}, and there is no ${segment === '*' ? 'list' : segment} in ${where}, ${there}`,
      );
    }
}

/** The schemas of what stands at a path; undefined: it may be anything. */
function placesAt(tree: SchemaTree, path: readonly string[]): readonly PlacedSchema[] | undefined {
  let places: readonly PlacedSchema[] | undefined = alternatives(tree, tree.root, 0);
  for (const segment of path) {
    const next: PlacedSchema[] = [];
    for (const place of places ?? []) {
      const at = step(place, segment);
      if (at === 'anything') return undefined;
      for (const each of at) {
        const found = alternatives(tree, each, 0);
        if (found === undefined) return undefined;
        next.push(...found);
      }
    }
    if (places === undefined) return undefined;
    places = next;
  }
  return places;
}

function leadsOn(tree: SchemaTree, places: readonly PlacedSchema[], segment: string): boolean {
  return places.some((place) => {
    const at = step(place, segment);
    return at === 'anything' || at.some((each) => alternatives(tree, each, 0)?.length !== 0);
  });
}

/** All that a schema consists of for one and the same place: itself, what it refers to, and its alternatives. Undefined: nobody knows. */
function alternatives(tree: SchemaTree, place: PlacedSchema, depth: number): readonly PlacedSchema[] | undefined {
  const { schema, base } = place;
  if (schema === false) return [];
  if (!isObject(schema) || depth > MAX_DEPTH) return undefined;
  const found: PlacedSchema[] = [place];
  const inner: PlacedSchema[] = SAME_PLACE.flatMap((keyword) => {
    const value = schema[keyword];
    if (isList(value)) return value.map((each) => ({ schema: each, base }));
    return value === undefined ? [] : [{ schema: value, base }];
  });
  for (const keyword of ['$ref', '$dynamicRef'] as const) {
    if (schema[keyword] === undefined) continue;
    const target = tree.find(place, keyword);
    if (target === undefined) return undefined;
    inner.push(target);
  }
  for (const each of inner) {
    const more = alternatives(tree, each, depth + 1);
    if (more === undefined) return undefined;
    found.push(...more);
  }
  return found;
}

/** What one schema alone says of a member, or of the items: their schemas; that they may be anything; nothing. */
function step({ schema, base }: PlacedSchema, segment: string): readonly PlacedSchema[] | 'anything' {
  if (!isObject(schema)) return [];
  if (Object.keys(schema).every((keyword) => SAYS_NOTHING.has(keyword))) return 'anything';
  const said = segment === '*' ? ofItems(schema) : ofMember(schema, segment);
  return said === 'anything' ? said : said.map((each) => ({ schema: each, base }));
}

function ofItems(schema: JsonObject): readonly JsonValue[] | 'anything' {
  const { items, prefixItems } = schema;
  const first = isList(prefixItems) ? prefixItems : [];
  if (items !== undefined) return [...first, ...(isList(items) ? items : [items])];
  return isOf(schema, 'array') && first.length === 0 ? 'anything' : first;
}

function ofMember(schema: JsonObject, name: string): readonly JsonValue[] | 'anything' {
  const { properties, patternProperties, additionalProperties: others } = schema;
  if (isObject(properties) && Object.hasOwn(properties, name)) return [properties[name] ?? true];
  const matched = isObject(patternProperties)
    ? Object.entries(patternProperties).flatMap(([pattern, each]) =>
        new RegExp(pattern, 'u').test(name) ? [each] : [],
      )
    : [];
  if (matched.length > 0) return matched;
  if (others !== undefined && others !== false)
    return isObject(others) && Object.keys(others).length > 0 ? [others] : 'anything';
  return properties === undefined && others === undefined && isOf(schema, 'object') ? 'anything' : [];
}

/** It says that it is of the type, and no more of it. */
function isOf({ type }: JsonObject, wanted: string): boolean {
  return type === wanted || (isList(type) && type.includes(wanted));
}

function namesIn(schema: JsonValue): readonly string[] {
  const properties = isObject(schema) ? schema['properties'] : undefined;
  return isObject(properties) ? Object.keys(properties) : [];
}
