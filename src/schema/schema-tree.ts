import type { JsonValue } from '../event/json.ts';
import { isObject, mapSchemas } from './schema-parts.ts';
import type { JsonObject } from './schema-parts.ts';

/** Where there is no `$id`. */
const NOWHERE = 'schema:///';

/** A schema in its document, with the URI that its `$id`, if it has one, is relative to. */
export interface PlacedSchema {
  readonly schema: JsonValue;
  readonly base: string;
}

/** What a reference leads to, and the last part of the reference. */
export interface ReferencedSchema extends PlacedSchema {
  readonly name: string;
  /** Whether the reference is an anchor, and the anchor one that depends on where the reader came from. */
  readonly isDynamic: boolean;
}

/**
 * Finds what references in a JSON Schema lead to: pointers, anchors and embedded resources with an `$id` of their own.
 *
 * Source    JSON Schema 2020-12, core, 8.2 and 9.2
 */
export class SchemaTree {
  readonly root: PlacedSchema;
  readonly #resources = new Map<string, PlacedSchema>();
  readonly #anchors = new Map<string, PlacedSchema>();
  readonly #dynamicAnchors = new Map<string, Map<string, PlacedSchema>>();

  readonly #beside: SchemaTree | undefined;

  /** `at`: the place of the schema in a larger document, which its pointers are counted from. `beside`: where else to look. */
  constructor(document: JsonValue, at: JsonValue = document, beside?: SchemaTree) {
    this.#beside = beside;
    this.root = { schema: at, base: NOWHERE };
    this.#resources.set(NOWHERE, { schema: document, base: NOWHERE });
    this.#gather(this.root);
  }

  /** Another document that this one may refer to, by the URI that it is known by. */
  add(uri: string, document: JsonValue): void {
    const base = resolved(uri, NOWHERE)?.replace(/#.*$/s, '') ?? uri;
    const place = { schema: document, base };
    if (!this.#resources.has(base)) this.#resources.set(base, place);
    this.#gather(place);
  }

  /** What `$ref` leads to, or `$dynamicRef` for who comes from nowhere. Undefined: out of what is known, or to nothing. */
  find(place: PlacedSchema, keyword?: '$ref' | '$dynamicRef'): ReferencedSchema | undefined {
    const { schema, base } = place;
    if (!isObject(schema)) return undefined;
    const reference = keyword === undefined ? (schema['$ref'] ?? schema['$dynamicRef']) : schema[keyword];
    const target = typeof reference === 'string' ? resolved(reference, baseOf(schema, base)) : undefined;
    if (target === undefined) return undefined;
    const [uri = '', fragment = ''] = target.split('#');
    const isPointer = fragment === '' || fragment.startsWith('/');
    const found = isPointer ? this.#pointed(uri, fragment) : this.#anchored(target);
    const isDynamic = !isPointer && this.dynamicAnchors(fragment).has(uri);
    return found && { ...found, name: nameOf(fragment === '' ? uri : fragment), isDynamic };
  }

  /** The schemas that resources have for an anchor which depends on where the reader came from. */
  dynamicAnchors(name: string): ReadonlyMap<string, PlacedSchema> {
    return this.#dynamicAnchors.get(name) ?? this.#beside?.dynamicAnchors(name) ?? new Map();
  }

  #pointed(uri: string, fragment: string): PlacedSchema | undefined {
    const resource = this.#resources.get(uri);
    return resource === undefined
      ? this.#beside === undefined
        ? undefined
        : this.#beside.#pointed(uri, fragment)
      : follow(resource, fragment);
  }

  #anchored(target: string): PlacedSchema | undefined {
    return this.#anchors.get(target) ?? (this.#beside === undefined ? undefined : this.#beside.#anchored(target));
  }

  #gather(place: PlacedSchema): void {
    const { schema, base: outer } = place;
    if (!isObject(schema)) return;
    const base = baseOf(schema, outer);
    if (base !== outer && !this.#resources.has(base)) this.#resources.set(base, place);
    const { $anchor: anchor, $dynamicAnchor: dynamic } = schema;
    for (const name of [anchor, dynamic]) if (typeof name === 'string') this.#anchors.set(`${base}#${name}`, place);
    if (typeof dynamic === 'string')
      this.#dynamicAnchors.set(dynamic, new Map([...this.dynamicAnchors(dynamic), [base, place]]));
    for (const [keyword, value] of Object.entries(schema))
      mapSchemas(keyword, value, base, (each) => {
        this.#gather({ schema: each, base });
        return each;
      });
  }
}

function nameOf(reference: string): string {
  const parts = reference.split(/[/:]/).filter((part) => part !== '');
  return decoded(parts.at(-1) ?? '')
    .replaceAll('~1', '/')
    .replaceAll('~0', '~');
}

/** The URI that references in a schema are relative to. */
export function baseOf(schema: JsonValue, outer: string): string {
  const id = isObject(schema) ? schema['$id'] : undefined;
  return typeof id === 'string' ? (resolved(id, outer)?.replace(/#.*$/s, '') ?? outer) : outer;
}

function resolved(reference: string, base: string): string | undefined {
  try {
    return new URL(reference, base).href;
  } catch {
    // A relative reference in a schema whose $id is a URN, or no reference at all.
    return undefined;
  }
}

/** What a JSON Pointer in a fragment leads to (RFC 6901, 6). */
function follow(start: PlacedSchema, fragment: string): PlacedSchema | undefined {
  let found = start;
  for (const part of fragment.split('/').slice(1)) {
    const { schema } = found;
    const name = decoded(part).replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof schema !== 'object' || schema === null || !Object.hasOwn(schema, name)) return undefined;
    const next = (schema as JsonObject)[name];
    if (next === undefined) return undefined;
    found = { schema: next, base: baseOf(schema, found.base) };
  }
  return found;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A bare percent sign is meant as it stands.
    return text;
  }
}
