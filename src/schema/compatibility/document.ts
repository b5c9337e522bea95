import { sameJson } from '../../event/json.ts';
import type { JsonValue } from '../../event/json.ts';

export type SchemaNode = Readonly<Record<string, JsonValue>>;

/** One schema at its place in a document. */
export interface Located {
  readonly document: SchemaDocument;
  /** JSON pointer from the root of the document. */
  readonly pointer: string;
  readonly node: JsonValue | undefined;
  /** Pointer of the nearest enclosing schema with an `$id` of its own, which references are relative to. */
  readonly resource: string;
}

/** Drafts up to 7 know nothing of what stands beside a `$ref`. */
const EARLY_DRAFT = /draft-0[3-7]/;

let documents = 0;

/** A JSON Schema with what its references mean. */
export class SchemaDocument {
  readonly id: string;
  readonly root: Located;
  readonly earlyDraft: boolean;
  readonly #ids = new Map<string, Located>();
  readonly #anchors = new Map<string, Located | 'ambiguous'>();

  constructor(schema: JsonValue, id?: string) {
    documents += 1;
    this.id = id ?? `document-${documents}`;
    const declared = isNode(schema) ? schema.$schema : undefined;
    this.earlyDraft = typeof declared === 'string' && EARLY_DRAFT.test(declared);
    this.root = { document: this, pointer: '', node: schema, resource: '' };
    this.#index(this.root, '');
  }

  /** What a `$ref` in this place means; undefined: nothing that this document holds. */
  resolve(from: Located, reference: string): Located | undefined {
    const [base = '', fragment = ''] = reference.split('#', 2);
    const resource = base === '' ? this.#at(from.resource) : (this.#ids.get(reference) ?? this.#resourceOf(from, base));
    if (resource === undefined) return undefined;
    if (fragment === '') return resource;
    if (fragment.startsWith('/')) return this.#at(resource.pointer + decodeFragment(fragment));
    const anchor = this.#anchors.get(fragment);
    return anchor === 'ambiguous' ? undefined : anchor;
  }

  #resourceOf(from: Located, base: string): Located | undefined {
    const own = this.#at(from.resource)?.node;
    const id = isNode(own) && typeof own.$id === 'string' ? own.$id : '';
    return this.#ids.get(base) ?? this.#ids.get(absolute(base, id));
  }

  #at(pointer: string): Located | undefined {
    let found = this.root;
    for (const token of pointer.split('/').slice(1)) {
      found = childOf(found, token.replaceAll('~1', '/').replaceAll('~0', '~'));
      if (found.node === undefined) return undefined;
    }
    return found;
  }

  #index(located: Located, base: string): void {
    const { node } = located;
    let within = base;
    if (isNode(node)) {
      const id = node.$id ?? node.id;
      if (typeof id === 'string') {
        if (id.startsWith('#')) this.#anchor(id.slice(1), located);
        else {
          within = absolute(id, base);
          for (const name of [id, within]) this.#ids.set(name.replace(/#$/, ''), located);
        }
      }
      for (const anchor of [node.$anchor, node.$dynamicAnchor]) {
        if (typeof anchor === 'string') this.#anchor(anchor, located);
      }
    }
    if (typeof node !== 'object' || node === null) return;
    for (const name of Object.keys(node)) {
      if (!['const', 'enum', 'default', 'examples'].includes(name)) this.#index(childOf(located, name), within);
    }
  }

  #anchor(name: string, located: Located): void {
    this.#anchors.set(name, this.#anchors.has(name) ? 'ambiguous' : located);
  }
}

const made = new Map<string, SchemaDocument>();

/** A schema that nobody wrote, for a question in between; the same one for the same text. */
export function madeUp(node: JsonValue): Located {
  const text = JSON.stringify(node);
  let document = made.get(text);
  if (document === undefined) {
    // Names of properties come from users: what is made of them does not stay for ever.
    if (made.size > 10_000) made.clear();
    document = new SchemaDocument(node, `made-up ${text}`);
    made.set(text, document);
  }
  return document.root;
}

/** What a schema that is nothing but a reference stands for: many places, one question. */
export function followed(located: Located): Located {
  let found = located;
  for (let steps = 0; steps < 50; steps += 1) {
    const { node, document } = found;
    if (!isNode(node) || typeof node.$ref !== 'string') return found;
    const stands = document.earlyDraft || Object.keys(node).every((name) => name === '$ref' || SILENT.has(name));
    const target = stands ? document.resolve(found, node.$ref) : undefined;
    if (target === undefined) return found;
    found = target;
  }
  return located;
}

