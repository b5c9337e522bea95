import type { JsonValue } from '../event/json.ts';
import { isList, isObject } from '../schema/schema-parts.ts';
import type { JsonObject } from '../schema/schema-parts.ts';
import { baseOf, SchemaTree } from '../schema/schema-tree.ts';
import type { PlacedSchema } from '../schema/schema-tree.ts';
import { commentOn, memberName, textLiteral, typeName } from './source-text.ts';
import type { Names } from './source-text.ts';

const TYPES: Readonly<Record<string, string>> = {
  string: 'string',
  number: 'number',
  integer: 'number',
  boolean: 'boolean',
  null: 'null',
};

/**
 * TypeScript declarations of what fits a JSON Schema 2020-12, the one of the schema itself first.
 *
 * Shape     What a type cannot say (`pattern`, `minimum`, `not`, `if`) is left out. Where a schema speaks of properties or items and not
 *           of a `type`, it is taken to mean an object or a list: few who write that mean that any other value is fine, too.
 * Guarantee They compile, whatever the schema, references that go round in circles included.
 */
export function declarationsOf(schema: JsonValue, name: string, names: Names, comment?: string): string {
  return new SchemaTypes(schema, name, names).declarations(comment);
}

class SchemaTypes {
  readonly #tree: SchemaTree;
  readonly #name: string;
  readonly #names: Names;
  readonly #named = new Map<JsonValue, string>();
  readonly #waiting: PlacedSchema[];
  readonly #tuples: string[] = [];
  /** How many were written. */
  #references = 0;

  constructor(schema: JsonValue, name: string, names: Names) {
    this.#tree = new SchemaTree(schema);
    this.#name = name;
    this.#names = names;
    this.#named.set(schema, name);
    this.#waiting = [this.#tree.root];
  }

  declarations(comment: string | undefined): string {
    const texts: string[] = [];
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const says = texts.length === 0 ? (comment ?? remarkOf(next.schema)) : remarkOf(next.schema);
      const name = this.#named.get(next.schema) ?? this.#name;
      texts.push(`${commentOn(says, '')}export type ${name} = ${this.#typeOf(next, '', next.schema)};\n`);
    }
    return [...texts, ...this.#tuples].join('\n');
  }

  /** `owner`: the declared schema whose type this is, as long as nothing stands between them. */
  #typeOf({ schema, base: outer }: PlacedSchema, indent: string, owner: JsonValue | undefined): string {
    if (schema === false) return 'never';
    if (!isObject(schema)) return 'unknown';
    const base = baseOf(schema, outer);
    const each = (of: JsonValue | undefined) =>
      isList(of) ? of.map((part) => this.#typeOf({ schema: part, base }, indent, owner)) : undefined;
    return intersection([
      this.#plainType(schema, base, indent),
      ...(each(schema['allOf']) ?? []),
      unionOf(each(schema['anyOf'])),
      unionOf(each(schema['oneOf'])),
      this.#reference({ schema, base: outer }, owner),
    ]);
  }

  #reference(place: PlacedSchema, owner: JsonValue | undefined): string {
    const target = this.#tree.find(place);
    if (target === undefined) return 'unknown';
    if (!isObject(target.schema)) return this.#typeOf(target, '', owner);
    // A type may not be defined by itself, unless there is an object or a list between.
    if (owner !== undefined && this.#leadsTo(target, owner, new Set())) return 'unknown';
    let name = this.#named.get(target.schema);
    if (name === undefined) {
      name = this.#names.take(`${this.#name}${typeName(target.name)}`);
      this.#named.set(target.schema, name);
      this.#waiting.push(target);
    }
    this.#references += 1;
    return name;
  }

  #leadsTo(from: PlacedSchema, goal: JsonValue, seen: Set<JsonValue>): boolean {
    const { schema, base: outer } = from;
    if (schema === goal) return true;
    if (!isObject(schema) || seen.has(schema)) return false;
    seen.add(schema);
    const base = baseOf(schema, outer);
    const target = this.#tree.find(from);
    if (target !== undefined && this.#leadsTo(target, goal, seen)) return true;
    return [schema['allOf'], schema['anyOf'], schema['oneOf']].some(
      (parts) => isList(parts) && parts.some((part) => this.#leadsTo({ schema: part, base }, goal, seen)),
    );
  }

  #plainType(schema: JsonObject, base: string, indent: string): string {
    if (schema['const'] !== undefined) return literalType(schema['const']);
    if (isList(schema['enum'])) return unionOf(schema['enum'].map(literalType));
    const given = schema['type'] ?? impliedType(schema);
    if (given === undefined) return 'unknown';
    const types = isList(given) ? given : [given];
    return unionOf(
      types.map((type) => {
        if (type === 'object') return this.#objectType(schema, base, indent);
        if (type === 'array') return this.#listType(schema, base, indent);
        return typeof type === 'string' && Object.hasOwn(TYPES, type) ? (TYPES[type] ?? 'unknown') : 'unknown';
      }),
    );
  }

