import type { CommandEntry, QueryClaim } from '../../channel/append-conditions.ts';
import type { Appended, AppendOutcome, AppendRequest, ExpectedVersion, StreamClaim } from '../../channel/event-log.ts';
import { contentDifference, DIFFERS_FROM_TRIMMED } from '../../event/content-difference.ts';
import { contentDigest } from '../../event/content-digest.ts';
import type { EncodedEvent, RecordedEvent, StoredEvent } from '../../event/event.ts';
import { position, START } from '../../event/position.ts';
import { tagsOf } from '../../event/tags.ts';
import { CommandTable } from './command-table.ts';
import type { Change, Database, Query } from './database.ts';
import { attributesColumn, subjectColumn, writtenEvent } from './event-rows.ts';
import type { InternedNames } from './interned-names.ts';
import type { ChainWriter } from './log-chain.ts';
import type { LogReader } from './log-reader.ts';
import type { StreamHead, StreamIndex } from './stream-index.ts';

type Refused = AppendOutcome & { readonly ok: false };

/** The first event of an identity. */
interface Known {
  readonly place: Appended;
  /** The event, or the digest of its content when it was removed. */
  readonly content: StoredEvent | string;
}

/** What must be put back when an event is taken back. */
interface Written {
  readonly head: StreamHead;
  readonly previous: number;
  readonly tags: readonly string[];
}

const NO_TAGS: readonly string[] = [];
/** Events looked at in one go where a claim has a condition of its own. */
const CLAIM_PAGE = 256;

const VALUES = '?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14';
const INSERT = `INSERT INTO events VALUES (${VALUES}) ON CONFLICT (id, source) DO NOTHING`;
/** Where events were removed, their identities count too. */
const INSERT_UNLESS_RETIRED = `INSERT INTO events SELECT ${VALUES} WHERE NOT EXISTS (SELECT 1 FROM retired WHERE id = ?7 AND source = ?6)
ON CONFLICT (id, source) DO NOTHING`;

/**
 * Writes append requests inside the transaction of a flush. Assumes success: an event is inserted at once, and the index of
 * identities says whether it was known; only what does not fit is looked at closely, and taken back.
 *
 * States     Between flushes; in a flush (`begin` to `commit` or `forget`), in which requests follow one another.
 * Invariants 1. One writer: positions and versions are counted in memory, and the unique indexes only confirm them.
 *            2. `head` is that of the last committed flush; positions above it were never seen by anyone and are given again
 *               after a rollback.
 *            3. A refused request leaves neither rows nor counted versions behind (`takeBack`).
 */
export class EventWriter {
  readonly #database: Database;
  readonly #index: StreamIndex;
  readonly #names: InternedNames;
  readonly #reader: LogReader;
  readonly #insert: Change;
  readonly #insertUnlessRetired: Change;
  readonly #mark: Change;
  readonly #tag: Change;
  readonly #placeOf: Query<[stream: string, version: number]>;
  readonly #commands: CommandTable;
  readonly #chain: ChainWriter;
  #head = 0;
  #headMs = 0;
  #last = 0;
  #nowMs = 0;
  #anyRetired = false;
  #stale = true;
  #listened = false;
  #recorded: RecordedEvent[] = [];
  #written: Written[] = [];
  #commandsWritten: string[] = [];

  constructor(database: Database, index: StreamIndex, names: InternedNames, reader: LogReader, chain: ChainWriter) {
    this.#database = database;
    this.#index = index;
    this.#names = names;
    this.#reader = reader;
    this.#chain = chain;
    this.#insert = database.change(INSERT);
    this.#insertUnlessRetired = database.change(INSERT_UNLESS_RETIRED);
    this.#mark = database.change('INSERT INTO stream_marks VALUES (?, ?, ?)');
    this.#tag = database.change('INSERT INTO event_tags VALUES (?, ?)');
    this.#placeOf = database.query('SELECT stream, version FROM events WHERE id = ? AND source = ?');
    this.#commands = new CommandTable(database);
  }

