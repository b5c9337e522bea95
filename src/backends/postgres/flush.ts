import type { QueryClaim } from '../../channel/append-conditions.ts';
import type { AppendOutcome, AppendRequest } from '../../channel/event-log.ts';
import { runsOf } from '../../channel/log-chain.ts';
import type { SqlStatement } from '../../consumer/table-store.ts';
import type { UnitOutcome } from '../../consumer/unit-of-work.ts';
import type { RecordedEvent } from '../../event/event.ts';
import { wholeGroup } from '../../consumer/lanes.ts';
import { position, START } from '../../event/position.ts';
import type { Position } from '../../event/position.ts';
import { releaseLanes } from './checkpoint-store.ts';
import { endInline, lockConsumers, TELL_NODES } from './cluster.ts';
import { AppendPlan, identityOf } from './append-plan.ts';
import type { Known, LogExcerpt } from './append-plan.ts';
import { findCommands, insertCommands } from './command-table.ts';
import type { Queries } from './database.ts';
import type { DeliveryRow } from './delivery-store.ts';
import { writeDeliveries } from './delivery-store.ts';
import type { EventRow } from './event-rows.ts';
import { EVENT_COLUMNS, insertEvents, storedEvent } from './event-rows.ts';
import type { PostgresInlineRows } from './inline-rows.ts';
import { addLinks, isChained } from './log-chain.ts';
import type { Chaining } from './log-chain.ts';
import { LogReader } from './log-reader.ts';
import type { Partitions } from './partitions.ts';
import type { PreparedRow } from './row-store.ts';
import { writeRows } from './row-store.ts';
import { executeStatements } from './table-store.ts';
import { fromText, toText } from './text.ts';

export interface PreparedCheckpoint {
  readonly low: Position;
  readonly done: string;
}

/** From the holder of lanes: the checkpoint of each group, which its first lane names. */
export interface PreparedLease {
  readonly token: number;
  readonly number: number;
  readonly checkpoints: readonly (PreparedCheckpoint & { readonly lane: number })[];
}

/** A unit beside its appends, detached from the objects of its writer. */
export interface PreparedUnit {
  readonly consumer: string;
  readonly checkpoint: PreparedCheckpoint | undefined;
  readonly lease: PreparedLease | undefined;
  readonly rows: readonly PreparedRow[];
  readonly statements: readonly SqlStatement[];
  readonly remove: readonly Position[];
  readonly put: readonly DeliveryRow[];
  /** What must be parked before. */
  readonly parked: readonly Position[];
}

/** One write that may share its transaction with others: all of its requests or none. */
export interface Appending {
  /** Roughly what it holds in memory while it waits. */
  readonly bytes: number;
  readonly requests: readonly AppendRequest[];
  readonly unit: PreparedUnit | undefined;
  /** It is durable, or refused. */
  settle(outcome: UnitOutcome | undefined): void;
  fail(error: unknown): void;
}

export interface Flushed {
  /** As of the writes, in their order. */
  readonly outcomes: readonly UnitOutcome[];
  /** What was appended, in the order of the log. */
  readonly events: readonly RecordedEvent[];
  /** To be called when it is durable, before anybody is told of it. */
  committed?(): void;
}

/** What a log's writers in this process share. */
export interface FlushParts {
  readonly partitions: Partitions;
  readonly chaining: Chaining;
  /** How errors name it. */
  readonly store: string;
  readonly inlineRows: Pick<PostgresInlineRows, 'project' | 'write'>;
}

/** Carries out writes in order, each with its own outcome, in a transaction that holds the head of the log where any of them appends. */
export async function flush(
  queries: Queries,
  writes: readonly Appending[],
  nowMs: number,
  { partitions, chaining, store, inlineRows }: FlushParts,
): Promise<Flushed> {
  const requests = writes.flatMap((write) => write.requests);
  const tokens = await tokensOf(queries, writes);
  const parked = await parkedOf(queries, writes);
  const plan = new AppendPlan(await excerpt(queries, requests), nowMs);
  const units: PreparedUnit[] = [];
  const outcomes = writes.map((write): UnitOutcome => {
    if (write.unit !== undefined) {
      const { consumer } = write.unit;
      if (!isHolder(write.unit, tokens.get(consumer)) || !areParked(write.unit, parked.get(consumer)))
        return { ok: false, index: -1, refusal: undefined };
    }
    const outcome = planned(plan, write.requests);
    if (outcome.ok && write.unit !== undefined) {
      units.push(write.unit);
      if (takesLanes(write.unit)) tokens.set(write.unit.consumer, new Map());
      changeParked(write.unit, parked.get(write.unit.consumer));
    }
    return outcome;
  });
  const [first] = plan.events;
  if (first !== undefined)
    await partitions.reserve(queries, first.position, plan.events.at(-1)?.position ?? first.position);
  if (first !== undefined) await link(queries, plan, chaining);
  const events = plan.recorded();
  await endTouched(queries, units);
  const inline = await inlineRows.project(queries, events);
  await insertEvents(queries, plan.events, plan.ends, plan.recordedMs);
  await insertCommands(queries, plan.commands);
  await writeUnits(queries, units, nowMs);
  await executeStatements(
    queries,
    units.flatMap(({ statements }) => statements),
    store,
  );
  if (inline === undefined) return { outcomes, events };
  await inlineRows.write(queries, inline);
  return { outcomes, events, committed: () => inline.committed() };
}

