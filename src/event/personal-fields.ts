import { InvalidDefinition, InvalidInput } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import { assertKnown } from '../system/known-options.ts';
import type { JsonValue } from './json.ts';

/** Which of some data is about a person, and about whom. */
export interface PersonalOptions<Data> {
  /** Whose it is, `customer-9`: by this name it is forgotten. Never itself a personal field. */
  readonly subject: (data: Data) => string;
  /** Paths through objects, `address.street`; `*` for the items of a list, `contacts.*.phone`. What is there is sealed whole. */
  readonly fields: readonly string[];
  /** What a field reads as when its subject is forgotten. Default: `'[erased]'` where it was a string, else null. */
  readonly erased?: Readonly<Record<string, JsonValue>>;
}

/** The same for what is kept by a key: rows, states. `'none'`: nothing that is personal is in it. */
export type PersonalState<Value> =
  | 'none'
  | (Omit<PersonalOptions<Value>, 'subject'> & { readonly subject: (value: Value, key: string) => string });

/** Personal fields as they are worked with. */
export interface PersonalFields {
  readonly paths: readonly (readonly string[])[];
  /** By path, as it was declared. */
  readonly erased: ReadonlyMap<string, JsonValue>;
  /** Errors: InvalidInput when it is no name. */
  subjectOf(data: unknown, key?: string): string;
}

/** Of something that is kept several things, each with what of it is personal. */
export interface PersonalParts {
  /** Whether the program has said it of what its own functions make. */
  readonly isSaid: boolean;
  /** The things in it as it is stored. It shows where they are, whether what is in them is sealed or not. */
  partsOf(stored: JsonValue): readonly PersonalPart[];
}

export interface PersonalPart {
  /** Members and items that lead to it. */
  readonly path: readonly (string | number)[];
  readonly fields: PersonalFields;
}

/** What a string reads as whose key is gone. */
export const ERASED = '[erased]';
/** Names of subjects are keys of an index. */
const MAX_SUBJECT_BYTES = 512;

/** Errors: InvalidDefinition names what is no path, or lies within another one. */
export function personalFields(title: string, given: unknown, { mayBeList = false } = {}): PersonalFields | undefined {
  if (given === undefined) return undefined;
  if (typeof given !== 'object' || given === null)
    throw new InvalidDefinition(title, `personal must be { subject, fields }, found ${describeValue(given)}`);
  assertKnown(title, given, ['subject', 'fields', 'erased'], 'personal.');
  const {
    subject,
    fields,
    erased = {},
  } = given as PersonalOptions<unknown> & {
    readonly subject: (data: unknown, key?: string) => unknown;
  };
  if (typeof subject !== 'function') throw new InvalidDefinition(title, 'personal.subject must be a function');
  if (!Array.isArray(fields) || fields.length === 0)
    throw new InvalidDefinition(title, "personal.fields must be a list of paths, such as ['email', 'address.street']");
  const paths = fields.map((field) => pathOf(title, field, mayBeList));
  for (const [index, path] of paths.entries())
    for (const [other, longer] of paths.entries())
      if (index !== other && path.every((segment, at) => longer[at] === segment))
        throw new InvalidDefinition(
          title,
          `personal.fields has ${String(fields[other])}, which is within ${String(fields[index])}`,
        );
  for (const field of Object.keys(erased))
    if (!fields.includes(field))
      throw new InvalidDefinition(title, `personal.erased has ${field}, which is not one of its fields`);
  return {
    paths,
    erased: new Map(Object.entries(erased)),
    subjectOf(data, key) {
      const name = subject(data, key);
      assertSubject(name, `${title}: personal.subject`);
      return name;
    },
  };
}

/** As `personalFields`, of what is kept by a key. */
export function personalState(title: string, given: unknown): PersonalFields | 'none' | undefined {
  return given === 'none' ? given : personalFields(title, given, { mayBeList: true });
}

/** All of something that is kept. */
export function personalWhole(subjectOf: PersonalFields['subjectOf']): PersonalFields {
  return { paths: [[]], erased: new Map(), subjectOf };
}

