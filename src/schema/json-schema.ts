import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { EventDefinition } from '../event/define-event.ts';
import type { JsonValue } from '../event/json.ts';
import type { JsonSchemaDocument } from './from-json-schema.ts';
import { isObject } from './schema-parts.ts';

/** The JSON Schema part of Standard Schema, where a library implements it. */
interface StandardJsonSchema {
  readonly jsonSchema?: Readonly<Record<'input' | 'output', (options: { target: 'draft-2020-12' }) => unknown>>;
}

/**
 * What an event's data may be for its producers (its defaults left out, say), as JSON Schema 2020-12, where the schema library can say it; else undefined.
 *
 * Source    standardschema.dev, Standard JSON Schema
 */
export function jsonSchemaOf(definition: Pick<EventDefinition, 'schema'>): JsonValue | undefined {
  return saidBy(definition, 'input');
}

/** What its data is when the schema has given it out, as it is stored; undefined as above. */
export function outputSchemaOf(definition: Pick<EventDefinition, 'schema'>): JsonSchemaDocument | undefined {
  const said = saidBy(definition, 'output');
  return typeof said === 'boolean' || isObject(said) ? said : undefined;
}

function saidBy(definition: Pick<EventDefinition, 'schema'>, side: 'input' | 'output'): JsonValue | undefined {
  const standard = definition.schema['~standard'] as StandardSchemaV1.Props & StandardJsonSchema;
  if (standard.jsonSchema === undefined) return undefined;
  try {
    // Through JSON text: what is stored and compared is exactly what is served.
    return JSON.parse(JSON.stringify(standard.jsonSchema[side]({ target: 'draft-2020-12' }))) as JsonValue;
  } catch (error) {
    // Libraries throw for shapes that JSON Schema cannot say (a date, a transform); the schema still validates.
    if (error instanceof Error) return undefined;
    throw error;
  }
}