/** What changes a consumer that the store works off ends that. Whoever does so holds the head of the log. */
async function endTouched(queries: Queries, units: readonly PreparedUnit[]): Promise<void> {
  const touched = units.filter(({ lease }) => lease === undefined || lease.checkpoints.length === 0);
  if (touched.length > 0)
    await endInline(
      queries,
      touched.map(({ consumer }) => toText(consumer)),
    );
}

/** Attests what is appended, where the log keeps a chain. */
async function link(queries: Queries, { events, recordedMs }: AppendPlan, chaining: Chaining): Promise<void> {
  chaining.found(await isChained(queries));
  if (!chaining.isOn) return;
  const stored = events.map(({ event, position: place, version }) => ({
    ...event,
    position: position(place),
    version,
    recordedMs,
  }));
  await addLinks(
    queries,
    [...runsOf(stored)].map((run) => ({ kind: 'appended', ...run })),
  );
}

function planned(plan: AppendPlan, requests: readonly AppendRequest[]): UnitOutcome {
  const mark = plan.mark();
  const appends: (AppendOutcome & { ok: true })[] = [];
  for (const [index, request] of requests.entries()) {
    const outcome = plan.add(request, mark);
    if (!outcome.ok) {
      plan.takeBack(mark);
      return { ok: false, index, refusal: outcome };
    }
    appends.push(outcome);
  }
  return { ok: true, appends };
}

/** Who may commit to a group of lanes, and how often that one has. */
interface GroupState {
  readonly token: number;
  readonly commits: number;
}

const LOCK_LANES = `SELECT consumer, first_lane, token, commits FROM lanes
WHERE consumer = ANY($1::text[]) OR (consumer, first_lane) IN (SELECT * FROM unnest($2::text[], $3::smallint[]))
ORDER BY consumer, first_lane FOR UPDATE`;

/** Of the consumers that units are about, as far as they are known, by the first lane of each group. */
async function tokensOf(
  queries: Queries,
  writes: readonly Appending[],
): Promise<Map<string, ReadonlyMap<number, GroupState>>> {
  // Lanes of others are locked only where they may be taken from them.
  const taking = new Set<string>();
  const held: (readonly [consumer: string, lane: number])[] = [];
  for (const { unit } of writes) {
    if (unit === undefined) continue;
    const consumer = toText(unit.consumer);
    if (mayTakeLanes(unit)) taking.add(consumer);
    for (const { lane } of unit.lease?.checkpoints ?? []) held.push([consumer, lane]);
  }
  if (taking.size + held.length === 0) return new Map();
  if (taking.size > 0) await lockConsumers(queries, [...taking]);
  const rows = await queries.prepared<[consumer: string, lane: number, token: number, commits: number]>(LOCK_LANES, [
    [...taking],
    held.map(([consumer]) => consumer),
    held.map(([, lane]) => lane),
  ]);
  const tokens = new Map<string, Map<number, GroupState>>();
  for (const [name, lane, token, commits] of rows) {
    const consumer = fromText(name);
    const ofConsumer = tokens.get(consumer);
    if (ofConsumer === undefined) tokens.set(consumer, new Map([[lane, { token, commits }]]));
    else ofConsumer.set(lane, { token, commits });
  }
  return tokens;
}

/**
 * Whether the consumer is known, and where the unit is a holder's, all of its lanes are still the holder's, and it is the next of its units or,
 * its answer having been lost, the last one again.
 */
function isHolder({ lease }: PreparedUnit, groups: ReadonlyMap<number, GroupState> | undefined): boolean {
  if (groups === undefined) return false;
  if (lease === undefined) return true;
  const { token, number } = lease;
  return lease.checkpoints.every(({ lane }) => {
    const group = groups.get(lane);
    return group?.token === token && (group.commits === number - 1 || group.commits === number);
  });
}

