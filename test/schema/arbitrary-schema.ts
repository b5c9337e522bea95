import * as fc from 'fast-check';
import type { JsonValue } from '../../src/event/json.ts';

export type Schema = JsonValue;

const name = fc.constantFrom('a', 'b', 'c', 'ab');
const type = fc.constantFrom('null', 'boolean', 'integer', 'number', 'string', 'array', 'object');
const scalar = fc.constantFrom<JsonValue>(null, true, false, -1, 0, 1, 2, 2.5, 3, 4, 6, '', 'a', 'b', 'ab', 'abc');
const small = fc.integer({ min: 0, max: 3 });
const bound = fc.constantFrom(-1, 0, 1, 1.5, 2, 3, 4);
const pattern = fc.constantFrom('^a', 'b$', '^.$');

/** Few names and values, so that instances and schemas meet often. */
export const instance: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(name, tie('value'), { maxKeys: 4 }),
  ),
})).value;

const keywordSets = (schema: fc.Arbitrary<Schema>): readonly fc.Arbitrary<Record<string, Schema>>[] => {
  const some = fc.array(schema, { minLength: 1, maxLength: 3 });
  const byName = fc.dictionary(name, schema, { minKeys: 1, maxKeys: 3 });
  const names = fc.uniqueArray(name, { maxLength: 2 });
  return [
    fc.record({ type: fc.oneof(type, fc.uniqueArray(type, { minLength: 1, maxLength: 3 })) }),
    fc.record({ enum: fc.uniqueArray(scalar, { maxLength: 4 }) }),
    fc.record({ const: scalar }),
    fc.record({ minimum: bound, exclusiveMaximum: bound }, { requiredKeys: [] }),
    fc.record({ exclusiveMinimum: bound, maximum: bound }, { requiredKeys: [] }),
    fc.record({ multipleOf: fc.constantFrom(0.5, 1, 2, 3) }),
    fc.record({ minLength: small, maxLength: small, pattern }, { requiredKeys: [] }),
    fc.record({ type: fc.constant('object'), properties: byName, required: names }, { requiredKeys: ['properties'] }),
    fc.record(
      {
        properties: byName,
        additionalProperties: schema,
        patternProperties: fc.dictionary(pattern, schema, { maxKeys: 2 }),
      },
      { requiredKeys: [] },
    ),
    fc.record({ type: fc.constant('object'), properties: byName, additionalProperties: fc.constant(false) }),
    fc.record({ minProperties: small, maxProperties: small, required: names }, { requiredKeys: [] }),
    fc.record({ propertyNames: schema }),
    fc.record({ unevaluatedProperties: schema, properties: byName }),
    fc.record(
      { dependentRequired: fc.dictionary(name, names, { maxKeys: 2 }), dependentSchemas: byName },
      { requiredKeys: [] },
    ),
    fc.record(
      { type: fc.constant('array'), items: schema, minItems: small, maxItems: small },
      { requiredKeys: ['items'] },
    ),
    fc.record(
      { prefixItems: some, items: schema, minItems: small, uniqueItems: fc.boolean() },
      { requiredKeys: ['prefixItems'] },
    ),
    fc.record({ contains: schema, minContains: small, maxContains: small }, { requiredKeys: ['contains'] }),
    fc.record({ allOf: some }),
    fc.record({ anyOf: some }),
    fc.record({ oneOf: some }),
    fc.record({ not: schema }),
    fc.array(schema, { minLength: 1, maxLength: 3 }).map(condition),
    fc.record({ $ref: fc.constantFrom('#/$defs/one', '#/$defs/other', '#') }),
  ];
};

const CONDITION = ['if', 'then', 'else'];

function condition(parts: readonly Schema[]): Record<string, Schema> {
  return Object.fromEntries(parts.map((own, index) => [CONDITION[index] ?? '', own]));
}

/** Of an empty list ajv says that it contains what it must, where there are also prefixItems. */
function withoutDoubt({ contains, ...others }: Record<string, Schema>): Schema {
  return contains === undefined || 'prefixItems' in others ? others : { contains, ...others };
}

const part: fc.Arbitrary<Schema> = fc.letrec<{ schema: Schema }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.record({ type }),
    fc.boolean(),
    fc
      .array(fc.oneof(...keywordSets(tie('schema'))), { minLength: 1, maxLength: 2 })
      .map((sets): Schema => withoutDoubt(Object.assign({}, ...sets) as Record<string, Schema>)),
  ),
})).schema;

/** A whole schema, with two definitions that any part may refer to. */
export const schema: fc.Arbitrary<Schema> = fc
  .tuple(part, part, part)
  .map(([whole, one, other]): Schema => (isMembers(whole) ? { ...whole, $defs: { one, other } } : whole));

/** One change somewhere in a schema: a keyword less, one value for another, one more keyword. */
export function mutated(original: Schema): fc.Arbitrary<Schema> {
  const places = placesOf(original, []);
  return fc
    .tuple(fc.constantFrom(...places), part, fc.nat(20))
    .map(([place, other, way]) => changed(original, place, other, way));
}

type Place = readonly string[];

function placesOf(value: Schema, place: Place): Place[] {
  if (typeof value !== 'object' || value === null) return [place];
  const children = Object.entries(value).flatMap(([key, child]: [string, Schema]) => placesOf(child, [...place, key]));
  return [place, ...children];
}

function changed(value: Schema, [key, ...rest]: Place, other: Schema, way: number): Schema {
  if (key !== undefined && typeof value === 'object' && value !== null) {
    if (Array.isArray(value)) {
      const items = value as readonly Schema[];
      if (rest.length === 0 && way % 2 === 0 && items.length > 1)
        return items.filter((_, index) => String(index) !== key);
      return items.map((item, index) => (String(index) === key ? changed(item, rest, other, way) : item));
    }
    const members = value as Readonly<Record<string, Schema>>;
    if (rest.length === 0 && way % 2 === 0)
      return Object.fromEntries(Object.entries(members).filter(([member]) => member !== key));
    return { ...members, [key]: changed(members[key] ?? null, rest, other, way) };
  }
  if (typeof value === 'number') return value + (way % 3 === 0 ? 1 : way % 3 === 1 ? 2 : value > 0 ? -1 : 1);
  if (value === 'integer') return 'number';
  if (typeof value === 'boolean') return !value;
  if (isMembers(value) && isMembers(other) && way % 3 === 0) return withoutDoubt({ ...value, ...other });
  return value;
}

function isMembers(value: Schema): value is Readonly<Record<string, Schema>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
