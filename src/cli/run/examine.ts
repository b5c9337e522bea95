import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import path from 'node:path';
import { InvalidInput, open, pendingMigrations, runningNodes, StoreHeld, StoreUnusable } from '../../index.ts';
import type { Config, StoreNode } from '../../index.ts';
import { Api, networkTransport } from '../access/api.ts';
import { apiKeyOf, connect, fileOf, forReading, readOnly } from '../access/connect.ts';
import type { AccessOptions, Connection } from '../access/connect.ts';
import { loadProgram } from '../access/program-file.ts';
import type { ConsumerJson } from '../commands/consumers.ts';
import type { EventJson } from '../output/event-line.ts';
import { bytesOf, count, plural, spanOf } from '../output/text.ts';
import { UsageError } from '../failure.ts';
import type { Terminal } from '../terminal.ts';

const GIVE_THE_KEY = 'give the key of the server in THEREUPON_API_KEY or with --api-key';

function isUnauthorized(error: unknown): boolean {
  return (error as { readonly code?: unknown }).code === 'unauthorized';
}

/** What a check found. `wrong` needs somebody to do something: `advice` says what. */
export interface Finding {
  readonly check: string;
  readonly state: 'ok' | 'note' | 'wrong';
  readonly found: string;
  readonly advice?: string;
}

/** What to do about a store that is not whole, and about one that cannot be opened. */
interface StoreAdvice {
  readonly mend: string;
  readonly reach: string;
}

const LOW_SPACE_BYTES = 256 * 1_048_576;
const SAVE_FILE =
  'stop the program, keep a copy of the file, and restore a backup or export what can still be read: thereupon export --out events.ndjson';
const FILE_ADVICE: StoreAdvice = {
  mend: SAVE_FILE,
  reach: 'name the right file, or use the version of thereupon that wrote it',
};
const SERVER_ADVICE: StoreAdvice = {
  mend: 'rights: let the role own the schema and all that is in it; what is missing or broken: keep a copy of the database, and restore a backup',
  reach: 'see whether the server runs, and whether the address is right',
};
const SHOW_MIGRATIONS = 'to see what would be run: thereupon migrate --dry-run';
/** Asking a store that is away takes a program so long. */
const READY_MS = 5_000;
/** Behind for longer than this while its program runs, a consumer is too slow or stuck. */
const LONG_LAG_SECONDS = 60;
/** Clocks are set back by a little all the time. */
const CLOCK_SLACK_MS = 5_000;

/** Looks at everything that a program needs, from below to above. What cannot be reached any more for a finding is left out. */
export async function examine(options: AccessOptions, terminal: Terminal): Promise<readonly Finding[]> {
  const findings: Finding[] = [{ check: 'node', state: 'ok', found: `${process.versions.node} (${process.execPath})` }];
  let config: Config;
  try {
    const program = await loadProgram(options, terminal);
    ({ config } = program);
    findings.push({
      check: 'configuration',
      state: program.file === undefined ? 'note' : 'ok',
      found: program.file ?? 'none: nothing reacts',
    });
  } catch (error) {
    return [
      ...findings,
      {
        check: 'configuration',
        state: 'wrong',
        found: (error as Error).message.replaceAll('\n', ' '),
        ...(error instanceof UsageError ? {} : { advice: 'mend the configuration; --verbose shows where it fails' }),
      },
    ];
  }
  const file = fileOf(config.store, terminal.cwd);
  const looked =
    file === undefined
      ? await lookAtServer(config.store, apiKeyOf(options, terminal, config))
      : await lookAtFile(file, apiKeyOf(options, terminal, config));
  findings.push(...looked.findings);
  if (!looked.isThere) return findings;
  try {
    const connection = await connect(options, terminal, 'read');
    try {
      findings.push(await clockOf(connection, terminal.now()), ...(await consumersOf(connection)));
    } finally {
      await connection.close();
    }
  } catch (error) {
    findings.push({
      check: 'system',
      state: 'wrong',
      found: (error as Error).message,
      advice: isUnauthorized(error) ? GIVE_THE_KEY : 'see what the program itself says when it starts',
    });
  }
  return findings;
}

/** `isThere`: there is a store that can be asked about its consumers. */
interface Look {
  readonly findings: readonly Finding[];
  readonly isThere: boolean;
}

async function lookAtFile(file: string, apiKey: string | undefined): Promise<Look> {
  const disk = await diskOf(file);
  if (!existsSync(file)) {
    const found = `${file} does not exist yet: it is made when the program starts`;
    return { findings: [disk, { check: 'store', state: 'note', found }], isThere: false };
  }
  const store = await storeOf(await readOnly(file), file, FILE_ADVICE);
  if (store.state === 'wrong') return { findings: [disk, store], isThere: false };
  return { findings: [disk, store, await holderOf(file, apiKey)], isThere: true };
}