export function childOf(located: Located, ...tokens: readonly string[]): Located {
  let { pointer, node, resource } = located;
  for (const token of tokens) {
    pointer += `/${token.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    const holder: unknown = node;
    node =
      typeof holder === 'object' && holder !== null && Object.hasOwn(holder, token)
        ? (holder as SchemaNode)[token]
        : undefined;
    if (isNode(node) && typeof node.$id === 'string' && !node.$id.startsWith('#')) resource = pointer;
  }
  return { document: located.document, pointer, node, resource };
}

/** The schemas in a list or an object that is the value of a keyword. */
export function childrenOf(located: Located, keyword: string): (readonly [string, Located])[] {
  const list = childOf(located, keyword);
  if (typeof list.node !== 'object' || list.node === null) return [];
  return Object.keys(list.node).map((name) => [name, childOf(list, name)] as const);
}

export function isNode(value: JsonValue | undefined): value is SchemaNode {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function identityOf(located: Located): string {
  return `${located.document.id}#${located.pointer}`;
}

/** What says nothing about instances, or only where it is referred to. */
const SILENT = new Set(
  '$schema $id $anchor $comment title description default examples deprecated readOnly writeOnly definitions $defs'.split(
    ' ',
  ),
);

/** Keywords whose members are not keywords. */
const MAPS = new Set('properties patternProperties dependentSchemas dependentRequired dependencies'.split(' '));

/** Two schemas that have to be the same. `from`: the pair which that follows from. */
interface Pair {
  readonly left: Located;
  readonly right: Located;
  readonly isMap: boolean;
  readonly from: Pair | undefined;
}

/** What is known of pairs of schemas by the document of the left one: documents do not change. */
const known = new WeakMap<SchemaDocument, Map<string, boolean>>();

/**
 * Whether two schemas are the same as written, and so is all that they refer to.
 *
 * They are unless something under them is found to differ. So each pair is looked at once, and that two are the same is remembered when nothing is left
 * to look at; that they differ, of a pair and all that it was come to from, at once.
 */
export function sameMeaning(left: Located, right: Located): boolean {
  let memory = known.get(left.document);
  if (memory === undefined) known.set(left.document, (memory = new Map()));
  const assumed = new Set<string>();
  const pending: Pair[] = [{ left, right, isMap: false, from: undefined }];
  for (let pair = pending.pop(); pair !== undefined; pair = pending.pop()) {
    if (pair.left.document === pair.right.document && pair.left.pointer === pair.right.pointer) continue;
    const name = nameOf(pair);
    if (assumed.has(name)) continue;
    const before = memory.get(name);
    if (before === true) continue;
    const parts = before === false ? undefined : partsOf(pair);
    if (parts === undefined) {
      for (let each: Pair | undefined = pair; each !== undefined; each = each.from) memory.set(nameOf(each), false);
      return false;
    }
    assumed.add(name);
    // The first part is looked at first.
    pending.push(...parts.toReversed());
  }
  for (const name of assumed) memory.set(name, true);
  return true;
}

function nameOf({ left, right, isMap }: Pair): string {
  return `${identityOf(left)} ${identityOf(right)}${isMap ? ' map' : ''}`;
}

/** The pairs that have to be the same, too; undefined: these differ already. */
function partsOf(from: Pair): readonly Pair[] | undefined {
  const { left, right, isMap } = from;
  if (left.document.earlyDraft !== right.document.earlyDraft) return undefined;
  const one = left.node;
  const other = right.node;
  if (typeof one !== 'object' || one === null || typeof other !== 'object' || other === null)
    return one === other ? [] : undefined;
  if (Array.isArray(one) !== Array.isArray(other)) return undefined;
  const names = namesOf(one, isMap);
  if (names.length !== namesOf(other, isMap).length) return undefined;
  const parts: Pair[] = [];
  for (const name of names) {
    if (!Object.hasOwn(other, name)) return undefined;
    const [mine, its] = [childOf(left, name), childOf(right, name)];
    if (isMap) parts.push({ left: mine, right: its, isMap: false, from });
    else if (name === '$ref') {
      const targets = targetsOf(mine, its);
      if (targets === undefined) return undefined;
      for (const [target, referred] of targets) parts.push({ left: target, right: referred, isMap: false, from });
    } else if (name === 'const' || name === 'enum') {
      if (!sameJson(mine.node, its.node)) return undefined;
    } else parts.push({ left: mine, right: its, isMap: MAPS.has(name), from });
  }
  return parts;
}

/** What two references refer to; undefined: to different things. Nothing, where neither document holds it and both look for it in the same place. */
function targetsOf(left: Located, right: Located): readonly (readonly [Located, Located])[] | undefined {
  if (typeof left.node !== 'string' || left.node !== right.node) return undefined;
  const [target, its] = [left.document.resolve(left, left.node), right.document.resolve(right, left.node)];
  if (target !== undefined && its !== undefined) return [[target, its]];
  const isSame = target === its && childOf(left.document.root, '$id').node === childOf(right.document.root, '$id').node;
  return isSame ? [] : undefined;
}

function namesOf(node: object, isMap: boolean): string[] {
  return Object.keys(node).filter((name) => isMap || Array.isArray(node) || !SILENT.has(name));
}

function absolute(reference: string, base: string): string {
  return URL.canParse(reference, base) ? new URL(reference, base).href : reference;
}

function decodeFragment(fragment: string): string {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return fragment;
  }
}
