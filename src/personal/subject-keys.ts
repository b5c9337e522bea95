import { createSecretKey } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { ERASABLE_NAMESPACE } from '../consumer/row-store.ts';
import type { Row, RowStore, RowWrite } from '../consumer/row-store.ts';
import { InvalidInput } from '../errors.ts';
import type { JsonValue } from '../event/json.ts';
import { KEY_BYTES, KEY_ID_BYTES } from '../event/sealed-value.ts';
import type { OpeningKeys } from '../event/event-opening.ts';
import type { SubjectKey } from '../event/sealed-value.ts';
import type { Random } from '../system/random.ts';

/** Where the keys are kept, by their ids. */
export const KEYS_NAMESPACE = ERASABLE_NAMESPACE;
const SUBJECT_INDEX = 'subject';
/** Keys in memory (G10). */
const MAX_KEYS = 20_000;
/** A person has one key for each node that made one at the same moment as others. */
const MAX_PER_SUBJECT = 10_000;
/** Rows asked for at once. */
const PAGE = 500;

interface KeyRow {
  readonly subject: string;
  readonly secret: string;
}

/**
 * The keys that personal fields are sealed with, of each person one or more.
 *
 * Invariants
 * 1. A key is durable before anything is sealed with it, and is never overwritten: its id is random.
 * 2. What was read before a key was deleted is not remembered after it.
 * 3. A key that is deleted loses its secret at once, for all that was handed on with it.
 * 4. From the moment at which somebody is to be forgotten nobody is given an old key of theirs to seal with.
 */
export class SubjectKeys {
  readonly #rows: RowStore;
  readonly #random: Random;
  readonly #byId = lately();
  readonly #bySubject = lately();
  readonly #obtaining = new Map<string, Promise<SubjectKey>>();
  readonly #subjects = new WeakMap<SubjectKey, string>();
  /** People whose keys are being deleted. */
  readonly #forgetting = new Map<string, Promise<unknown>>();
  /** Rises whenever somebody is forgotten. */
  #forgotten = 0;

  constructor(rows: RowStore, random: Random) {
    this.#rows = rows;
    this.#random = random;
  }

  /** A key of a person that is in memory. */
  current(subject: string): SubjectKey | undefined {
    return this.#bySubject.get(subject);
  }

  /** Rises whenever somebody is forgotten, here or, when that is heard, elsewhere. */
  get forgettings(): number {
    return this.#forgotten;
  }

  isForgetting(subject: string): boolean {
    return this.#forgetting.has(subject);
  }

  /** A key of a person; one is made where there is none. */
  obtain(subject: string): Promise<SubjectKey> {
    const known = this.current(subject);
    if (known !== undefined) return Promise.resolve(known);
    let obtaining = this.#obtaining.get(subject);
    if (obtaining === undefined) {
      obtaining = this.#obtain(subject).finally(() => this.#obtaining.delete(subject));
      this.#obtaining.set(subject, obtaining);
    }
    return obtaining;
  }

  /** Keys in memory by their ids; undefined: one of them is not there, and may be in the store. */
  known(ids: Iterable<string>): OpeningKeys | undefined {
    const found = new Map<string, SubjectKey>();
    for (const id of ids) {
      const key = this.#byId.get(id);
      if (key === undefined) return undefined;
      found.set(id, key);
    }
    return found;
  }