/** Of the deliveries that must be parked, those that are, by consumer. Their lanes are locked: no holder changes them. */
async function parkedOf(queries: Queries, writes: readonly Appending[]): Promise<Map<string, Set<Position>>> {
  const parked = new Map<string, Set<Position>>();
  for (const { unit } of writes) {
    if (unit === undefined || unit.parked.length === 0) continue;
    const known = parked.get(unit.consumer) ?? new Set();
    const sql = `SELECT position FROM deliveries WHERE consumer = $1 AND position = ANY($2::bigint[]) AND state = 'parked'`;
    for (const [place] of await queries.query<[number]>(sql, [toText(unit.consumer), unit.parked]))
      known.add(position(place));
    parked.set(unit.consumer, known);
  }
  return parked;
}

function areParked({ parked }: PreparedUnit, known: ReadonlySet<Position> | undefined): boolean {
  return parked.every((place) => known?.has(place) === true);
}

/** As the deliveries are after the unit. */
function changeParked({ remove, put }: PreparedUnit, known: Set<Position> | undefined): void {
  if (known === undefined) return;
  for (const place of remove) known.delete(place);
  for (const row of put) {
    if (row[STATE] === 'parked') known.add(position(row[PLACE]));
    else known.delete(position(row[PLACE]));
  }
}

/** Whether lanes may have to be taken from somebody. */
function mayTakeLanes({ lease, put }: PreparedUnit): boolean {
  return lease === undefined || lease.checkpoints.length === 0 || put.length > 0;
}

/** Whether it changes what the holders of lanes have in memory. */
function takesLanes({ lease, checkpoint, rows, statements, put, remove }: PreparedUnit): boolean {
  const changes = rows.length + statements.length + put.length + remove.length;
  return lease === undefined && (checkpoint !== undefined || changes > 0);
}

type KnownRow = [
  id: string,
  source: string,
  position: number,
  stream: string | null,
  version: number | null,
  recordedMs: number | null,
  digest: string | null,
  ...event: EventRow,
];

const KNOWN = `SELECT i.id, i.source, i.position, i.stream, i.version, i.recorded_ms, i.digest, ${EVENT_COLUMNS}
FROM unnest($1::text[], $2::text[]) AS asked (id, source)
JOIN identities AS i ON i.id = asked.id AND i.source = asked.source
LEFT JOIN events AS e ON e.position = i.position`;

async function excerpt(queries: Queries, requests: readonly AppendRequest[]): Promise<LogExcerpt> {
  if (requests.length === 0)
    return { head: 0, recordedMs: 0, streams: new Map(), known: new Map(), commands: new Map(), against: new Map() };
  const names = new Set<string>();
  const ids: string[] = [];
  const sources: string[] = [];
  for (const { events, expected = [] } of requests) {
    for (const { stream, last } of expected) {
      names.add(stream);
      if (last === undefined) continue;
      ids.push(toText(last.id));
      sources.push(toText(last.source));
    }
    for (const { stream, id, source } of events) {
      names.add(stream);
      ids.push(toText(id));
      sources.push(toText(source));
    }
  }
  const heads = await queries.query<[number, number]>('SELECT position, recorded_ms FROM log_head');
  const streams = await queries.query<[string, number, boolean]>(
    'SELECT stream, version, deleted FROM streams WHERE stream = ANY($1::text[])',
    [[...names].map(toText)],
  );
  const known = await queries.query<KnownRow>(KNOWN, [ids, sources]);
  const commands = await findCommands(
    queries,
    requests.flatMap(({ command }) => (command === undefined ? [] : [command.id])),
  );
  const [head, recordedMs] = heads[0] ?? [0, 0];
  return {
    head,
    recordedMs,
    streams: new Map(streams.map(([name, version, deleted]) => [fromText(name), { version, deleted }])),
    known: new Map(known.map((row) => [identityOf({ id: fromText(row[0]), source: fromText(row[1]) }), knownOf(row)])),
    commands: new Map(commands.map((command) => [command.id, command])),
    against: await againstClaims(queries, requests, head),
  };
}

/** Events looked at in one go where a claim has a condition of its own. */
const CLAIM_PAGE = 256;

async function againstClaims(
  queries: Queries,
  requests: readonly AppendRequest[],
  head: number,
): Promise<ReadonlyMap<QueryClaim, Position>> {
  const against = new Map<QueryClaim, Position>();
  const reader = new LogReader(queries);
  for (const claim of requests.flatMap(({ unless = [] }) => unless)) {
    const found = claim.after >= head ? undefined : await firstOf(reader, claim);
    if (found !== undefined) against.set(claim, found.position);
  }
  return against;
}