  #objectType(schema: JsonObject, base: string, indent: string): string {
    const inner = `${indent}  `;
    const type = (of: JsonValue) => this.#typeOf({ schema: of, base }, inner, undefined);
    const properties = isObject(schema['properties']) ? schema['properties'] : {};
    const required = new Set(
      isList(schema['required']) ? schema['required'].filter((name) => typeof name === 'string') : [],
    );
    const members = [...new Set([...Object.keys(properties), ...required])].map((name) => {
      const of = Object.hasOwn(properties, name) ? (properties[name] ?? true) : true;
      return { name, type: type(of), isOptional: !required.has(name), remark: remarkOf(of) };
    });
    const others = othersOf(schema, type, members.length > 0);
    const lines = members.map(
      (member) =>
        `${commentOn(member.remark, inner)}${inner}${memberName(member.name)}${member.isOptional ? '?' : ''}: ${member.type};\n`,
    );
    if (others !== undefined) {
      // An index covers the named members, too.
      const named = members.flatMap((member) => (member.isOptional ? [member.type, 'undefined'] : [member.type]));
      lines.push(`${inner}[name: string]: ${unionOf([...others, ...named])};\n`);
    }
    return lines.length === 0 ? '{ [name: string]: unknown }' : `{\n${lines.join('')}${indent}}`;
  }

  #listType(schema: JsonObject, base: string, indent: string): string {
    const type = (of: JsonValue) => this.#typeOf({ schema: of, base }, indent, undefined);
    const first = isList(schema['prefixItems']) ? schema['prefixItems'] : [];
    const rest = schema['items'] ?? true;
    if (first.length === 0) return `${operand(type(rest))}[]`;
    const minimum = typeof schema['minItems'] === 'number' ? schema['minItems'] : 0;
    const before = this.#references;
    const items = first.map((each, index) => (index < minimum ? type(each) : `${operand(type(each))}?`));
    const tuple = `[${[...items, ...(rest === false ? [] : [`...${operand(type(rest))}[]`])].join(', ')}]`;
    if (this.#references === before) return tuple;
    // The compiler looks into a tuple before it knows the type that it is part of, which it may be made of, unless it has a name itself.
    const name = this.#names.take(`${this.#name}Items`);
    this.#tuples.push(`export type ${name} = ${tuple.replaceAll(`\n${indent}`, '\n')};\n`);
    this.#references += 1;
    return name;
  }
}

/** What members may be that have no name in the schema; undefined: nothing is said of them. */
function othersOf(
  schema: JsonObject,
  type: (schema: JsonValue) => string,
  hasMembers: boolean,
): readonly string[] | undefined {
  const additional = schema['additionalProperties'];
  const patterns = isObject(schema['patternProperties']) ? Object.values(schema['patternProperties']) : [];
  if (additional === false) return patterns.length > 0 ? patterns.map(type) : hasMembers ? undefined : ['never'];
  if (additional !== undefined) return [type(additional), ...patterns.map(type)];
  return patterns.length > 0 ? ['unknown'] : undefined;
}

function impliedType(schema: JsonObject): string | undefined {
  const speaksOf = (keywords: readonly string[]) => keywords.some((keyword) => schema[keyword] !== undefined);
  const isObjects = speaksOf(['properties', 'required', 'additionalProperties', 'patternProperties']);
  if (speaksOf(['items', 'prefixItems'])) return isObjects ? undefined : 'array';
  return isObjects ? 'object' : undefined;
}

function remarkOf(schema: JsonValue): string | undefined {
  if (!isObject(schema)) return undefined;
  const { description, title, deprecated } = schema;
  const said = [description, title].find((text) => typeof text === 'string');
  return deprecated === true ? `${typeof said === 'string' ? `${said}\n\n` : ''}@deprecated` : said;
}

function literalType(value: JsonValue): string {
  if (typeof value === 'string') return textLiteral(value);
  if (isList(value)) return `[${value.map(literalType).join(', ')}]`;
  if (!isObject(value)) return String(value);
  const members = Object.entries(value).map(([name, each]) => `${memberName(name)}: ${literalType(each)}`);
  return members.length === 0 ? '{ [name: string]: never }' : `{ ${members.join('; ')} }`;
}

/** A type that others stand beside. */
function operand(type: string): string {
  return /^(?:[\w$]+|'(?:[^'\\]|\\.)*'|\{[^{}]*\})$/.test(type) ? type : `(${type})`;
}

function unionOf(types: readonly string[] | undefined): string {
  if (types === undefined || types.includes('unknown')) return 'unknown';
  const different = [...new Set(types)].filter((type) => type !== 'never');
  if (different.length === 0) return 'never';
  return different.length === 1 ? (different[0] ?? 'never') : different.map(operand).join(' | ');
}

function intersection(types: readonly string[]): string {
  const different = [...new Set(types)].filter((type) => type !== 'unknown');
  if (different.includes('never')) return 'never';
  return different.length < 2 ? (different[0] ?? 'unknown') : different.map(operand).join(' & ');
}
