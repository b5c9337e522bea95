import type { Catalog } from '../catalog.ts';
import { schemaUri } from '../event/recorded-event.ts';
import type { JsonValue } from '../event/json.ts';
import { DIALECT } from '../schema/json-schema-compiler.ts';
import { isObject, mapSchemas } from '../schema/schema-parts.ts';
import type { JsonObject } from '../schema/schema-parts.ts';
import { messageKey } from './message-key.ts';

/**
 * The schemas of a catalog as one document of JSON Schema 2020-12, each under its type and version.
 *
 * Shape     `$defs` has `shop.order.placed.v1`, which is also found by its `$id`, the `dataschema` of its events. The document itself takes
 *           an event in the CloudEvents JSON format whose data fits its `dataschema`.
 * Source    JSON Schema 2020-12, core, 9.3: a compound document; each part has references of its own
 */
export function catalogSchemas({ events }: Catalog): JsonObject {
  const parts = events.map(({ type, version, summary, jsonSchema }) => {
    const uri = schemaUri(type, version);
    const about = summary === undefined ? {} : { description: summary };
    const schema = named(jsonSchema ?? true, uri);
    return { key: messageKey(type, version), uri, type, schema: { $id: uri, ...about, ...schema } };
  });
  return {
    $schema: DIALECT,
    $id: 'urn:thereupon:catalog',
    type: 'object',
    required: ['specversion', 'id', 'source', 'type'],
    properties: { specversion: { const: '1.0' }, id: { type: 'string' }, source: { type: 'string' } },
    ...(parts.length === 0 ? {} : { allOf: parts.map(dataOf) }),
    $defs: Object.fromEntries(parts.map(({ key, schema }) => [key, schema])),
  };
}

/** Where an event is of this type and version, its data fits. */
function dataOf({ uri, type }: { readonly uri: string; readonly type: string }): JsonObject {
  return {
    if: { required: ['dataschema'], properties: { type: { const: type }, dataschema: { const: uri } } },
    // oxlint-disable-next-line no-thenable -- a keyword of JSON Schema
    then: { properties: { data: { $ref: uri } } },
  };
}

/** A schema that is called by this URI, whatever it was called before: versions of one schema often have one `$id`. */
function named(schema: JsonValue, uri: string): JsonObject {
  if (!isObject(schema)) return schema === false ? { not: {} } : {};
  const former = typeof schema['$id'] === 'string' ? schema['$id'].replace(/#.*$/s, '') : undefined;
  const renamed = former === undefined ? schema : (renaming(former, uri)(schema) as JsonObject);
  const { $id: _former, ...rest } = renamed;
  return rest;
}

function renaming(former: string, uri: string): (schema: JsonValue) => JsonValue {
  const rename = (schema: JsonValue): JsonValue => {
    if (!isObject(schema)) return schema;
    return Object.fromEntries(
      Object.entries(schema).map(([keyword, value]) => {
        const isReference = keyword === '$ref' || keyword === '$dynamicRef';
        if (isReference && typeof value === 'string' && (value === former || value.startsWith(`${former}#`)))
          return [keyword, `${uri}${value.slice(former.length)}`];
        return [keyword, mapSchemas(keyword, value, '', rename)];
      }),
    );
  };
  return rename;
}