  /** Keys by their ids. Those that are gone have no secret. */
  async fetch(ids: ReadonlySet<string>): Promise<OpeningKeys> {
    for (;;) {
      const found = new Map<string, SubjectKey>();
      const missing: string[] = [];
      for (const id of ids) {
        const key = this.#byId.get(id);
        if (key === undefined) missing.push(id);
        else found.set(id, key);
      }
      if (missing.length === 0) return found;
      const before = this.#forgotten;
      const rows: (JsonValue | undefined)[] = [];
      for (let from = 0; from < missing.length; from += PAGE)
        rows.push(...(await this.#rows.getMany(KEYS_NAMESPACE, missing.slice(from, from + PAGE))));
      if (before !== this.#forgotten) continue;
      for (const [index, id] of missing.entries())
        found.set(id, this.#remember(id, rows[index] as unknown as KeyRow | undefined));
      return found;
    }
  }

  /** For one sealing. */
  nonce(bytes: number): Uint8Array {
    return this.#random.bytes(bytes);
  }

  /** Deletes every key of a person, all or none, and writes in the same transaction what is to be remembered of that. Answers their ids, when it is durable; `gone`: then, and before anybody gets a new one. */
  async forget(
    subject: string,
    what: { readonly remembered: (keys: number) => RowWrite; readonly gone: () => void },
  ): Promise<readonly string[]> {
    const before = this.#forgetting.get(subject);
    const forgetting = (async () => {
      await before?.catch(() => undefined);
      const ids = await this.#forget(subject, what.remembered);
      what.gone();
      return ids;
    })();
    this.#forgetting.set(subject, forgetting);
    try {
      return await forgetting;
    } finally {
      if (this.#forgetting.get(subject) === forgetting) this.#forgetting.delete(subject);
    }
  }

  async #forget(subject: string, remembered: (keys: number) => RowWrite): Promise<readonly string[]> {
    this.drop(subject);
    const rows = await this.#ofSubject(subject);
    if (rows.length === MAX_PER_SUBJECT)
      throw new InvalidInput({
        path: 'subject',
        expected: `fewer than ${MAX_PER_SUBJECT} keys of one`,
        found: subject,
      });
    if (rows.length > 0)
      await this.#rows.put([
        ...rows.map(({ key }) => ({
          namespace: KEYS_NAMESPACE,
          key,
          value: undefined,
          indexes: { [SUBJECT_INDEX]: null },
        })),
        remembered(rows.length),
      ]);
    this.drop(subject);
    for (const { key } of rows) {
      const known = this.#byId.get(key);
      if (known !== undefined) known.secret = undefined;
    }
    return rows.map(({ key }) => key);
  }

  /** They were forgotten, here or elsewhere: nothing that is in memory can be read with their keys any more. */
  drop(subject: string): void {
    this.#forgotten += 1;
    const current = this.#bySubject.peek(subject);
    if (current !== undefined) current.secret = undefined;
    this.#bySubject.delete(subject);
    for (const [id, key] of this.#byId) {
      if (this.#subjects.get(key) !== subject) continue;
      key.secret = undefined;
      this.#byId.delete(id);
    }
  }

  async #obtain(subject: string): Promise<SubjectKey> {
    for (;;) {
      await this.#forgetting.get(subject)?.catch(() => undefined);
      const before = this.#forgotten;
      const [first] = await this.#ofSubject(subject);
      if (first === undefined) await this.#make(subject);
      if (first === undefined || before !== this.#forgotten) continue;
      const key = this.#remember(first.key, first.value as unknown as KeyRow);
      this.#bySubject.set(subject, key);
      return key;
    }
  }

  async #make(subject: string): Promise<void> {
    const id = Buffer.from(this.#random.bytes(KEY_ID_BYTES)).toString('base64url');
    const secret = Buffer.from(this.#random.bytes(KEY_BYTES)).toString('base64url');
    const value = { subject, secret } satisfies KeyRow;
    await this.#rows.put([{ namespace: KEYS_NAMESPACE, key: id, value, indexes: { [SUBJECT_INDEX]: subject } }]);
  }

  #ofSubject(subject: string): Promise<readonly Row[]> {
    return this.#rows.query(KEYS_NAMESPACE, {
      where: [{ index: SUBJECT_INDEX, op: '=', value: subject }],
      limit: MAX_PER_SUBJECT,
    });
  }

  #remember(id: string, row: KeyRow | undefined): SubjectKey {
    const known = this.#byId.get(id);
    if (known !== undefined) return known;
    const secret = row === undefined ? undefined : createSecretKey(Buffer.from(row.secret, 'base64url'));
    const key: SubjectKey = { id, secret };
    this.#byId.set(id, key);
    if (row !== undefined) this.#subjects.set(key, row.subject);
    return key;
  }
}

/** Those used longest ago go first. */
function lately(): LRUCache<string, SubjectKey> {
  return new LRUCache({ maxSize: MAX_KEYS, sizeCalculation: () => 1 });
}
