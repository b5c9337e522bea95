import type { QueryClaim } from '../channel/append-conditions.ts';
import type { EventLog, StreamClaim } from '../channel/event-log.ts';
import { HistoryShortened } from '../errors.ts';
import type { EncodedEvent } from '../event/event.ts';
import { sumOfBytes } from '../event/event-size.ts';
import type { JsonValue } from '../event/json.ts';
import { START } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { evolved, initialState, unrecorded } from './fold.ts';
import type { QueryPart, StreamPart } from './parts.ts';
import type { ShortenedHistory } from './shortened-history.ts';
import type { StreamStates } from './stream-states.ts';

const PAGE = 1_000;
const PAGE_BYTES = 16 * 1_024 * 1_024;

/** What a part was when it was read, and the claim that it still is. */
export interface Reading {
  readonly name: string;
  readonly state: JsonValue;
  readonly stream: StreamPart | undefined;
  readonly claim: StreamClaim | undefined;
  readonly queries: readonly QueryClaim[];
}

/** A part as the log has it. Errors: HistoryIncomplete, HistoryShortened, StreamDeleted. */
export async function readPart(
  {
    log,
    states,
    shortened,
  }: { readonly log: EventLog; readonly states: StreamStates; readonly shortened: ShortenedHistory },
  name: string,
  part: StreamPart | QueryPart,
): Promise<Reading> {
  if ('stream' in part) {
    const { version, state } = await states.present(part);
    return { name, state, stream: part, claim: { stream: part.stream, version }, queries: [] };
  }
  const { state, after } = await readQuery(log, part);
  if (!part.isRetained) {
    // After it was read: a removal is written down before it is made.
    const removed = await shortened.affecting(part.query.types ?? [], part.categories);
    if (removed.length > 0) throw new HistoryShortened(name, removed, undefined, part.categories !== undefined);
  }
  const whole = part.isRetained ? [] : [shortened.claim(after, part.categories)];
  return { name, state, stream: undefined, claim: undefined, queries: [{ ...part.query, after }, ...whole] };
}

async function readQuery(
  log: EventLog,
  { fold, query }: QueryPart,
): Promise<{ readonly state: JsonValue; readonly after: Position }> {
  const { matches, ...indexed } = query;
  const head = await log.head();
  let state = initialState(fold);
  for (let after: Position = START; ;) {
    const page = await log.read({ ...indexed, after, limit: PAGE, maxBytes: PAGE_BYTES });
    state = evolved(fold, state, matches === undefined ? page : page.filter(matches));
    const last = page.at(-1);
    if (last !== undefined) after = last.position;
    if (last === undefined || (page.length < PAGE && sumOfBytes(page) < PAGE_BYTES))
      return { state, after: Math.max(after, head) as Position };
  }
}

/** The states of the parts with the facts that were decided, as far as these belong to streams that are among them. */
export function statesAfter(
  readings: readonly Reading[],
  events: readonly EncodedEvent[],
): Readonly<Record<string, JsonValue>> {
  const after = readings.map(({ name, state, stream, claim }) => {
    if (stream === undefined || typeof claim?.version !== 'number') return [name, state] as const;
    const base = claim.version;
    const own = events.filter((event) => event.stream === stream.stream);
    const { fold } = stream.own;
    const recorded = own.map((event, index) => unrecorded(fold, event, base + index + 1));
    return [name, evolved(fold, state, recorded)] as const;
  });
  return Object.fromEntries(after);
}
