import type { JsonValue } from '../../index.ts';

type Schema = Readonly<Record<string, unknown>>;

/** How deep a sample goes: schemas may contain themselves. */
const MAX_DEPTH = 6;

/** Data that fits a simple JSON Schema, for an example that can be tried. Whether it really fits, only the schema's own library knows. */
export function sampleOf(schema: unknown, name = 'value', depth = 0): JsonValue {
  if (typeof schema !== 'object' || schema === null || depth > MAX_DEPTH) return null;
  const given = schema as Schema;
  for (const word of ['const', 'default'] as const) if (given[word] !== undefined) return given[word] as JsonValue;
  for (const word of ['examples', 'enum'] as const)
    if (Array.isArray(given[word]) && given[word].length > 0) return given[word][0] as JsonValue;
  for (const word of ['anyOf', 'oneOf', 'allOf'] as const)
    if (Array.isArray(given[word])) return sampleOf(given[word][0], name, depth + 1);
  const type = Array.isArray(given['type']) ? (given['type'][0] as unknown) : given['type'];
  switch (type) {
    case 'object':
      return objectOf(given, depth);
    case 'array':
      return Array.from({ length: Math.max(1, numberOf(given['minItems'], 1)) }, () =>
        sampleOf(given['items'], name, depth + 1),
      );
    case 'integer':
    case 'number':
      return numberSample(given);
    case 'boolean':
      return true;
    case 'string':
      return stringOf(given, name);
    default:
      return null;
  }
}

function objectOf(schema: Schema, depth: number): JsonValue {
  const properties = (schema['properties'] ?? {}) as Readonly<Record<string, unknown>>;
  const required = Array.isArray(schema['required']) ? (schema['required'] as string[]) : [];
  return Object.fromEntries(required.map((name) => [name, sampleOf(properties[name], name, depth + 1)]));
}

function numberSample(schema: Schema): number {
  const lowest = Math.max(numberOf(schema['minimum'], 1), numberOf(schema['exclusiveMinimum'], 0) + 1);
  const step = numberOf(schema['multipleOf'], 1);
  const preferred = Math.max(42, lowest);
  const sample =
    Math.ceil(
      Math.min(
        preferred,
        numberOf(schema['maximum'], preferred),
        numberOf(schema['exclusiveMaximum'], preferred + 1) - 1,
      ) / step,
    ) * step;
  return Math.max(lowest, sample);
}

const FORMATS: Readonly<Record<string, string>> = {
  'date-time': '2026-01-01T12:00:00Z',
  date: '2026-01-01',
  time: '12:00:00',
  email: 'ann@example.com',
  uri: 'https://example.com/',
  uuid: '0191d1c2-7a4b-7c3d-8e5f-001122334455',
};

function stringOf(schema: Schema, name: string): string {
  const format = FORMATS[String(schema['format'])];
  if (format !== undefined) return format;
  // Streams are often named after the thing and its id: `order-1`.
  const text = /id$/i.test(name) ? '1' : name;
  const least = numberOf(schema['minLength'], 0);
  return text.padEnd(least, '-').slice(0, Math.max(least, numberOf(schema['maxLength'], 200)));
}

function numberOf(value: unknown, otherwise: number): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : otherwise;
}