async function firstOf(
  reader: LogReader,
  { matches, after, ...query }: QueryClaim,
): Promise<RecordedEvent | undefined> {
  if (matches === undefined) return (await reader.read({ ...query, after, limit: 1 }))[0];
  for (let from = after; ;) {
    const page = await reader.read({ ...query, after: from, limit: CLAIM_PAGE });
    const found = page.find((event) => matches(event));
    const last = page.at(-1);
    if (found !== undefined || last === undefined) return found;
    from = last.position;
  }
}

function knownOf(row: KnownRow): Known {
  const [, , place, stream, version, recordedMs, digest, ...event] = row;
  if (digest !== null) {
    return {
      place: {
        stream: fromText(stream ?? ''),
        version: version ?? 0,
        position: position(place),
        recordedMs: recordedMs ?? 0,
      },
      content: digest,
    };
  }
  const stored = storedEvent(event);
  return {
    place: { stream: stored.stream, version: stored.version, position: stored.position, recordedMs: stored.recordedMs },
    content: stored,
  };
}

async function writeUnits(queries: Queries, units: readonly PreparedUnit[], nowMs: number): Promise<void> {
  const rows = new Map<string, PreparedRow>();
  const held = new Map<string, HeldCheckpoint>();
  for (const unit of units) {
    const { consumer, checkpoint, lease, rows: written, remove, put } = unit;
    // Of two writes to one key the later stands.
    for (const row of written) rows.set(JSON.stringify([row.namespace, row.key]), row);
    if (remove.length + put.length > 0) await writeDeliveries(queries, consumer, remove, put);
    if (lease === undefined) {
      if (takesLanes(unit)) await takeLanes(queries, toText(consumer), checkpoint, nowMs);
      continue;
    }
    if (lease.checkpoints.length === 0) await takeOtherLanes(queries, toText(consumer), lease.token, ALL_LANES);
    for (const { lane, low, done } of lease.checkpoints)
      held.set(`${lane} ${consumer}`, { consumer: toText(consumer), lane, low, done, number: lease.number });
    if (put.length > 0) await takeOtherLanes(queries, toText(consumer), lease.token, lanesOf(put));
  }
  if (rows.size > 0) await writeRows(queries, [...rows.values()]);
  if (held.size > 0) await writeCheckpoints(queries, [...held.values()], nowMs);
}

type HeldCheckpoint = PreparedCheckpoint & {
  readonly consumer: string;
  readonly lane: number;
  readonly number: number;
};

async function writeCheckpoints(
  queries: Queries,
  checkpoints: readonly HeldCheckpoint[],
  nowMs: number,
): Promise<void> {
  const sql = `UPDATE lanes AS l SET low = n.low, done = n.done, commits = n.number, updated_ms = $6
FROM unnest($1::text[], $2::smallint[], $3::bigint[], $4::text[], $5::bigint[]) AS n (consumer, first_lane, low, done, number)
WHERE l.consumer = n.consumer AND l.first_lane = n.first_lane`;
  await queries.change(sql, [
    checkpoints.map(({ consumer }) => consumer),
    checkpoints.map(({ lane }) => lane),
    checkpoints.map(({ low }) => low),
    checkpoints.map(({ done }) => done),
    checkpoints.map(({ number }) => number),
    nowMs,
  ]);
}

async function takeLanes(
  queries: Queries,
  consumer: string,
  checkpoint: PreparedCheckpoint | undefined,
  nowMs: number,
): Promise<void> {
  const sql = 'UPDATE lanes SET low = $2, done = $3, updated_ms = $4 WHERE consumer = $1';
  if (checkpoint !== undefined) await queries.change(sql, [consumer, checkpoint.low, checkpoint.done, nowMs]);
  await releaseLanes(queries, consumer);
}

/** Something of these lanes changed: who else holds them does not know of it. */
async function takeOtherLanes(
  queries: Queries,
  consumer: string,
  token: number,
  lanes: readonly number[],
): Promise<void> {
  const taken = await queries.change(
    'UPDATE lanes SET holder = NULL, token = token + 1 WHERE consumer = $1 AND token <> $2 AND lanes && $3::smallint[]',
    [consumer, token, lanes],
  );
  if (taken > 0) await queries.query(TELL_NODES);
}

function lanesOf(put: readonly DeliveryRow[]): readonly number[] {
  return [...new Set(put.map((row) => row[LANE]))];
}

const PLACE = 1;
const LANE = 3;
const STATE = 4;
const ALL_LANES = wholeGroup({ low: START, done: [] }, 0).lanes;
