import type { EventLog } from '../channel/event-log.ts';
import type { JsonValue } from '../event/json.ts';
import { START } from '../event/position.ts';
import { SYSTEM_EVENTS, SYSTEM_SOURCE, systemEvent, systemStream } from '../event/system-events.ts';
import type { SystemEventType } from '../event/system-events.ts';
import type { Environment } from '../system/environment.ts';
import { deterministicId } from '../system/ids.ts';
import { buildNameOf, statusOfBuild } from './build.ts';
import type { BuildStatus } from './build.ts';
import type { ConsumerRecord } from './checkpoint-store.ts';
import type { RowsCompared } from './compare-rows.ts';

/** Of how a build ends: it does so once. */
const ENDS: ReadonlySet<string> = new Set<SystemEventType>([
  SYSTEM_EVENTS.buildCancelled,
  SYSTEM_EVENTS.buildCompared,
  SYSTEM_EVENTS.buildSwitched,
]);
/** So many reports about a build are looked through for how the last one ended. */
const REPORTS = 200;

/** Records what became of a build (G11). How it ends is recorded once, whoever says so. */
export async function reportBuild(
  { environment, log }: { readonly environment: Environment; readonly log: Pick<EventLog, 'append'> },
  type: SystemEventType,
  status: BuildStatus,
): Promise<void> {
  const data = JSON.parse(JSON.stringify(status)) as JsonValue;
  const id = ENDS.has(type) ? { id: endId(status.view, status.id) } : {};
  try {
    const event = systemEvent(environment, { type, about: buildNameOf(status.view), data, cause: undefined, ...id });
    await log.append({ events: [event], onDuplicate: 'keep-first' });
  } catch (error) {
    environment.logger.error({ type, err: error }, 'what became of a build could not be reported');
  }
}

function endId(view: string, build: string): string {
  return deterministicId(['build ended', view, build]);
}

/** Reports that a view was switched, where the process that did it died before it could. */
export async function reportUnreported(
  { environment, log }: { readonly environment: Environment; readonly log: Pick<EventLog, 'append' | 'find'> },
  record: ConsumerRecord,
): Promise<void> {
  const status = await unreportedSwitch(record, log);
  if (status !== undefined) await reportBuild({ environment, log }, SYSTEM_EVENTS.buildSwitched, status);
}

/** The build whose rows a view has, where that is not reported yet. */
async function unreportedSwitch(
  { consumer, form, checkpoint }: ConsumerRecord,
  log: Pick<EventLog, 'find'>,
): Promise<BuildStatus | undefined> {
  const { built, began = START } = form;
  if (built === undefined || (await log.find(SYSTEM_SOURCE, endId(consumer, built))) !== undefined) return undefined;
  const build = { id: built, of: consumer, trial: undefined, onFailure: 'park', failure: undefined } as const;
  const place = { low: checkpoint.low, head: checkpoint.low, parked: 0, perSecond: undefined };
  const status = statusOfBuild({ form: { ...form, began, build }, checkpoint }, place);
  return status && switched(status);
}

/** How the last build of a consumer ended, as it was reported, or as its record (`view`) says before that; undefined: there was none. */
export async function lastBuildOf(
  consumer: string,
  log: Pick<EventLog, 'find' | 'readStream'>,
  view?: ConsumerRecord,
): Promise<BuildStatus | undefined> {
  const unreported = view && (await unreportedSwitch(view, log));
  if (unreported !== undefined) return unreported;
  const stream = systemStream(buildNameOf(consumer));
  const reports = await log.readStream(stream, { direction: 'backward', limit: REPORTS });
  const end = reports.find(({ type }) => ENDS.has(type));
  if (end === undefined) return undefined;
  // Members that are undefined are not in JSON.
  const { secondsLeft, failure, comparison, ...status } = end.data as BuildStatus;
  return { ...status, secondsLeft, failure, comparison: comparison && wholeComparison(comparison) };
}

/** Whether the last build of a version that was to take the place of the view was cancelled: somebody has to ask for the next one. */
export async function isGivenUp(
  consumer: string,
  version: number,
  log: Pick<EventLog, 'readStream'>,
): Promise<boolean> {
  const stream = systemStream(buildNameOf(consumer));
  for (let before: number | undefined; ;) {
    const reports = await log.readStream(stream, {
      direction: 'backward',
      limit: REPORTS,
      ...(before === undefined ? {} : { fromVersion: before - 1 }),
    });
    for (const { type, data } of reports) {
      const status = data as BuildStatus;
      if (ENDS.has(type) && !status.dryRun && status.version === version) return status.state === 'cancelled';
    }
    before = reports.at(-1)?.version;
    if (before === undefined || before === 1) return false;
  }
}

function wholeComparison({ rows, differences, reason }: RowsCompared): RowsCompared {
  return { rows, differences, reason };
}

/** How a build stands when its rows have become those of the view. */
export function switched(status: BuildStatus): BuildStatus {
  const { total } = status;
  return { ...status, state: 'switched', events: total, percent: 100, secondsLeft: undefined, switched: true };
}
