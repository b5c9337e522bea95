import type { EventLog } from '../channel/event-log.ts';
import { InvalidInput } from '../errors.ts';
import { START } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { versionOf } from './adapt.ts';
import type { BuildFailure, BuildForm, ConsumerRecord } from './checkpoint-store.ts';
import type { RowsCompared } from './compare-rows.ts';
import { namespaceOf, namespacesOf } from './namespaces.ts';
import type { Reaction } from './reaction.ts';
import { assertFrom, assertPast, assertReached, placeOf } from './replay.ts';
import type { ReplayFrom } from './replay.ts';
import { renamedTables } from './table-store.ts';

const DAY_MS = 86_400_000;
/** No definition may have such a name. */
const BUILD_SUFFIX = '@build';

/** The name of what is built to take the place of a consumer. */
export function buildNameOf(consumer: string): string {
  return `${consumer}${BUILD_SUFFIX}`;
}

export function isBuildName(consumer: string): boolean {
  return consumer.endsWith(BUILD_SUFFIX);
}

/** The same reaction under the name of a build, with rows of its own. */
export function buildOf(reaction: Reaction, id: string): Reaction {
  const name = buildNameOf(reaction.name);
  const { state, tables } = reaction;
  return {
    ...reaction,
    name,
    build: id,
    // Until it has taken the other's place.
    inline: undefined,
    state: state && { ...state, namespace: namespaceOf('view', name) },
    tables: tables && renamedTables(tables, namespaceOf('view', name)),
  };
}

/** What a switch makes of the rows of a build. */
export function renamedRows(consumer: string): readonly { readonly from: string; readonly to: string }[] {
  const names = namespacesOf(consumer);
  return namespacesOf(buildNameOf(consumer)).map((from, index) => ({ from, to: names[index] ?? from }));
}

export interface BuildOptions {
  /** The rows begin with the events after it: `{ position: 42 }`, or `{ time: '2026-01-01' }`, a date from its beginning on. Default: the beginning. */
  readonly from?: ReplayFrom;
  /** Of a dry run: no event behind it is taken, of a date none after its end. Default: it ends where the view is. */
  readonly to?: Exclude<ReplayFrom, 'beginning'>;
  /** Builds, compares with the rows that are there, says what would be otherwise, and throws the build away. */
  readonly dryRun?: boolean;
  /** Default: as the definition says, else `'park'`. */
  readonly onFailure?: BuildForm['onFailure'];
}

/** Where a build begins and, where that was said, ends. Errors: InvalidInput. */
export async function spanOfBuild(
  { from = 'beginning', to, dryRun = false }: BuildOptions,
  log: Pick<EventLog, 'head' | 'positionBefore'>,
  nowMs: number,
): Promise<{ readonly from: Position; readonly to: Position | undefined }> {
  if (to !== undefined && !dryRun)
    throw new InvalidInput({
      path: 'to',
      expected: 'dryRun with it, since rows that serve must not lack the events behind it',
      found: to,
    });
  assertFrom(from);
  assertPast(from, nowMs);
  const head = await log.head();
  const begin = await placeOf(from, log);
  assertReached(begin, head);
  if (to === undefined) return { from: begin, to: undefined };
  const expected = "{ position } or { time: '2026-12-01' }";
  if ((to as ReplayFrom) === 'beginning') throw new InvalidInput({ path: 'to', expected, found: to });
  assertFrom(to, expected, 'to');
  const end = await placeOf(throughDay(to), log);
  assertReached(end, head, 'to.position');
  if (end < begin)
    throw new InvalidInput({ path: 'to', expected: `a place from position ${begin}, where it begins`, found: end });
  return { from: begin, to: end };
}

/** A date is the whole day, in UTC. */
function throughDay(to: Exclude<ReplayFrom, 'beginning'>): ReplayFrom {
  if (!('time' in to) || typeof to.time !== 'string' || !/^\d{4}-\d\d-\d\d$/.test(to.time)) return to;
  return { time: new Date(Date.parse(to.time) + DAY_MS) };
}

export type BuildState = 'building' | 'failed' | 'switched' | 'compared' | 'cancelled';

/** How a build stands, or how the last one ended. */
export interface BuildStatus {
  /** Which build it is. */
  readonly id: string;
  readonly view: string;
  /** That of the definition which is built. */
  readonly version: number;
  readonly state: BuildState;
  readonly dryRun: boolean;
  /** The rows begin with the events after it. */
  readonly from: Position;
  /** Events of the log that are behind it, of those that are to be; those that do not concern the view count too. */
  readonly events: number;
  readonly total: number;
  /** 0 to 100. */
  readonly percent: number;
  readonly secondsLeft: number | undefined;
  /** Dead letters of the build, which become those of the view. */
  readonly parked: number;
  readonly failure: BuildFailure | undefined;
  /** Its rows are those of the view. */
  readonly switched: boolean;
  /** Of a dry run that is over. */
  readonly comparison: RowsCompared | undefined;
}

/** How a build stands that is in the store. */
export function statusOfBuild(
  { form, checkpoint }: Pick<ConsumerRecord, 'checkpoint' | 'form'>,
  now: {
    readonly low: Position;
    readonly head: Position;
    readonly parked: number;
    readonly perSecond: number | undefined;
  },
): BuildStatus | undefined {
  const { build, began = START } = form;
  if (build === undefined) return undefined;
  const end = build.trial?.upTo ?? now.head;
  const low = now.low > checkpoint.low ? now.low : checkpoint.low;
  const total = Math.max(0, end - began);
  const events = Math.min(total, Math.max(0, low - began));
  const left = total - events;
  return {
    id: build.id,
    view: build.of,
    version: versionOf(form),
    state: build.failure === undefined ? 'building' : 'failed',
    dryRun: build.trial !== undefined,
    from: began,
    events,
    total,
    percent: total === 0 ? 100 : Math.floor((events / total) * 1_000) / 10,
    secondsLeft:
      now.perSecond === undefined || build.failure !== undefined ? undefined : Math.ceil(left / now.perSecond),
    parked: now.parked,
    failure: build.failure,
    switched: false,
    comparison: undefined,
  };
}