  /** The last committed position. */
  get head(): number {
    if (this.#stale) this.#load();
    return this.#head;
  }

  /** The last position that this flush has given. */
  get last(): number {
    return this.#last;
  }

  /** What this flush has appended, in log order, when somebody listens. */
  get appended(): readonly RecordedEvent[] {
    return this.#recorded;
  }

  /** Starts a flush. `listened`: somebody wants the recorded events. */
  begin(nowMs: number, listened: boolean): void {
    if (this.#stale) this.#load();
    this.#last = this.#head;
    this.#nowMs = Math.max(nowMs, this.#headMs);
    this.#listened = listened;
    this.#recorded = [];
    this.#chain.begin();
  }

  /** How many events this flush has written. */
  get count(): number {
    return this.#last - this.#head;
  }

  /** Everything of the flush is written. */
  finish(): void {
    this.#chain.finish(this.#nowMs);
  }

  /** The flush is durable. Answers its events in log order, when somebody listens. */
  commit(): readonly RecordedEvent[] {
    if (this.#last > this.#head) this.#headMs = this.#nowMs;
    this.#head = this.#last;
    this.#written = [];
    this.#commandsWritten = [];
    return this.#recorded;
  }

  /** The database was rolled back. */
  forget(): void {
    this.#stale = true;
  }

  /** Events were removed: from now on `retired` is asked too. */
  identitiesRetired(): void {
    this.#anyRetired = true;
  }

  /** Where the requests of one write begin; `takeBack` goes back to it. */
  savepoint(): number {
    this.#written = [];
    this.#commandsWritten = [];
    return this.#last;
  }

  /**
   * Writes one request. After a refusal the caller takes back what its write has written so far.
   *
   * Shape     writeStart: the savepoint of the write that the request belongs to.
   */
  append(request: AppendRequest, writeStart: number): AppendOutcome {
    const { command } = request;
    const outcome = this.#append(request, writeStart);
    if (command === undefined) return outcome;
    if (outcome.ok && this.#remember(command, outcome.events)) return outcome;
    const known = this.#commands.find(command.id);
    return known === undefined ? outcome : { ok: false, reason: 'command-known', command: known };
  }

  #append(request: AppendRequest, writeStart: number): AppendOutcome {
    if (request.expected !== undefined && this.#refusedClaim(request.expected) !== undefined) {
      const refusal = this.#judge(request, writeStart);
      if (refusal !== undefined) return refusal;
    }
    if (request.unless !== undefined) {
      const refusal = this.#refusedQuery(request.unless, writeStart);
      if (refusal !== undefined) {
        const before = this.#judge(request, writeStart);
        if (before !== undefined) return before;
        if (!request.events.some((event) => this.#find(event) !== undefined)) return refusal;
      }
    }
    const events: Appended[] = [];
    for (const event of request.events) {
      const head = this.#index.head(event.stream);
      if (!head.deleted && this.#write(event, head)) {
        events.push({
          stream: event.stream,
          version: head.version,
          position: position(this.#last),
          recordedMs: this.#nowMs,
          duplicate: false,
        });
        continue;
      }
      const known = this.#find(event);
      if (known === undefined) return this.#unwritable(head);
      const conflict = request.onDuplicate === 'verify' ? contentConflict(known, event, writeStart) : undefined;
      if (conflict !== undefined) return conflict;
      events.push(known.place);
    }
    return { ok: true, events };
  }

  /** Undoes everything since the savepoint. */
  takeBack(savepoint: number): void {
    for (const id of this.#commandsWritten.splice(0)) this.#commands.remove(id);
    if (this.#last === savepoint) return;
    const unmark = this.#database.change('DELETE FROM stream_marks WHERE stream = ? AND version = ?');
    const untag = this.#database.change('DELETE FROM event_tags WHERE tag = ? AND position = ?');
    for (let entry = this.#written.pop(); entry !== undefined; entry = this.#written.pop()) {
      const { head, previous, tags } = entry;
      for (const tag of tags) untag.run(tag, head.position);
      if (this.#index.isMark(head.version)) unmark.run(head.stream, head.version);
      this.#index.retreat(head, previous, savepoint);
    }
    this.#database.change('DELETE FROM events WHERE position > ?').run(savepoint);
    if (this.#listened) this.#recorded.length -= this.#last - savepoint;
    this.#chain.takeBack(this.#last - savepoint);
    this.#last = savepoint;
  }

  /** Answers false when the identity is known. */
  #write(event: EncodedEvent, head: StreamHead): boolean {
    const { id, encoding } = event;
    const kind = this.#names.kindIn(head.kinds, head.category, event);
    const place = this.#last + 1;
    const version = head.version + 1;
    const previous = head.position;
    const insert = this.#anyRetired ? this.#insertUnlessRetired : this.#insert;
    const { changes } = insert.run(
      place,
      event.stream,
      version,
      previous,
      kind.kind,
      this.#names.source(event.source),
      id,
      subjectColumn(event),
      event.time,
      this.#nowMs,
      event.correlationid === id ? null : event.correlationid,
      event.causationid ?? null,
      attributesColumn(event.attributes),
      encoding === 'none' ? null : event.data,
    );
    if (changes === 0) return false;
    this.#last = place;
    this.#index.advance(head, place);
    this.#chain.appended(event, place, version);
    const tags = event.attributes === undefined ? NO_TAGS : tagsOf(event);
    for (const tag of tags) this.#tag.run(tag, place);
    this.#written.push({ head, previous, tags });
    if (this.#index.isMark(version)) this.#mark.run(head.stream, version, place);
    if (this.#listened)
      this.#recorded.push(writtenEvent(event, kind, { position: place, version, recordedMs: this.#nowMs }));
    return true;
  }

  /** Claims did not hold: decides in the order that the port demands, without writing, whether the request is refused. */
  #judge(request: AppendRequest, writeStart: number): Refused | undefined {
    const seen = new Map<string, EncodedEvent>();
    const lifted = new Set<string>();
    const verify = request.onDuplicate === 'verify';
    for (const event of request.events) {
      const known = this.#find(event);
      if (known !== undefined) {
        const conflict = verify ? contentConflict(known, event, writeStart) : undefined;
        if (conflict !== undefined) return conflict;
        lifted.add(event.stream);
        continue;
      }
      const identity = JSON.stringify([event.source, event.id]);
      const first = seen.get(identity);
      if (first === undefined) {
        if (this.#index.head(event.stream).deleted)
          return { ok: false, reason: 'stream-deleted', stream: event.stream };
        seen.set(identity, event);
      } else if (verify) {
        const differs = contentDifference(first, event);
        if (differs.length > 0)
          return {
            ok: false,
            reason: 'content-conflict',
            source: event.source,
            id: event.id,
            position: START,
            differs,
          };
      }
    }
    return this.#refusedClaim(request.expected ?? [], lifted);
  }

  #refusedClaim(claims: readonly StreamClaim[], lifted?: ReadonlySet<string>): Refused | undefined {
    for (const { stream, version: expected, last } of claims) {
      if ((expected === 'any' && last === undefined) || lifted?.has(stream)) continue;
      const head = this.#index.head(stream);
      const { deleted, version: actual } = head;
      if (deleted) return { ok: false, reason: 'stream-deleted', stream };
      if (!holds(expected, actual) || (last !== undefined && !this.#isAt(last, head)))
        return { ok: false, reason: 'version-conflict', stream, expected, actual };
    }
    return undefined;
  }

  #refusedQuery(claims: readonly QueryClaim[], writeStart: number): Refused | undefined {
    for (const [index, claim] of claims.entries()) {
      const found = this.#last <= claim.after ? undefined : this.#firstOf(claim);
      if (found === undefined) continue;
      const place = found.position > writeStart ? START : found.position;
      return { ok: false, reason: 'query-conflict', claim: index, position: place };
    }
    return undefined;
  }

  #firstOf({ matches, after, ...query }: QueryClaim): RecordedEvent | undefined {
    if (matches === undefined) return this.#reader.read({ ...query, after, limit: 1 })[0];
    for (let from = after; ;) {
      const page = this.#reader.read({ ...query, after: from, limit: CLAIM_PAGE });
      const found = page.find((event) => matches(event));
      const last = page.at(-1);
      if (found !== undefined || last === undefined) return found;
      from = last.position;
    }
  }

  /** Answers false when it is known. Its events are the newest ones: those of its request. */
  #remember(command: CommandEntry, events: readonly Appended[]): boolean {
    const fresh = events.filter(({ duplicate }) => !duplicate);
    const place = { recordedMs: this.#nowMs, position: fresh[0]?.position ?? START, events: fresh.length };
    if (!this.#commands.add(command, place)) return false;
    this.#commandsWritten.push(command.id);
    return true;
  }

  /** Also of an event that was removed since. */
  #isAt({ source, id }: Pick<EncodedEvent, 'source' | 'id'>, { stream, version }: StreamHead): boolean {
    const number = this.#names.findSource(source);
    if (number === undefined) return false;
    const place = this.#placeOf.get(id, number) ?? (this.#anyRetired ? this.#placeOfRetired(id, number) : undefined);
    return place?.[0] === stream && place[1] === version;
  }

  #placeOfRetired(id: string, source: number): [stream: string, version: number] | undefined {
    const sql = 'SELECT stream, version FROM retired WHERE id = ? AND source = ?';
    return this.#database.query<[string, number]>(sql).get(id, source);
  }

  #find(event: EncodedEvent): Known | undefined {
    const found = this.#reader.find(event);
    if (found !== undefined) {
      const { stored } = found;
      const { stream, version, position: place, recordedMs } = stored;
      return { place: { stream, version, position: place, recordedMs, duplicate: true }, content: stored };
    }
    const source = this.#anyRetired ? this.#names.findSource(event.source) : undefined;
    if (source === undefined) return undefined;
    const row = this.#database
      .query<[string, number, number, number, string]>(
        'SELECT stream, version, position, recorded_ms, digest FROM retired WHERE id = ? AND source = ?',
      )
      .get(event.id, source);
    if (row === undefined) return undefined;
    const [stream, version, place, recordedMs, digest] = row;
    return { place: { stream, version, position: position(place), recordedMs, duplicate: true }, content: digest };
  }

  /** Neither written nor known: its stream is deleted, or invariant 1 is broken. */
  #unwritable(head: StreamHead): Refused {
    if (head.deleted) return { ok: false, reason: 'stream-deleted', stream: head.stream };
    throw new Error(`stream ${head.stream}: version ${head.version + 1} was neither written nor known before`);
  }

  #load(): void {
    const [head, headMs] = this.#reader.head();
    this.#head = head;
    this.#headMs = headMs;
    this.#last = head;
    this.#anyRetired = this.#database.query('SELECT 1 FROM retired LIMIT 1').get() !== undefined;
    this.#stale = false;
  }
}

function holds(expected: ExpectedVersion, actual: number): boolean {
  if (expected === 'any') return true;
  return expected === 'none' ? actual === 0 : expected === 'exists' ? actual > 0 : actual === expected;
}

function contentConflict(known: Known, event: EncodedEvent, writeStart: number): Refused | undefined {
  const { content, place } = known;
  const trimmed = () => (content === contentDigest(event) ? [] : DIFFERS_FROM_TRIMMED);
  const differs = typeof content === 'string' ? trimmed() : contentDifference(content, event);
  if (differs.length === 0) return undefined;
  // The first one of a refused write was never recorded: it has no position.
  const first = place.position > writeStart ? START : place.position;
  return { ok: false, reason: 'content-conflict', source: event.source, id: event.id, position: first, differs };
}
