import { InvalidInput } from '../index.ts';
import type { JsonValue } from '../index.ts';

export type JsonSchema = Readonly<Record<string, JsonValue>>;

/** One parameter of a query: how it is read, and what the document of the interface says of it. */
export interface QueryParameter<Value = unknown> {
  readonly description: string;
  readonly schema: JsonSchema;
  /** Whether the parameter may be given more than once. */
  readonly many: boolean;
  /** Errors: InvalidInput under the given name. */
  read(texts: readonly string[], name: string): Value;
}

export type QueryShape = Readonly<Record<string, QueryParameter>>;
/** What a shape reads: undefined where the parameter is not given. */
export type QueryOf<Shape extends QueryShape> = {
  readonly [Name in keyof Shape]: (Shape[Name] extends QueryParameter<infer Value> ? Value : never) | undefined;
};

export interface Kind<Value> {
  readonly schema: JsonSchema;
  /** In words, for the refusal. */
  readonly expected: string;
  /** Undefined: not of this kind. */
  parse(text: string): Value | undefined;
}

export function one<Value>(kind: Kind<Value>, description: string): QueryParameter<Value> {
  return {
    description,
    schema: kind.schema,
    many: false,
    read(texts, name) {
      const [text = '', ...others] = texts;
      if (others.length > 0) throw new InvalidInput({ path: name, expected: 'the parameter once', found: texts });
      return parse(kind, text, name);
    },
  };
}

export function many<Value>(kind: Kind<Value>, description: string): QueryParameter<readonly Value[]> {
  return {
    description,
    schema: { type: 'array', items: kind.schema },
    many: true,
    read: (texts, name) => texts.map((text) => parse(kind, text, name)),
  };
}

export const text: Kind<string> = {
  schema: { type: 'string', minLength: 1 },
  expected: 'a text that is not empty',
  parse: (given) => (given === '' ? undefined : given),
};

export function choice<const Word extends string>(...words: readonly Word[]): Kind<Word> {
  return {
    schema: { type: 'string', enum: words },
    expected: words.join(' or '),
    parse: (given) => words.find((word) => word === given),
  };
}

export function wholeNumber(minimum: number, maximum = Number.MAX_SAFE_INTEGER): Kind<number> {
  return {
    schema: { type: 'integer', minimum, ...(maximum === Number.MAX_SAFE_INTEGER ? {} : { maximum }) },
    expected:
      maximum === Number.MAX_SAFE_INTEGER
        ? `a whole number from ${minimum}`
        : `a whole number from ${minimum} to ${maximum}`,
    parse(given) {
      const value = /^\d{1,16}$/.test(given) ? Number(given) : Number.NaN;
      return value >= minimum && value <= maximum ? value : undefined;
    },
  };
}

const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

/** In milliseconds since 1970. */
export const instant: Kind<number> = {
  schema: { type: 'string', format: 'date-time' },
  expected: 'an RFC 3339 timestamp such as 2026-11-23T09:00:00Z',
  parse(given) {
    const value = RFC_3339.test(given) ? Date.parse(given) : Number.NaN;
    return Number.isNaN(value) ? undefined : value;
  },
};

export const json: Kind<JsonValue> = {
  schema: { type: 'string', contentMediaType: 'application/json' },
  expected: 'JSON',
  parse(given) {
    try {
      return JSON.parse(given) as JsonValue;
    } catch {
      // Refused by the caller, which knows the name.
      return undefined;
    }
  },
};

/**
 * Reads a query by its shape.
 *
 * Errors    InvalidInput names a parameter that is not known or not of its kind.
 */
export function readQuery(shape: QueryShape, given: URLSearchParams): Readonly<Record<string, unknown>> {
  const values: Record<string, unknown> = {};
  for (const name of new Set(given.keys())) {
    const parameter = Object.hasOwn(shape, name) ? shape[name] : undefined;
    if (parameter === undefined) throw unknownParameter(name, Object.keys(shape));
    values[name] = parameter.read(given.getAll(name), name);
  }
  return values;
}

export function unknownParameter(name: string, known: readonly string[]): InvalidInput {
  const expected = known.length === 0 ? 'no query parameters' : `only the query parameters ${known.join(', ')}`;
  return new InvalidInput({ path: 'query', expected, found: name });
}

function parse<Value>(kind: Kind<Value>, given: string, name: string): Value {
  const value = kind.parse(given);
  if (value === undefined) throw new InvalidInput({ path: name, expected: kind.expected, found: given });
  return value;
}