/** A store that many programs may use at once, or one in memory. */
async function lookAtServer(store: Config['store'], apiKey: string | undefined): Promise<Look> {
  try {
    const pending = await pendingMigrations(store);
    if (pending === undefined) {
      const found = 'lives in the memory of its program: there is nothing to look at from outside';
      return { findings: [{ check: 'store', state: 'note', found }], isThere: false };
    }
    const { from, to, hindrance } = pending;
    if (from >= to) {
      const finding = await storeOf(await forReading(store), undefined, SERVER_ADVICE);
      if (finding.state === 'wrong') return { findings: [finding], isThere: false };
      return { findings: [finding, ...(await nodesOf(store, apiKey))], isThere: true };
    }
    if (hindrance !== undefined) {
      const found = `the server answers, but a program with this role could not start: ${hindrance}`;
      return { findings: [{ check: 'store', state: 'wrong', found }], isThere: false };
    }
    const found =
      from === 0
        ? 'the server answers; there is no store yet: it is made when the program starts'
        : `the server answers; the store has version ${from}, and is brought to version ${to} when the program starts`;
    return { findings: [{ check: 'store', state: 'note', found, advice: SHOW_MIGRATIONS }], isThere: false };
  } catch (error) {
    return { findings: [unreachable(error, SERVER_ADVICE)], isThere: false };
  }
}

/** Where the store itself says what is wrong with it, it says what to do, too. */
function unreachable(error: unknown, { reach }: StoreAdvice): Finding {
  const finding: Finding = { check: 'store', state: 'wrong', found: (error as Error).message };
  const says = error instanceof InvalidInput || (error instanceof StoreUnusable && reach === SERVER_ADVICE.reach);
  return says ? finding : { ...finding, advice: reach };
}

async function diskOf(file: string): Promise<Finding> {
  let folder = path.dirname(file);
  while (!existsSync(folder) && path.dirname(folder) !== folder) folder = path.dirname(folder);
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  const found = `${bytesOf(free)} free for ${folder}`;
  if (free >= LOW_SPACE_BYTES) return { check: 'disk', state: 'ok', found };
  return {
    check: 'disk',
    state: 'wrong',
    found,
    advice: 'make room on this disk, or set retention; when it is full nothing can be recorded',
  };
}

async function storeOf(store: Config['store'], file: string | undefined, advice: StoreAdvice): Promise<Finding> {
  try {
    const system = await open({ store, consume: false });
    try {
      const report = await system.report(true);
      const head = await system.events.head();
      const found = `${file ?? report.location}: ${bytesOf(report.bytes)}, head ${count(head)}, schema version ${report.schemaVersion}`;
      const [problem] = report.problems;
      if (problem === undefined) return { check: 'store', state: 'ok', found: `${found}, whole` };
      return {
        check: 'store',
        state: 'wrong',
        found: `${found}; ${report.problems.join('; ')}`,
        advice: advice.mend,
      };
    } finally {
      await system.close();
    }
  } catch (error) {
    return unreachable(error, advice);
  }
}

async function holderOf(file: string, apiKey: string | undefined): Promise<Finding> {
  try {
    await (await open({ store: file, consume: false })).close();
    return { check: 'program', state: 'note', found: 'not running: nothing reacts now' };
  } catch (error) {
    if (!(error instanceof StoreHeld))
      return {
        check: 'program',
        state: 'wrong',
        found: (error as Error).message,
        advice: 'give this user the right to write to the file and its folder',
      };
    const { url } = error;
    if (url === undefined)
      return { check: 'program', state: 'note', found: `${error.holder} holds the store, without a server` };
    return readinessOf(error.holder, url, apiKey);
  }
}

/** The programs that share the store. Those of other machines are not asked: only their own machine may reach them. */
async function nodesOf(store: Config['store'], apiKey: string | undefined): Promise<readonly Finding[]> {
  const nodes = (await runningNodes(store)) ?? [];
  if (nodes.length === 0) return [{ check: 'program', state: 'note', found: 'none runs: nothing reacts now' }];
  return Promise.all(nodes.map((node) => nodeOf(node, apiKey)));
}

async function nodeOf({ pid, host, url, isHere, consumers }: StoreNode, apiKey: string | undefined): Promise<Finding> {
  const who = `process ${pid} on ${host}${url === undefined ? '' : ` (${url})`}`;
  const own = consumers.filter((name) => !name.startsWith('thereupon.'));
  const what = `${who} takes part in ${plural(own.length, 'consumer')}`;
  if (url === undefined) return { check: 'program', state: 'ok', found: `${what}, without a server` };
  if (!isHere) return { check: 'program', state: 'ok', found: `${what}; from here it is not asked how it is` };
  return readinessOf(who, url, apiKey);
}

