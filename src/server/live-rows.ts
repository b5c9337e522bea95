import { hash } from 'node:crypto';
import type { Position } from '../index.ts';
import { message } from './live-streams.ts';

/** Rows that a query gives, in their order. */
export type AskedRows = readonly { readonly key: string; readonly row: unknown }[];

/** What rows were, in their order: of each, by key, what tells whether it is another now. */
export type RowDigests = ReadonlyMap<string, string>;

/** What a query gave at one time. */
export class LiveRows {
  readonly digests: RowDigests;
  readonly #texts: ReadonlyMap<string, string>;
  /** Made once, for all who are told. */
  #result: Uint8Array | undefined;

  constructor(rows: AskedRows) {
    this.#texts = new Map(rows.map(({ key, row }) => [key, JSON.stringify(row)]));
    this.digests = new Map([...this.#texts].map(([key, text]) => [key, hash('sha1', text, 'base64')]));
  }

  /** The message that gives them all. */
  result(id: Position): Uint8Array {
    return (this.#result ??= message(id, `{"items":${this.#json([...this.#texts.keys()])}}`, 'result'));
  }

  /** The message that tells what is otherwise since; undefined: nothing is. */
  changeSince(before: RowDigests, id: Position): Uint8Array | undefined {
    const changed = [...this.digests].filter(([key, digest]) => before.get(key) !== digest).map(([key]) => key);
    const removed = [...before.keys()].filter((key) => !this.digests.has(key));
    if (changed.length + removed.length === 0 && isSameOrder(before, this.digests)) return undefined;
    const parts = [`"changed":${this.#json(changed)}`, `"removed":${JSON.stringify(removed)}`];
    return message(id, `{${parts.join(',')},"keys":${JSON.stringify([...this.digests.keys()])}}`, 'change');
  }

  #json(keys: readonly string[]): string {
    return `[${keys.map((key) => `{"key":${JSON.stringify(key)},"row":${this.#texts.get(key)}}`).join(',')}]`;
  }
}

/** Of the same keys. */
function isSameOrder(before: RowDigests, now: RowDigests): boolean {
  const keys = now.keys();
  return [...before.keys()].every((key) => key === keys.next().value);
}
