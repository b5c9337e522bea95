import { createRequire } from 'node:module';
import type { JsonValue } from '../event/json.ts';
import { SchemaCompiler } from './json-schema/compile.ts';
import type { Check, Issue, Place } from './json-schema/run.ts';
import { isObject } from './schema-parts.ts';
import { SchemaTree } from './schema-tree.ts';

export const DIALECT = 'https://json-schema.org/draft/2020-12/schema';

const VOCABULARY = 'https://json-schema.org/draft/2020-12/vocab/';
/** That schemas may be in whose dialect has no `validation`. */
const VALIDATION: ReadonlySet<string> = new Set(
  [
    'type enum const minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength pattern minItems maxItems uniqueItems',
    'minContains maxContains minProperties maxProperties required dependentRequired',
  ]
    .join(' ')
    .split(' '),
);
const META = ['core', 'applicator', 'unevaluated', 'validation', 'meta-data', 'format-annotation', 'content'];

export interface SchemaIssueAt {
  readonly message: string;
  readonly path: readonly (string | number)[];
}

/** What is wrong with some data; undefined: nothing. */
export type JsonSchemaValidator = (data: unknown) => readonly SchemaIssueAt[] | undefined;

/**
 * Compiles a schema of 2020-12.
 *
 * Errors    An Error with the reason
 */
export function compileJsonSchema(
  document: JsonValue,
  options: { readonly assertFormats: boolean; readonly references: Readonly<Record<string, JsonValue>> },
): JsonSchemaValidator {
  const { references, assertFormats } = options;
  const dialect = isObject(document) && typeof document['$schema'] === 'string' ? document['$schema'] : DIALECT;
  const wrong = dialect === DIALECT ? metaSchema()(document) : undefined;
  if (wrong !== undefined) {
    const said = wrong.slice(0, 3).map(({ path, message }) => `${['schema', ...path].join('.')} ${message}`);
    throw new Error(`it is no valid schema: ${said.join('; ')}`);
  }
  const tree = new SchemaTree(document, document, metaSchemas());
  for (const [uri, schema] of Object.entries(references)) tree.add(uri, schema);
  const without = withoutVocabularies(references[dialect]);
  return validatorOf(new SchemaCompiler(tree, { assertFormats, without }).compile(tree.root));
}

function validatorOf(check: Check): JsonSchemaValidator {
  return (data) => {
    if (check(data, undefined, { issues: undefined, scope: undefined }, undefined)) return undefined;
    const issues: Issue[] = [];
    check(data, undefined, { issues, scope: undefined }, undefined);
    return issues.map(({ message, place }) => ({ message, path: pathOf(place) }));
  };
}

function pathOf(place: Place | undefined): readonly (string | number)[] {
  const path: (string | number)[] = [];
  for (let at = place; at !== undefined; at = at.outer) path.unshift(at.key);
  return path;
}

/** Keywords that a dialect of somebody's own does without. Errors: an Error for a vocabulary that has to be understood and is not. */
function withoutVocabularies(dialect: JsonValue | undefined): ReadonlySet<string> {
  const vocabularies = isObject(dialect) ? dialect['$vocabulary'] : undefined;
  if (!isObject(vocabularies)) return new Set();
  for (const [uri, isNeeded] of Object.entries(vocabularies))
    if (isNeeded === true && !uri.startsWith(VOCABULARY)) throw new Error(`its vocabulary ${uri} is not known`);
  return Object.hasOwn(vocabularies, `${VOCABULARY}validation`) ? new Set() : VALIDATION;
}

let metaTree: SchemaTree | undefined;
let metaValidator: JsonSchemaValidator | undefined;

/** The schemas of schemas, as ajv brings them along. Reading them takes a while, which only those wait for who have schemas. */
function metaSchemas(): SchemaTree {
  if (metaTree !== undefined) return metaTree;
  const load = createRequire(import.meta.url);
  const place = 'ajv/dist/refs/json-schema-2020-12';
  metaTree = new SchemaTree(load(`${place}/schema.json`) as JsonValue);
  for (const name of META)
    metaTree.add(new URL(`meta/${name}`, DIALECT).href, load(`${place}/meta/${name}.json`) as JsonValue);
  return metaTree;
}

/** What a schema may look like. */
function metaSchema(): JsonSchemaValidator {
  const tree = metaSchemas();
  const options = { assertFormats: false, without: new Set<string>() };
  return (metaValidator ??= validatorOf(new SchemaCompiler(tree, options).compile(tree.root)));
}
