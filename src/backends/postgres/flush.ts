import type { AppendOutcome, AppendRequest } from '../../channel/event-log.ts';
import type { UnitOutcome } from '../../consumer/unit-of-work.ts';
import type { RecordedEvent } from '../../event/event.ts';
import { position } from '../../event/position.ts';
import type { Position } from '../../event/position.ts';
import { AppendPlan, identityOf } from './append-plan.ts';
import type { Known, LogExcerpt } from './append-plan.ts';
import type { Queries } from './database.ts';
import type { DeliveryRow } from './delivery-store.ts';
import { writeDeliveries } from './delivery-store.ts';
import type { EventRow } from './event-rows.ts';
import { EVENT_COLUMNS, insertEvents, storedEvent } from './event-rows.ts';
import type { PreparedRow } from './row-store.ts';
import { writeRows } from './row-store.ts';
import { fromText, toText } from './text.ts';

/** A unit beside its appends, detached from the objects of its writer. */
export interface PreparedUnit {
  readonly consumer: string;
  readonly checkpoint: { readonly low: Position; readonly done: string } | undefined;
  readonly rows: readonly PreparedRow[];
  readonly remove: readonly Position[];
  readonly put: readonly DeliveryRow[];
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
}

/** Carries out writes in order, each with its own outcome, in a transaction that holds the head of the log. */
export async function flush(queries: Queries, writes: readonly Appending[], nowMs: number): Promise<Flushed> {
  const requests = writes.flatMap((write) => write.requests);
  const consumers = await knownConsumers(queries, writes);
  const plan = new AppendPlan(await excerpt(queries, requests), nowMs);
  const units: PreparedUnit[] = [];
  const outcomes = writes.map((write): UnitOutcome => {
    if (write.unit !== undefined && !consumers.has(write.unit.consumer))
      return { ok: false, index: -1, refusal: undefined };
    const outcome = planned(plan, write.requests);
    if (outcome.ok && write.unit !== undefined) units.push(write.unit);
    return outcome;
  });
  await insertEvents(queries, plan.events, plan.ends, plan.recordedMs);
  await writeUnits(queries, units, nowMs);
  return { outcomes, events: plan.recorded() };
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

async function knownConsumers(queries: Queries, writes: readonly Appending[]): Promise<ReadonlySet<string>> {
  const named = new Set<string>();
  for (const { unit } of writes) if (unit !== undefined) named.add(unit.consumer);
  if (named.size === 0) return named;
  const rows = await queries.query<[string]>('SELECT consumer FROM consumers WHERE consumer = ANY($1::text[])', [
    [...named].map(toText),
  ]);
  return new Set(rows.map(([consumer]) => fromText(consumer)));
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
  if (requests.length === 0) return { head: 0, recordedMs: 0, streams: new Map(), known: new Map() };
  const names = new Set<string>();
  const ids: string[] = [];
  const sources: string[] = [];
  for (const { events, expected = [] } of requests) {
    for (const { stream } of expected) names.add(stream);
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
  const [head, recordedMs] = heads[0] ?? [0, 0];
  return {
    head,
    recordedMs,
    streams: new Map(streams.map(([name, version, deleted]) => [fromText(name), { version, deleted }])),
    known: new Map(known.map((row) => [identityOf({ id: fromText(row[0]), source: fromText(row[1]) }), knownOf(row)])),
  };
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
  const checkpoints = new Map<string, NonNullable<PreparedUnit['checkpoint']>>();
  for (const { consumer, checkpoint, rows: written, remove, put } of units) {
    // Of two writes to one key the later stands.
    for (const row of written) rows.set(JSON.stringify([row.namespace, row.key]), row);
    if (checkpoint !== undefined) checkpoints.set(consumer, checkpoint);
    if (remove.length + put.length > 0) await writeDeliveries(queries, consumer, remove, put);
  }
  if (rows.size > 0) await writeRows(queries, [...rows.values()]);
  if (checkpoints.size > 0) await writeCheckpoints(queries, checkpoints, nowMs);
}

async function writeCheckpoints(
  queries: Queries,
  checkpoints: ReadonlyMap<string, NonNullable<PreparedUnit['checkpoint']>>,
  nowMs: number,
): Promise<void> {
  const sql = `UPDATE consumers AS c SET low = n.low, done = n.done, updated_ms = $4
FROM unnest($1::text[], $2::bigint[], $3::text[]) AS n (consumer, low, done) WHERE c.consumer = n.consumer`;
  const values = [...checkpoints.values()];
  await queries.change(sql, [
    [...checkpoints.keys()].map(toText),
    values.map(({ low }) => low),
    values.map(({ done }) => done),
    nowMs,
  ]);
}
