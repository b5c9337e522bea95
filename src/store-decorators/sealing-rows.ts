import { buildNameOf } from '../consumer/build.ts';
import { namespaceOf } from '../consumer/namespaces.ts';
import type { Reaction } from '../consumer/reaction.ts';
import type { Row, RowStore, RowWrite } from '../consumer/row-store.ts';
import type { Unit, UnitOfWork } from '../consumer/unit-of-work.ts';
import type { DeciderDefinition } from '../decider/define-decider.ts';
import { ownersOf } from '../decider/parts.ts';
import { keptNamespace, snapshotsNamespace, streamOfKept } from '../decider/snapshots.ts';
import { SealedDataInvalid, WrongState } from '../errors.ts';
import { EventOpening, openJson } from '../event/event-opening.ts';
import type { OpeningKeys } from '../event/event-opening.ts';
import type { JsonValue } from '../event/json.ts';
import { asErased, withOpening } from '../event/opening.ts';
import { erasedValue, isPersonalPlace, replacePersonal, valueAt } from '../event/personal-fields.ts';
import type { PersonalFields, PersonalPart, PersonalParts } from '../event/personal-fields.ts';
import { isSealed, keyIdOf, keyIdsIn, mayHoldSealed, seal } from '../event/sealed-value.ts';
import type { SubjectKey } from '../event/sealed-value.ts';
import type { Sealing } from '../schema/sealing.ts';
import type { SubjectKeys } from '../personal/subject-keys.ts';
import { sealingInline } from './inline-personal.ts';
import type { RowsAtOnce } from './inline-personal.ts';
import { withMethods } from './store-methods.ts';
import type { Store } from '../store.ts';

/** What of rows is personal, by their namespaces. */
export type PersonalRows = ReadonlyMap<string, PersonalParts['partsOf']>;

/** What of the rows, states and snapshots of a program is personal. */
export function personalRows(reactions: readonly Reaction[], deciders: readonly DeciderDefinition[]): PersonalRows {
  const found = new Map<string, PersonalParts['partsOf']>();
  for (const { name, kind, state } of reactions) {
    if (state === undefined || typeof state.personal !== 'object') continue;
    const { personal } = state;
    const partsOf = 'partsOf' in personal ? personal.partsOf.bind(personal) : all(personal);
    found.set(state.namespace, partsOf);
    if (kind === 'projection') found.set(namespaceOf('view', buildNameOf(name)), partsOf);
  }
  for (const { decider: name, own } of ownersOf(deciders))
    if (typeof own.personal === 'object') {
      const { personal } = own;
      found.set(snapshotsNamespace(name), all(personal, ['state']));
      const subjectOf = (state: unknown, key?: string) =>
        key === undefined ? personal.subjectOf(state) : personal.subjectOf(state, streamOfKept(key));
      found.set(keptNamespace(name), all({ ...personal, subjectOf }, ['state']));
    }
  return found;
}

function all(fields: PersonalFields, path: PersonalPart['path'] = []): PersonalParts['partsOf'] {
  const parts = [{ path, fields }];
  return () => parts;
}

/**
 * A store whose rows are sealed as they are written and opened as they are read, in these namespaces.
 *
 * Guarantee The store itself where there are none. Units take effect in the order of the calls, also where a key has to be read or made first.
 */
export function sealingRows(
  store: Store,
  personal: PersonalRows,
  keys: SubjectKeys,
  sealing: Sealing | undefined,
): Store {
  if (personal.size === 0 || sealing === undefined) return store;
  const rows = new SealedRows(personal, keys, sealing);
  const { rows: inner, unitOfWork, inlineRows } = store;
  const inTurn = turns();
  const sealed: Partial<Store> = {
    rows: withMethods<RowStore>(inner, {
      get: async (namespace, key) => (await rows.values(namespace, [key], [await inner.get(namespace, key)]))[0],
      getMany: async (namespace, of) => rows.values(namespace, of, await inner.getMany(namespace, of)),
      async query(namespace, query) {
        const found = await inner.query(namespace, query);
        const of = found.map(({ key }) => key);
        const values = await rows.values(
          namespace,
          of,
          found.map(({ value }: Row) => value),
        );
        return found.map((row, index) => ({ ...row, value: values[index] ?? null }));
      },
      put: async (writes) => inner.put(await rows.sealed(writes)),
      reindex: (namespace, page) =>
        inner.reindex(namespace, {
          ...page,
          // No index is made of what is personal: without keys they are what they are with them.
          indexesOf: (value) => page.indexesOf(rows.erased(namespace, value)),
        }),
    }),
    inlineRows: inlineRows && sealingInline(inlineRows, rows),
    unitOfWork: withMethods<UnitOfWork>(unitOfWork, {
      commit: (unit: Unit) =>
        inTurn(
          () => rows.sealed(unit.rows),
          (written) => unitOfWork.commit({ ...unit, rows: written }),
        ),
    }),
  };
  return withMethods<Store>(store, sealed);
}