/** Errors: InvalidInput. */
export function assertSubject(subject: unknown, path: string): asserts subject is string {
  const fits =
    typeof subject === 'string' &&
    subject !== '' &&
    subject.isWellFormed() &&
    Buffer.byteLength(subject) <= MAX_SUBJECT_BYTES;
  if (!fits)
    throw new InvalidInput({
      path,
      expected: `1 to ${MAX_SUBJECT_BYTES} bytes of text that name a person`,
      found: subject,
    });
}

function pathOf(title: string, field: unknown, mayBeList: boolean): readonly string[] {
  const path = typeof field === 'string' ? field.split('.') : [];
  const isPath =
    path.length > 0 &&
    (mayBeList || path[0] !== '*') &&
    path.every((segment) => segment !== '' && segment !== '__proto__');
  if (isPath) return path;
  throw new InvalidDefinition(
    title,
    `personal.fields must hold paths such as email, address.street or contacts.*.phone, found ${describeValue(field)}`,
  );
}

/**
 * Data with what stands at these paths replaced; all else is what it was.
 *
 * Shape     `replace` is told the place, with numbers for items. What stands where a path goes on, and is no object or list, is replaced itself:
 *           nothing of a personal field escapes by having another shape. What is absent or null stays so.
 */
export function replacePersonal(
  data: unknown,
  { paths }: Pick<PersonalFields, 'paths'>,
  replace: (value: unknown, place: string) => unknown,
): unknown {
  let replaced = data;
  for (const path of paths) replaced = replacedAt(replaced, path, 0, '', replace);
  return replaced;
}

function replacedAt(
  value: unknown,
  path: readonly string[],
  at: number,
  place: string,
  replace: (value: unknown, place: string) => unknown,
): unknown {
  if (value === undefined || value === null) return value;
  const segment = path[at];
  if (segment === undefined || typeof value !== 'object' || (segment === '*') !== Array.isArray(value))
    return replace(value, place);
  if (Array.isArray(value))
    return value.map((item, index) => replacedAt(item, path, at + 1, placeIn(place, index), replace));
  if (!Object.hasOwn(value, segment)) return value;
  const member = (value as Readonly<Record<string, unknown>>)[segment];
  return { ...value, [segment]: replacedAt(member, path, at + 1, placeIn(place, segment), replace) };
}

/** The place of a member or an item in what stands at another place. */
export function placeIn(place: string, member: string | number): string {
  return place === '' ? String(member) : `${place}.${member}`;
}

/** What stands at the end of a path; undefined: nothing does. */
export function valueAt(value: unknown, path: PersonalPart['path']): unknown {
  return path.reduce<unknown>(
    (at, member) =>
      typeof at === 'object' && at !== null ? (at as Readonly<Record<string | number, unknown>>)[member] : undefined,
    value,
  );
}

/** Whether a value at this place may be one that is sealed: a personal field, or what stands where a path to one goes on. */
export function isPersonalPlace({ paths }: Pick<PersonalFields, 'paths'>, place: string): boolean {
  const segments = place === '' ? [] : place.split('.');
  return paths.some(
    (path) =>
      segments.length <= path.length &&
      segments.every((segment, at) => segment === path[at] || (path[at] === '*' && /^\d+$/u.test(segment))),
  );
}

/** Data as it reads when all of its personal fields are erased, as far as its shape shows. */
export function erasedData(data: unknown, fields: PersonalFields): unknown {
  return replacePersonal(data, fields, (value, place) => erasedValue(fields, place, typeof value === 'string'));
}

/** What stands at a place that is erased. */
export function erasedValue(fields: PersonalFields | undefined, place: string, wasString: boolean): JsonValue {
  const declared = fields === undefined || fields.erased.size === 0 ? undefined : fields.erased.get(fieldOf(place));
  return declared === undefined ? (wasString ? ERASED : null) : declared;
}

/** The field as it is declared that a place belongs to. What is no list is the one item of it. */
function fieldOf(place: string): string {
  if (place === '') return '*';
  return place
    .split('.')
    .map((segment) => (/^\d+$/.test(segment) ? '*' : segment))
    .join('.');
}
