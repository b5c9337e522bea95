import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { executeCommands, loadStates, stateAsOf } from './decide.ts';
import { matchFilters } from './filter.ts';
import { fileLimits, isPostgres, postgresLimits } from './limits.ts';
import { projectInline } from './inline.ts';
import { hashChain } from './integrity.ts';
import type { Limits } from './limits.ts';
import { growth, idle, soak } from './long.ts';
import { convertCurrency, filterAuctions, hotItems, monitorNewUsers, passThrough } from './nexmark.ts';
import { catchUpOnNodes, processQueueOnNodes } from './nodes.ts';
import { appendAndLoad, publishBatches, publishByMany, publishOneByOne } from './publish.ts';
import {
  catchUpWithLog,
  memoryOfCatchUp,
  processQueue,
  projectAsync,
  projectInChannels,
  publishToHandler,
} from './react.ts';
import { rebuildView } from './rebuild.ts';
import {
  countInSessions,
  countInWindows,
  manyPatterns,
  manyPatternsApart,
  manyPatternsLive,
  stateOverTime,
} from './time.ts';
import { openTimers } from './timers.ts';
import type { Figure, Workload } from './workload.ts';

const WORKLOADS: readonly Workload[] = [
  publishOneByOne,
  publishByMany,
  publishBatches,
  catchUpWithLog,
  publishToHandler,
  appendAndLoad,
  projectInChannels,
  processQueue,
  catchUpOnNodes,
  processQueueOnNodes,
  matchFilters,
  countInWindows,
  countInSessions,
  passThrough,
  convertCurrency,
  filterAuctions,
  hotItems,
  monitorNewUsers,
  manyPatterns,
  manyPatternsApart,
  manyPatternsLive,
  openTimers,
  executeCommands,
  loadStates,
  projectInline,
  projectAsync,
  rebuildView,
  stateAsOf,
  hashChain,
  stateOverTime,
  memoryOfCatchUp,
  growth,
  idle,
  soak,
];

/** Before the names of workloads whose store is in PostgreSQL. */
const POSTGRES_PREFIX = 'PG-';

export interface BenchOptions {
  /** Names of workloads; default: all that take seconds. */
  readonly only?: readonly string[];
  /** A file to use in place of fresh ones, whose content stays and grows; or a database, in which fresh schemas are made. */
  readonly store?: string;
  readonly json: boolean;
  /** Scales the number of events; 1 is the published size. */
  readonly scale?: number;
}

/** Runs the workloads one after another; each prints its figures as soon as it has them. Answers the exit code. */
export async function runBench(options: BenchOptions, print: (line: string) => void): Promise<number> {
  const prefix = isPostgres(options.store) ? POSTGRES_PREFIX : '';
  const onServer = options.only?.filter((name) => name.startsWith(POSTGRES_PREFIX)) ?? [];
  if (prefix === '' && onServer.length > 0)
    throw new RangeError(`${onServer.join(', ')}: measured on PostgreSQL; name a database with --store postgres://…`);
  const only = options.only?.map((name) => (name.startsWith(prefix) ? name.slice(prefix.length) : name));
  const known = WORKLOADS.map(({ name }) => name);
  const unknown = (only ?? []).filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new RangeError(
      `unknown workload ${unknown.join(', ')}; there are ${known.map((name) => `${prefix}${name}`).join(', ')}`,
    );
  const chosen = WORKLOADS.filter(({ name, long }) => only?.includes(name) ?? long !== true);
  // Beside the working folder and not in the system's temporary one, which may be memory: the medium is what is measured.
  mkdirSync('.tmp', { recursive: true });
  const folder = mkdtempSync(path.resolve('.tmp', 'bench-'));
  let limits: Limits | undefined;
  try {
    if (!options.json) print(heading());
    limits = isPostgres(options.store)
      ? await postgresLimits(options.store)
      : fileLimits((name) => path.join(folder, name));
    const storePath = (name: string) => (limits as Limits).storePath(name);
    for (const workload of chosen) {
      const context = {
        // In a database every workload has a schema of its own, as it else has a file.
        store: isPostgres(options.store) ? undefined : options.store,
        limits,
        scale: options.scale ?? 1,
        storePath,
      };
      for (const each of [await workload.run(context)].flat()) {
        const named = { ...each, workload: `${prefix}${each.workload}` };
        print(options.json ? JSON.stringify(named) : row(named, workload));
      }
    }
    return 0;
  } finally {
    await limits?.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function heading(): string {
  return [
    ' workload',
    'rate/s'.padStart(11),
    'of limit'.padStart(9),
    'p50 ms'.padStart(8),
    'p99 ms'.padStart(8),
    'RSS MB'.padStart(7),
    ' ',
  ].join(' ');
}

function row(each: Figure, workload: Workload): string {
  const cell = (value: number | undefined, width: number) =>
    (value === undefined ? '-' : value.toLocaleString('en')).padStart(width);
  return [
    ` ${each.workload.padEnd(9)}`,
    cell(each.rate, 10),
    cell(each.ratio, 9),
    cell(each.p50Ms, 8),
    cell(each.p99Ms, 8),
    cell(each.rssMb, 7),
    ` ${workload.what}`,
  ].join(' ');
}
