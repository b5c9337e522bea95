import type { JsonValue } from '../../event/json.ts';
import { SchemaDocument, childOf, childrenOf, identityOf, isNode } from '../compatibility/document.ts';
import type { Located, SchemaNode } from '../compatibility/document.ts';
import { namesIn } from '../compatibility/keywords.ts';
import { wordsOf } from './names.ts';

/** One property that an event's data may have, at any depth. */
export interface Field {
  readonly name: string;
  readonly words: readonly string[];
  /** `data.lines[].price`. */
  readonly place: string;
  /** 1: of the data itself. */
  readonly depth: number;
  /** Whether it is always there, with all that it is in. */
  readonly required: boolean;
  /** Whether it is in a list. */
  readonly repeated: boolean;
  readonly types: ReadonlySet<string>;
  /** All that is said of it, one schema for each part and alternative. */
  readonly nodes: readonly SchemaNode[];
  /** The properties beside it, and those beside what it is in. */
  readonly beside: readonly (readonly string[])[];
}

interface Place {
  readonly path: string;
  readonly depth: number;
  readonly required: boolean;
  readonly repeated: boolean;
  readonly beside: readonly (readonly string[])[];
  readonly seen: ReadonlySet<string>;
}

/** All properties that a schema declares, those of references, parts and alternatives, too. */
export function fieldsOf(schema: JsonValue): readonly Field[] {
  const { root } = new SchemaDocument(schema);
  return fieldsIn([root], { path: 'data', depth: 0, required: true, repeated: false, beside: [], seen: new Set() });
}

function fieldsIn(schemas: readonly Located[], place: Place): Field[] {
  const parts = schemas.flatMap((schema) => partsOf(schema)).filter((part) => !place.seen.has(identityOf(part)));
  if (parts.length === 0) return [];
  const seen = new Set([...place.seen, ...parts.map(identityOf)]);
  const required = new Set(schemas.flatMap((schema) => [...requiredIn(schema, new Set())]));
  const byName = new Map<string, Located[]>();
  for (const part of parts) {
    for (const [name, member] of childrenOf(part, 'properties'))
      byName.set(name, [...(byName.get(name) ?? []), member]);
  }
  const fields = [...byName].flatMap(([name, members]) => {
    const others = [...byName.keys()].filter((other) => other !== name).map(wordsOf);
    const inner: Place = {
      path: `${place.path}.${name}`,
      depth: place.depth + 1,
      required: place.required && required.has(name),
      repeated: place.repeated,
      beside: [...place.beside, ...others],
      seen,
    };
    return [fieldOf(name, members, inner), ...fieldsIn(members, inner)];
  });
  const below: Place = { ...place, depth: place.depth + 1, required: false, repeated: true, seen };
  return [
    ...fields,
    ...fieldsIn(parts.flatMap(itemsOf), { ...below, path: `${place.path}[]` }),
    ...fieldsIn(
      parts.map((part) => childOf(part, 'additionalProperties')),
      { ...below, path: `${place.path}.*` },
    ),
  ];
}

function itemsOf(part: Located): Located[] {
  return [
    childOf(part, 'items'),
    ...['items', 'prefixItems'].flatMap((keyword) => {
      const isList = Array.isArray(childOf(part, keyword).node);
      return isList ? childrenOf(part, keyword).map(([, item]) => item) : [];
    }),
  ];
}

/** What is required whatever alternative holds. */
function requiredIn(schema: Located, seen: ReadonlySet<string>): ReadonlySet<string> {
  const { node, document } = schema;
  if (!isNode(node) || seen.has(identityOf(schema))) return new Set();
  const within = new Set([...seen, identityOf(schema)]);
  const target = typeof node.$ref === 'string' ? document.resolve(schema, node.$ref) : undefined;
  const parts = [...childrenOf(schema, 'allOf').map(([, part]) => part), ...(target === undefined ? [] : [target])];
  const alternatives = ['anyOf', 'oneOf'].flatMap((keyword) => {
    const [first, ...others] = childrenOf(schema, keyword).map(([, part]) => requiredIn(part, within));
    return [...(first ?? [])].filter((name) => others.every((other) => other.has(name)));
  });
  return new Set([
    ...namesIn(node.required),
    ...parts.flatMap((part) => [...requiredIn(part, within)]),
    ...alternatives,
  ]);
}

function fieldOf(name: string, members: readonly Located[], place: Place): Field {
  const nodes = members.flatMap((member) => partsOf(member)).map(({ node }) => node as SchemaNode);
  return {
    name,
    words: wordsOf(name),
    place: place.path,
    depth: place.depth,
    required: place.required,
    repeated: place.repeated,
    types: new Set(
      nodes.flatMap(({ type }) => (Array.isArray(type) ? namesIn(type) : typeof type === 'string' ? [type] : [])),
    ),
    nodes,
    beside: place.beside,
  };
}

/** A schema with all that it refers to and is made of, whether that always holds or not. */
function partsOf(schema: Located, seen: Set<string> = new Set()): Located[] {
  const { node, document } = schema;
  if (!isNode(node) || seen.has(identityOf(schema))) return [];
  seen.add(identityOf(schema));
  const target = typeof node.$ref === 'string' ? document.resolve(schema, node.$ref) : undefined;
  return [
    schema,
    ...(target === undefined ? [] : partsOf(target, seen)),
    ...['allOf', 'anyOf', 'oneOf'].flatMap((keyword) =>
      childrenOf(schema, keyword).flatMap(([, part]) => partsOf(part, seen)),
    ),
  ];
}
