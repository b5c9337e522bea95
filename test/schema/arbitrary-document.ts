import * as fc from 'fast-check';
import type { JsonValue } from '../../src/index.ts';

/** Names that somebody could give a property, among them those that mean something elsewhere. */
const name = fc.oneof(
  fc.constantFrom(
    'id',
    'total',
    'first name',
    '__proto__',
    'constructor',
    '$ref',
    'type',
    'a/b',
    'a~b',
    '50%',
    'ü',
    "it's",
    '*/',
  ),
  fc.string({ unit: 'binary', maxLength: 6 }).map((text) => text.toWellFormed()),
);
// JSON has no -0.
const value = fc.json({ maxDepth: 2 }).map((text) => JSON.parse(text) as JsonValue);

/** A record whose names are its own, `__proto__` too. */
function named<Value extends JsonValue>(of: fc.Arbitrary<Value>): fc.Arbitrary<JsonValue> {
  return fc
    .uniqueArray(fc.tuple(name, of), { maxLength: 3, selector: ([each]) => each })
    .map((entries) => Object.fromEntries(entries) as JsonValue);
}

function bodyOf(definitions: readonly string[]): fc.Arbitrary<JsonValue> {
  const { schema } = fc.letrec<{ schema: JsonValue; inner: JsonValue; some: JsonValue[] }>((tie) => ({
    some: fc.array(tie('schema'), { minLength: 1, maxLength: 3 }),
    // Of a part of the data: a reference from there comes to an end.
    inner: fc.oneof(
      tie('schema'),
      fc.record(
        { $ref: fc.constantFrom('#', ...definitions.map(referenceTo)), description: fc.string() },
        { requiredKeys: ['$ref'] },
      ),
    ),
    schema: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      fc.boolean(),
      fc.record(
        {
          type: fc.constantFrom('string', 'number', 'integer', 'boolean', 'null', 'object', 'array'),
          description: fc.string(),
        },
        { requiredKeys: [] },
      ),
      fc.record({ const: value, title: fc.string() }, { requiredKeys: ['const'] }),
      fc.record({ enum: fc.array(value, { minLength: 1, maxLength: 3 }) }),
      fc.record({
        type: fc.constant('string'),
        format: fc.constantFrom('date-time', 'uuid', 'made-up'),
        pattern: fc.constantFrom('^a', '\\d+'),
      }),
      fc.record({
        type: fc.uniqueArray(fc.constantFrom('string', 'null', 'object', 'array'), { minLength: 1 }),
        items: tie('inner'),
      }),
      fc.record(
        {
          type: fc.constant('object'),
          properties: named(tie('inner')),
          required: fc.uniqueArray(name, { maxLength: 2 }),
          additionalProperties: tie('inner'),
          patternProperties: fc.record({ '^x': tie('inner') }),
          propertyNames: fc.constant({ minLength: 1 }),
          dependentRequired: fc.record({ a: fc.constant(['b']) }),
          dependentSchemas: fc.record({ a: tie('schema') }),
          unevaluatedProperties: fc.boolean(),
        },
        { requiredKeys: [] },
      ),
      fc.record(
        {
          type: fc.constant('array'),
          prefixItems: fc.array(tie('inner'), { minLength: 1, maxLength: 3 }),
          items: tie('inner'),
          contains: tie('inner'),
          minContains: fc.nat(1),
          minItems: fc.nat(2),
        },
        { requiredKeys: [] },
      ),
      fc.record(
        { allOf: tie('some'), anyOf: tie('some'), oneOf: tie('some'), not: tie('schema'), if: tie('schema') },
        { requiredKeys: [] },
      ),
    ),
  }));
  return schema;
}

function referenceTo(definition: string): string {
  return `#/$defs/${encodeURIComponent(definition.replaceAll('~', '~0').replaceAll('/', '~1'))}`;
}

/** A valid schema of JSON Schema 2020-12, with definitions that refer to each other and to themselves. */
export const jsonSchemaDocument: fc.Arbitrary<JsonValue> = fc.uniqueArray(name, { maxLength: 3 }).chain((definitions) =>
  fc
    .tuple(bodyOf(definitions), fc.tuple(...definitions.map(() => bodyOf(definitions))), fc.boolean())
    .map(([body, bodies, isNamed]) =>
      typeof body === 'object'
        ? {
            ...(isNamed ? { $schema: 'https://json-schema.org/draft/2020-12/schema' } : {}),
            ...(body as object),
            $defs: Object.fromEntries(definitions.map((each, index) => [each, bodies[index] ?? true])),
          }
        : definitions.length === 0
          ? body
          : true,
    ),
);