/** Lets what is prepared in parallel be done in the order of the calls; at once where nothing has to be prepared. */
function turns(): <Prepared, Done>(
  prepare: () => Prepared | Promise<Prepared>,
  act: (prepared: Prepared) => Promise<Done>,
) => Promise<Done> {
  let last: Promise<unknown> | undefined;
  return async (prepare, act) => {
    const prepared = prepare();
    if (last === undefined && !(prepared instanceof Promise)) return act(prepared);
    const before = last;
    const turn = Promise.allSettled([prepared, before]);
    last = turn;
    await turn;
    if (last === turn) last = undefined;
    return act(await prepared);
  };
}

class SealedRows implements RowsAtOnce {
  readonly #personal: PersonalRows;
  readonly #keys: SubjectKeys;
  readonly #sealing: Sealing;

  constructor(personal: PersonalRows, keys: SubjectKeys, sealing: Sealing) {
    this.#personal = personal;
    this.#keys = keys;
    this.#sealing = sealing;
  }

  /** As they are stored. At once where the keys are known. */
  sealed(rows: readonly RowWrite[]): readonly RowWrite[] | Promise<readonly RowWrite[]> {
    if (!rows.some(({ namespace, value }) => value !== undefined && this.#personal.has(namespace))) return rows;
    const written = rows.map((row) => this.#sealed(row));
    const atOnce = written.filter((row): row is RowWrite => !(row instanceof Promise));
    return atOnce.length === written.length ? atOnce : Promise.all(written.map(async (row) => row));
  }

  #sealed(row: RowWrite): RowWrite | Promise<RowWrite> {
    const { namespace, key, value } = row;
    if (value === undefined) return row;
    const parts = (this.#personal.get(namespace)?.(value) ?? []).filter(({ path }) => isThere(value, path));
    const keys = parts.map(({ path, fields }) => this.#keyOf(fields.subjectOf(valueAt(value, path), key)));
    const known = keys.filter((each): each is SubjectKey => !(each instanceof Promise));
    const finish = (found: readonly SubjectKey[]): RowWrite => ({
      ...row,
      value: parts.reduce((left, part, index) => {
        const by = found[index];
        return by === undefined ? left : this.#sealedPart(left, part, by, key);
      }, value),
    });
    return known.length === keys.length ? finish(known) : Promise.all(keys.map(async (each) => each)).then(finish);
  }

  /** Errors: WrongState while they are being forgotten: what was read before that may not be written with a new key. */
  #keyOf(subject: string): SubjectKey | Promise<SubjectKey> {
    const of = () => new WrongState(`${subject} is being forgotten: what was made of what was read before is not kept`);
    if (this.#sealing.isForgetting(subject)) return Promise.reject(of());
    const known = this.#sealing.current(subject);
    if (known !== undefined) return known;
    const before = this.#sealing.forgettings;
    return this.#sealing.obtain(subject).then((key) => {
      if (before !== this.#sealing.forgettings) throw of();
      return key;
    });
  }

  #sealedPart(row: JsonValue, { path, fields }: PersonalPart, by: SubjectKey, key: string): JsonValue {
    return changedAt(row, path, (part) =>
      replacePersonal(part, fields, (value, place) =>
        seal(value as JsonValue, by, { of: rowOf(key), place: placeWithin(path, place) }, this.#sealing.nonce()),
      ),
    ) as JsonValue;
  }

  /** As they were written, in the order of their keys. Errors: SealedDataInvalid names the row and the place. */
  async values(
    namespace: string,
    of: readonly string[],
    values: readonly (JsonValue | undefined)[],
  ): Promise<readonly (JsonValue | undefined)[]> {
    if (!this.#personal.has(namespace)) return values;
    const ids = new Set<string>();
    for (const value of values) collectKeyIds(value, ids);
    if (ids.size === 0) return values;
    const keys = await this.#keys.fetch(ids);
    return values.map((value, index) =>
      value === undefined ? value : this.#opened(namespace, of[index] ?? '', value, keys),
    );
  }

  sealedAtOnce(rows: readonly RowWrite[]): readonly RowWrite[] | undefined {
    const sealed = this.sealed(rows);
    if (!(sealed instanceof Promise)) return sealed;
    // What it waits for is in memory next time; if it fails then, whoever waits is told.
    sealed.catch(() => undefined);
    return undefined;
  }

  openedAtOnce(namespace: string, key: string, row: JsonValue): JsonValue | undefined {
    if (!this.#personal.has(namespace)) return row;
    const ids = new Set<string>();
    collectKeyIds(row, ids);
    if (ids.size === 0) return row;
    const keys = this.#keys.known(ids);
    return keys && this.#opened(namespace, key, row, keys);
  }

  erased(namespace: string, value: JsonValue): JsonValue {
    return this.#personal.has(namespace) ? this.#opened(namespace, '', value, new Map()) : value;
  }

  #opened(namespace: string, key: string, value: JsonValue, keys: OpeningKeys): JsonValue {
    const parts = (this.#personal.get(namespace)?.(value) ?? []).map(({ path, fields }) => ({
      within: path.length === 0 ? '' : `${path.join('.')}.`,
      fields,
    }));
    let isErased = false;
    const opened = openJson(value, {
      of: rowOf(key),
      keys,
      // What looks like a sealed value elsewhere is data of the program's own.
      isSealedAt: (place) =>
        parts.some(
          ({ within, fields }) => `${place}.`.startsWith(within) && isPersonalPlace(fields, place.slice(within.length)),
        ),
      erased(place, wasString) {
        isErased = true;
        const part = parts.find(({ within }) => `${place}.`.startsWith(within));
        return erasedValue(part?.fields, place.slice(part?.within.length), wasString);
      },
      invalid: (place) => new SealedDataInvalid({ what: `row ${key} of ${namespace}`, place }),
    }) as JsonValue;
    if (typeof opened !== 'object' || opened === null) return opened;
    const row = withOpening(opened, new EventOpening(keys, this.#sealing.types));
    return isErased ? asErased(row) : row;
  }
}

/** Rows change their namespace when what was built takes the place of what served: it is no part of where they are. */
function rowOf(key: string): string {
  return `row ${key}`;
}

function isThere(value: JsonValue, path: PersonalPart['path']): boolean {
  const part = valueAt(value, path);
  return part !== undefined && part !== null;
}

/** A value with what stands at the end of a path changed. */
function changedAt(value: unknown, path: PersonalPart['path'], change: (part: unknown) => unknown): unknown {
  const [member, ...rest] = path;
  if (member === undefined) return change(value);
  const within = (value as Readonly<Record<string | number, unknown>>)[member];
  const changed = changedAt(within, rest, change);
  return Array.isArray(value)
    ? value.with(Number(member), changed)
    : { ...(value as Readonly<Record<string, unknown>>), [member]: changed };
}

function placeWithin(path: PersonalPart['path'], place: string): string {
  return place === '' ? path.join('.') : [...path, place].join('.');
}

/** Also of events that are kept in it, whose data is text. */
function collectKeyIds(value: unknown, into: Set<string>): void {
  if (typeof value === 'string' && mayHoldSealed(value)) keyIdsIn(value, into);
  if (typeof value !== 'object' || value === null) return;
  if (isSealed(value)) into.add(keyIdOf(value));
  else for (const child of Object.values(value)) collectKeyIds(child, into);
}
