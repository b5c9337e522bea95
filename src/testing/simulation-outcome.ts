import type { DeadLetter } from '../consumer/dead-letters.ts';
import type { RecordedEvent } from '../event/event.ts';

/** What came out differently: a fact that reactions published, a row, a dead letter; in JSON. */
export interface Difference {
  readonly kind: 'dead letter' | 'fact' | 'row';
  /** Whose it is: a projection, an automation or a consumer. */
  readonly reaction: string;
  /** The type of the fact, the key of the row, what was parked. */
  readonly what: string;
  /** In the orderly run; undefined: nothing. */
  readonly expected: string | undefined;
  readonly found: string | undefined;
}

/** What there is in the end: each entry by what it is about, and how often. */
export interface Outcome {
  readonly facts: ReadonlyMap<string, Entry>;
  readonly rows: ReadonlyMap<string, Entry>;
  readonly letters: ReadonlyMap<string, Entry>;
}

interface Entry {
  readonly reaction: string;
  readonly what: string;
  readonly said: string;
  count: number;
}

/** Collects an outcome. Ids and times are left out: they may follow from which event came last. */
export class Outcomes {
  readonly #facts = new Map<string, Entry>();
  readonly #rows = new Map<string, Entry>();
  readonly #letters = new Map<string, Entry>();

  fact({ type, stream, source, data }: RecordedEvent): void {
    const said = canonical({ stream, data });
    add(this.#facts, `${type}\n${said}`, {
      reaction: decodeURIComponent(source.split('/').at(-1) ?? source),
      what: type,
      said,
    });
  }

  row(projection: string, key: string, row: unknown): void {
    add(this.#rows, `${projection}\n${key}`, { reaction: projection, what: key, said: canonical(row) });
  }

  parked({ consumer, event, error, key, part, editable }: DeadLetter): void {
    // What of several things failed is no event: which one brought it on depends on the order in which they came.
    const isPart = part !== undefined && !editable;
    const said = canonical({
      ...(isPart ? { key } : { type: event?.type, data: event?.data }),
      error: withoutIds(error?.message),
    });
    const what = isPart ? 'what came of its events' : (event?.type ?? 'an event');
    add(this.#letters, `${consumer}\n${said}`, { reaction: consumer, what, said });
  }

  get all(): Outcome {
    return { facts: this.#facts, rows: this.#rows, letters: this.#letters };
  }
}

/** Of a fact the id follows from what led to it. */
function withoutIds(message: string | undefined): string | undefined {
  return message?.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '…');
}

function add(entries: Map<string, Entry>, key: string, entry: Omit<Entry, 'count'>): void {
  const known = entries.get(key);
  if (known === undefined) entries.set(key, { ...entry, count: 1 });
  else known.count += 1;
}

/** The first that differs; facts before the rows that may follow from them. Undefined: nothing does. */
export function differenceOf(expected: Outcome, found: Outcome): Difference | undefined {
  return (
    differenceIn('dead letter', expected.letters, found.letters) ??
    differenceIn('fact', expected.facts, found.facts) ??
    differenceIn('row', expected.rows, found.rows)
  );
}

function differenceIn(
  kind: Difference['kind'],
  expected: ReadonlyMap<string, Entry>,
  found: ReadonlyMap<string, Entry>,
): Difference | undefined {
  for (const key of [...new Set([...expected.keys(), ...found.keys()])].sort((left, right) =>
    left < right ? -1 : 1,
  )) {
    const [one, other] = [expected.get(key), found.get(key)];
    if (one?.count === other?.count && one?.said === other?.said) continue;
    const present = one ?? other;
    if (present === undefined) continue;
    const { reaction, what } = present;
    // What is there in place of it is missing in turn, and most like it.
    const counterpart = (there: ReadonlyMap<string, Entry>, here: ReadonlyMap<string, Entry>) => {
      const others = [...there].filter(
        ([name, entry]) => !here.has(name) && entry.reaction === reaction && entry.what === what,
      );
      const alike = others.map(([, entry]) => ({ entry, likeness: likenessOf(entry, present) }));
      return alike.sort((left, right) => right.likeness - left.likeness).find(({ likeness }) => likeness > 0)?.entry;
    };
    return {
      kind,
      reaction,
      what,
      expected: shown(one ?? counterpart(expected, found)),
      found: shown(other ?? counterpart(found, expected)),
    };
  }
  return undefined;
}

/** How much two say the same; 0: they are about different things. */
function likenessOf(left: Entry, right: Entry): number {
  const [one, other] = [left, right].map(({ said }) => JSON.parse(said) as { stream?: string; data?: unknown });
  if (one?.stream !== other?.stream) return 0;
  const [mine, theirs] = [one?.data, other?.data].map((data) => Object.entries(Object(data)));
  const same = mine?.filter(([name, value]) =>
    theirs?.some(([its, its_value]) => its === name && JSON.stringify(its_value) === JSON.stringify(value)),
  );
  return 1 + (same?.length ?? 0);
}

function shown(entry: Entry | undefined): string | undefined {
  if (entry === undefined) return undefined;
  return entry.count === 1 ? entry.said : `${entry.count} times ${entry.said}`;
}

/** The same text for the same value, in whatever order its members are. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([left], [right]) => (left < right ? -1 : 1)))
      : member,
  );
}
