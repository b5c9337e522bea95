import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec';
import { InvalidDefinition } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import { assertJson } from '../event/json.ts';
import type { JsonValue } from '../event/json.ts';
import { assertKnown, isOptions } from '../system/known-options.ts';
import { compileJsonSchema, DIALECT } from './json-schema-compiler.ts';
import type { JsonSchemaValidator } from './json-schema-compiler.ts';
import { isObject } from './schema-parts.ts';
import type { JsonObject } from './schema-parts.ts';

/** A schema of JSON Schema 2020-12. */
export type JsonSchemaDocument = boolean | Readonly<Record<string, unknown>>;

export interface JsonSchemaOptions {
  /** Whether a `format` is checked, or is a remark, as JSON Schema has it by default. Default `'annotate'`. */
  readonly formats?: 'annotate' | 'assert';
  /** Other schemas that this one refers to, by the URI that it does so with. */
  readonly references?: Readonly<Record<string, JsonSchemaDocument>>;
}

/** A Standard Schema that also says itself as JSON Schema. */
export interface JsonSchema<Data> {
  readonly '~standard': StandardSchemaV1.Props<Data, Data> & StandardJSONSchemaV1.Props<Data, Data>;
}

/**
 * The schema of an event from a JSON Schema 2020-12.
 *
 * Shape     `Data` is what handlers get: the caller says it, nothing derives it (`thereupon catalog import` writes both). Data is
 *           checked and handed on as it is: a `default` fills nothing in.
 * Errors    InvalidDefinition when it is no such schema, or refers to one that is not there.
 * Source    JSON Schema 2020-12; standardschema.dev
 */
export function jsonSchema<Data = unknown>(
  document: JsonSchemaDocument,
  options: JsonSchemaOptions = {},
): JsonSchema<Data> {
  const { schema, references, formats } = checked(document, options);
  let validate: JsonSchemaValidator;
  try {
    validate = compileJsonSchema(schema, { references, assertFormats: formats === 'assert' });
  } catch (error) {
    const reason = error instanceof Error ? error.message : describeValue(error);
    throw new InvalidDefinition('JSON Schema', reason, { cause: error });
  }
  const whole = bundled(schema, references);
  const said = ({ target }: StandardJSONSchemaV1.Options) => {
    if (target !== 'draft-2020-12') throw new Error(`only draft-2020-12 is known, not ${target}`);
    return whole;
  };
  return {
    '~standard': {
      version: 1,
      vendor: 'thereupon',
      validate(data) {
        const issues = issuesOf(validate, data);
        return issues === undefined ? { value: data as Data } : { issues };
      },
      jsonSchema: { input: said, output: said },
    },
  };
}

function checked(document: JsonSchemaDocument, options: JsonSchemaOptions) {
  if (!isOptions(options))
    throw new InvalidDefinition('JSON Schema', `options must be an object, found ${describeValue(options)}`);
  assertKnown('JSON Schema', options, ['formats', 'references']);
  const { formats = 'annotate', references = {} } = options;
  if (!['annotate', 'assert'].includes(formats))
    throw new InvalidDefinition('JSON Schema', `formats must be annotate or assert, found ${describeValue(formats)}`);
  const schema = asJson(document, 'JSON Schema');
  const dialect = isObject(schema) ? schema['$schema'] : undefined;
  const isGiven = typeof dialect === 'string' && Object.hasOwn(references, dialect);
  if (dialect !== undefined && dialect !== DIALECT && !isGiven)
    throw new InvalidDefinition('JSON Schema', `$schema must be ${DIALECT}, found ${describeValue(dialect)}`);
  const others = Object.entries(references).map(([uri, each]) => [uri, asJson(each, `JSON Schema ${uri}`)] as const);
  return { schema, formats, references: Object.fromEntries(others) };
}

/** A copy of its own: who changes a schema later changes nothing here. */
function asJson(document: JsonSchemaDocument, name: string): JsonValue {
  if (typeof document !== 'boolean' && !isObject(document))
    throw new InvalidDefinition(name, `a schema must be an object, true or false, found ${describeValue(document)}`);
  try {
    assertJson(document, 'schema', 0);
  } catch (error) {
    throw new InvalidDefinition(name, (error as Error).message, { cause: error });
  }
  return JSON.parse(JSON.stringify(document)) as JsonValue;
}

/** A schema with those that it refers to in it (JSON Schema 2020-12, core, 9.3). */
function bundled(schema: JsonValue, references: Readonly<Record<string, JsonValue>>): Record<string, unknown> {
  const document: JsonObject = isObject(schema) ? schema : schema === true ? {} : { not: {} };
  const embedded = Object.entries(references).flatMap(([uri, each]) =>
    isObject(each) ? [[uri, { ...each, $id: uri }] as const] : [],
  );
  if (embedded.length === 0) return document;
  const definitions = isObject(document['$defs']) ? document['$defs'] : {};
  return { ...document, $defs: { ...definitions, ...Object.fromEntries(embedded) } };
}

function issuesOf(validate: JsonSchemaValidator, data: unknown): readonly StandardSchemaV1.Issue[] | undefined {
  try {
    return validate(data);
  } catch (error) {
    const reason = error instanceof RangeError ? 'it refers to itself without end' : (error as Error).message;
    throw new InvalidDefinition('JSON Schema', reason, { cause: error });
  }
}