async function readinessOf(who: string, url: string, apiKey: string | undefined): Promise<Finding> {
  const soon = AbortSignal.timeout(READY_MS);
  try {
    await new Api(url, networkTransport(url, apiKey)).get('/readyz', {}, soon);
    return { check: 'program', state: 'ok', found: `${who} answers and is ready` };
  } catch (failure) {
    const reason = soon.aborted ? `does not answer within ${spanOf(READY_MS / 1_000)}` : (failure as Error).message;
    return {
      check: 'program',
      state: 'wrong',
      found: `${who}: ${reason}`,
      advice: isUnauthorized(failure) ? GIVE_THE_KEY : 'look at the log of that process, or restart it',
    };
  }
}

async function clockOf({ api }: Connection, nowMs: number): Promise<Finding> {
  const { events } = await api.get<{ events: readonly EventJson[] }>('/events', { direction: 'backward', limit: 1 });
  const last = events[0]?.recordedtime;
  const aheadMs = last === undefined ? 0 : Date.parse(last) - nowMs;
  const found = new Date(nowMs).toISOString();
  if (aheadMs <= CLOCK_SLACK_MS) return { check: 'clock', state: 'ok', found };
  return {
    check: 'clock',
    state: 'wrong',
    found: `${found}, ${spanOf(aheadMs / 1_000)} before the last event was recorded`,
    advice: 'set the clock of this machine (NTP)',
  };
}

async function consumersOf({ api, system }: Connection): Promise<readonly Finding[]> {
  const { consumers } = await api.get<{ consumers: readonly ConsumerJson[] }>('/consumers');
  // A program answers, or others run what they share.
  const running = system === undefined || consumers.some(({ state }) => state === 'running');
  const troubles = consumers.flatMap((consumer) => troublesOf(consumer, running));
  if (troubles.some(({ state }) => state === 'wrong')) return troubles;
  const own = consumers.filter(({ kind }) => kind !== 'system').length;
  return [
    ...troubles,
    { check: 'consumers', state: 'ok', found: `${plural(own, 'consumer')}, none stalled, nothing set aside` },
  ];
}

function troublesOf(consumer: ConsumerJson, running: boolean): Finding[] {
  const { name, kind, state, reason, parked, retrying, lag } = consumer;
  const check = 'consumers';
  const found: Finding[] = buildTroublesOf(consumer);
  if (state === 'stalled')
    found.push({
      check,
      state: 'wrong',
      found: `${name} is stalled: ${reason ?? 'the store takes no commits'}`,
      advice: 'the store cannot be written to: look at disk and permissions',
    });
  if (parked > 0)
    found.push({
      check,
      state: 'wrong',
      found: `${name} has ${plural(parked, 'dead letter')}`,
      advice: `thereupon dead-letters list --consumer ${name}`,
    });
  if (state === 'paused')
    found.push({
      check,
      state: 'note',
      found: `${name} is paused: ${reason ?? ''}`,
      advice: `to go on: thereupon consumers resume ${name}`,
    });
  if (retrying > 0) found.push({ check, state: 'note', found: `${name} is trying ${plural(retrying, 'event')} again` });
  if (running && state === 'running' && lag.seconds > LONG_LAG_SECONDS) {
    found.push({
      check,
      state: 'wrong',
      found: `${name} is ${plural(lag.events, 'event')} behind, ${spanOf(lag.seconds)}`,
      advice:
        'its handler is too slow or waits for something: raise concurrency, or look at its last error with thereupon consumers show',
    });
  }
  // One that a definition names has no reason: it will run, where that program does.
  if (running && state === 'stopped' && reason !== undefined && kind !== 'system') {
    found.push({
      check,
      state: 'note',
      found: `${name} is remembered, but no definition runs it`,
      advice: `if it is gone for good: thereupon consumers forget ${name}`,
    });
  }
  return found;
}

/** A build that nobody goes on with, whether the view stands still for it or serves as before. */
function buildTroublesOf({ name, state, reason, build }: ConsumerJson): Finding[] {
  const rebuild = `thereupon views rebuild ${name}`;
  const check = 'consumers';
  if (state === 'build-cancelled') {
    const found = `${name} stands still, and serves older rows: ${reason ?? 'its build was cancelled'}`;
    return [{ check, state: 'wrong', found, advice: `to build it: ${rebuild}` }];
  }
  if (build?.state !== 'failed') return [];
  const cause = `event ${build.failure?.id} at position ${build.failure?.position} cannot be handled: ${build.failure?.error}`;
  const serves = state === 'build-failed' ? 'stands still, and serves older rows' : 'serves as before';
  const found = `the build of ${name} failed, and the view ${serves}: ${cause}`;
  const advice = `mend the program, then: ${rebuild}${state === 'build-failed' ? '' : `; to give it up: ${rebuild} --cancel`}`;
  return [{ check, state: 'wrong', found, advice }];
}
