import { createRequire } from 'node:module';
import type { Ajv2020, Options, ValidateFunction } from 'ajv/dist/2020.js';
import type { FormatsPlugin } from 'ajv-formats';
import { isUri, isUriReference } from '../event/cloudevents-uri.ts';
import { sameJson } from '../event/json.ts';
import type { JsonValue } from '../event/json.ts';
import { timestampMs } from '../event/timestamp.ts';
import { byPattern } from './named-properties.ts';
import { isList, isObject, mapSchemas } from './schema-parts.ts';

export interface CompileOptions {
  readonly assertFormats: boolean;
  /** Schemas by the URI that they are referred to with. */
  readonly references: Readonly<Record<string, JsonValue>>;
}

export const DIALECT = 'https://json-schema.org/draft/2020-12/schema';

const OPTIONS: Options = {
  strict: false,
  allErrors: true,
  // `constructor` and its like are properties only where the data has them.
  ownProperties: true,
  // Errors say what was allowed.
  verbose: true,
  logger: false,
};

/** Where ajv-formats takes what is none, or refuses what is one. */
const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  'date-time': (text) => timestampMs(text) !== undefined,
  duration: (text) => DURATION.test(text),
  uri: isUri,
  'uri-reference': isUriReference,
  uuid: (text) => /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/i.test(text),
};

/** RFC 3339, appendix A. */
const DURATION =
  /^P(?:\d+W|(?=.)(?:\d+Y(?:\d+M(?:\d+D)?)?|\d+M(?:\d+D)?|\d+D)?(?:T(?:\d+H(?:\d+M(?:\d+S)?)?|\d+M(?:\d+S)?|\d+S))?)$/;

/** Keywords that only ajv has, and would make something of. */
const AJV_ONLY: ReadonlySet<string> = new Set(['$async', 'id', 'nullable']);

/**
 * Compiles a schema of 2020-12. Each has a compiler of its own, so that two versions of a schema may have the same `$id`.
 *
 * Errors    An Error with the reason, in the words of ajv
 */
export function compileJsonSchema(document: JsonValue, options: CompileOptions): ValidateFunction {
  const { Ajv, addFormats } = library();
  const dialect = isObject(document) ? (document['$schema'] ?? DIALECT) : DIALECT;
  if (dialect === DIALECT && !metaSchemas().validateSchema(document as object))
    throw new Error(`it is no valid schema: ${metaSchemas().errorsText(undefined, { dataVar: 'schema' })}`);
  const ajv = new Ajv({
    ...OPTIONS,
    validateFormats: options.assertFormats,
    validateSchema: dialect !== DIALECT,
  });
  if (options.assertFormats) {
    addFormats(ajv);
    for (const [name, isOne] of Object.entries(FORMATS)) ajv.addFormat(name, isOne);
  }
  withJsonEquality(ajv);
  for (const [uri, schema] of Object.entries(options.references)) ajv.addSchema(withoutTraps(schema) as object, uri);
  return ajv.compile(withoutTraps(document) as object);
}

let loaded: { readonly Ajv: typeof Ajv2020; readonly addFormats: (ajv: Ajv2020) => void } | undefined;
let shared: Ajv2020 | undefined;

/** Loading takes 50 ms, which only those wait for who have such a schema; definitions are made synchronously. */
function library() {
  if (loaded === undefined) {
    const load = createRequire(import.meta.url);
    const { Ajv2020: Ajv } = load('ajv/dist/2020.js') as { Ajv2020: typeof Ajv2020 };
    const formats = load('ajv-formats') as { default: FormatsPlugin };
    loaded = { Ajv, addFormats: (ajv) => void formats.default(ajv) };
  }
  return loaded;
}

/** What a schema may look like, compiled once. */
function metaSchemas(): Ajv2020 {
  const { Ajv } = library();
  return (shared ??= new Ajv(OPTIONS));
}

/** Ajv compares values with a function that calls `toString` and `valueOf` of the data, where data may have members of these names. */
function withJsonEquality(ajv: Ajv2020): void {
  for (const keyword of ['enum', 'const', 'uniqueItems']) ajv.removeKeyword(keyword);
  ajv.addKeyword({
    keyword: 'enum',
    schemaType: 'array',
    validate: (allowed: readonly JsonValue[], data: unknown) => allowed.some((each) => sameJson(each, data)),
  });
  ajv.addKeyword({
    keyword: 'const',
    validate: (allowed: JsonValue, data: unknown) => sameJson(allowed, data),
  });
  ajv.addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    error: { message: 'must not have the same item twice' },
    validate: (unique: boolean, data: readonly JsonValue[]) =>
      !unique || new Set(data.map(canonical)).size === data.length,
  });
}

/** Equal for equal values. */
function canonical(value: JsonValue): string {
  if (isList(value)) return `[${value.map(canonical).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.keys(value).toSorted();
  return `{${members.map((member) => `${JSON.stringify(member)}:${canonical(value[member] ?? null)}`).join(',')}}`;
}

/** The same schema without what ajv overlooks (a property `__proto__`) or takes for a keyword. */
function withoutTraps(schema: JsonValue): JsonValue {
  if (!isObject(schema)) return schema;
  const kept = Object.entries(byPattern(schema, ['__proto__'])).filter(([keyword]) => !AJV_ONLY.has(keyword));
  return Object.fromEntries(
    kept.map(([keyword, value]) => [keyword, mapSchemas(keyword, value, '', (each) => withoutTraps(each))]),
  );
}
