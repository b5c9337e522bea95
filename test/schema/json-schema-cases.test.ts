import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { jsonSchema } from '../../src/index.ts';
import type { JsonSchemaDocument, JsonSchemaOptions } from '../../src/index.ts';

const VOCABULARY = 'https://json-schema.org/draft/2020-12/vocab';

interface Case {
  readonly description: string;
  readonly schema: JsonSchemaDocument;
  readonly data: readonly (readonly [data: unknown, fits: boolean])[];
}

/** After cases of the JSON Schema Test Suite that are not in the shared data. */
const CASES = JSON.parse(readFileSync(new URL('json-schema-cases.json', import.meta.url), 'utf8')) as readonly Case[];

function fits(schema: JsonSchemaDocument, data: unknown, options?: JsonSchemaOptions): boolean {
  return !('issues' in jsonSchema(schema, options)['~standard'].validate(data));
}

describe('the hard parts of JSON Schema 2020-12', () => {
  it.each(CASES)('$description', ({ schema, data: told }) => {
    for (const [data, expected] of told) expect(fits(schema, data), JSON.stringify(data)).toBe(expected);
  });

  it('a reference to another document goes by its place there, and by its own references', () => {
    const references = {
      'https://tree.test/tree': {
        $id: 'https://tree.test/tree',
        $dynamicAnchor: 'node',
        type: 'object',
        properties: { data: true, children: { type: 'array', items: { $dynamicRef: '#node' } } },
      },
      'https://tree.test/words/': { $defs: { word: { $ref: 'text' } } },
      'https://tree.test/words/text': { type: 'string' },
    };
    const strict = {
      $id: 'https://tree.test/strict',
      $dynamicAnchor: 'node',
      $ref: 'tree',
      unevaluatedProperties: false,
    };
    expect(fits(strict, { children: [{ data: 1 }] }, { references })).toBe(true);
    expect(fits(strict, { children: [{ daat: 1 }] }, { references })).toBe(false);
    const word = { $ref: 'https://tree.test/words/#/$defs/word' };
    expect([fits(word, 'a', { references }), fits(word, 1, { references })]).toEqual([true, false]);
  });

  it('a dialect may do without validation, and not with what nobody knows', () => {
    const vocabulary = (uri: string) => ({
      $vocabulary: { [`${VOCABULARY}/applicator`]: true, [uri]: true },
    });
    const schema = { $schema: 'https://own.test/dialect', properties: { no: false, small: { maximum: 1 } } };
    const withDialect = (uri: string) => ({ references: { 'https://own.test/dialect': vocabulary(uri) } });
    const bare = withDialect(`${VOCABULARY}/core`);
    expect(fits(schema, { small: 2 }, bare)).toBe(true);
    expect(fits(schema, { no: 2 }, bare)).toBe(false);
    expect(fits(schema, { small: 2 }, withDialect(`${VOCABULARY}/validation`))).toBe(false);
    expect(() => fits(schema, {}, withDialect('https://own.test/vocabulary'))).toThrow(
      'JSON Schema: its vocabulary https://own.test/vocabulary is not known',
    );
  });
});
