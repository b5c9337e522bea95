import { setTimeout as wait } from 'node:timers/promises';
import type { Published } from '../../index.ts';
import { NotReached } from '../access/api.ts';
import type { Api } from '../access/api.ts';
import { ApiProblem } from '../failure.ts';
import type { EventJsonDraft } from './mapping.ts';
import { RowProblem } from './unit.ts';
import type { Row } from './unit.ts';

/** An event on its way, and the row that it began with. */
export interface Outgoing {
  readonly event: EventJsonDraft;
  readonly row: Row;
  readonly rows: number;
}

/** What became of a batch: every event is either recorded (or known) or named. */
export interface Sent {
  readonly published: readonly Published[];
  readonly refused: readonly { readonly outgoing: Outgoing; readonly problem: RowProblem }[];
}

/** A store or server that is busy or away for a moment is asked again this often. */
const ATTEMPTS = 8;
const FIRST_DELAY_MS = 200;

/**
 * Publishes a batch. What the system refuses is named, and the rest recorded; with `stopAtRefusal`, only what comes before the first refusal.
 *
 * Errors    What concerns no single event: ApiProblem, NotReached.
 */
export async function sendBatch(
  api: Api,
  batch: readonly Outgoing[],
  options: { readonly stopAtRefusal: boolean; readonly signal: AbortSignal },
): Promise<Sent> {
  const refused: { outgoing: Outgoing; problem: RowProblem }[] = [];
  let rest = batch;
  while (rest.length > 0) {
    try {
      return { published: await patiently(() => publish(api, rest), options.signal), refused };
    } catch (error) {
      const found = error instanceof ApiProblem ? refusalsIn(error, rest) : new Map<number, string>();
      if (found.size === 0) throw error;
      const first = Math.min(...found.keys());
      for (const [index, outgoing] of rest.entries()) {
        const reason = found.get(index);
        if (reason !== undefined && (index === first || !options.stopAtRefusal))
          refused.push({ outgoing, problem: new RowProblem(outgoing.row, reason) });
      }
      rest = rest.filter((_outgoing, index) => (options.stopAtRefusal ? index < first : !found.has(index)));
    }
  }
  return { published: [], refused };
}

async function publish(api: Api, batch: readonly Outgoing[]): Promise<readonly Published[]> {
  return (await api.publish<{ results: readonly Published[] }>(batch.map(({ event }) => event))).results;
}

/** Again after a while where that helps: the ids of events make it harmless. */
async function patiently<Result>(act: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await act();
    } catch (error) {
      const again = error instanceof NotReached || (error instanceof ApiProblem && error.status === 503);
      if (!again || attempt === ATTEMPTS || signal.aborted) throw error;
      const askedMs = error instanceof ApiProblem ? error.retryAfterMs : undefined;
      await wait(askedMs ?? FIRST_DELAY_MS * 2 ** (attempt - 1), undefined, { signal }).catch(() => undefined);
    }
  }
}

/** Which events of a batch a problem speaks of, and why. */
function refusalsIn({ status, problem, message }: ApiProblem, batch: readonly Outgoing[]): ReadonlyMap<number, string> {
  const { problems, source, id, index, stream } = problem;
  if (Array.isArray(problems)) {
    return new Map((problems as { index: number; detail: string }[]).map(({ index: at, detail }) => [at, detail]));
  }
  // A fact that is known with other content, a stream that takes no more events, something too large.
  if (typeof index === 'number') return new Map([[index, message]]);
  if (typeof id === 'string') {
    const found = batch.findLastIndex(({ event }) => event['id'] === id && event['source'] === source);
    return found === -1 ? new Map() : new Map([[found, message]]);
  }
  if (typeof stream === 'string') {
    const concerned = batch.flatMap(({ event }, at) =>
      (event['stream'] ?? event['subject'] ?? event['source']) === stream ? [at] : [],
    );
    return new Map(concerned.map((at) => [at, message]));
  }
  return batch.length === 1 && status < 500 && status !== 401 && status !== 403 ? new Map([[0, message]]) : new Map();
}
