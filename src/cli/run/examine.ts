import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import path from 'node:path';
import { open, StoreHeld } from '../../index.ts';
import type { Config } from '../../index.ts';
import { Api, networkTransport } from '../access/api.ts';
import { apiKeyOf, connect, fileOf, readOnly } from '../access/connect.ts';
import type { AccessOptions, Connection } from '../access/connect.ts';
import { loadProgram } from '../access/program-file.ts';
import type { ConsumerJson } from '../commands/consumers.ts';
import type { EventJson } from '../output/event-line.ts';
import { bytesOf, count, plural, spanOf } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';

/** What a check found. `wrong` needs somebody to do something: `advice` says what. */
export interface Finding {
  readonly check: string;
  readonly state: 'ok' | 'note' | 'wrong';
  readonly found: string;
  readonly advice?: string;
}

const LOW_SPACE_BYTES = 256 * 1_048_576;
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
        found: (error as Error).message,
        advice: 'mend the configuration; --verbose shows where it fails',
      },
    ];
  }
  const file = fileOf(config.store, terminal.cwd);
  if (file === undefined)
    return [
      ...findings,
      {
        check: 'store',
        state: 'note',
        found: 'lives in the memory of its program: there is nothing to look at from outside',
      },
    ];
  findings.push(await diskOf(file));
  if (!existsSync(file))
    return [
      ...findings,
      { check: 'store', state: 'note', found: `${file} does not exist yet: it is made when the program starts` },
    ];
  findings.push(await storeOf(file));
  if (findings.at(-1)?.state === 'wrong') return findings;
  findings.push(await holderOf(file, apiKeyOf(options, terminal, config)));
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
      advice: 'see what the program itself says when it starts',
    });
  }
  return findings;
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

async function storeOf(file: string): Promise<Finding> {
  try {
    const system = await open({ store: await readOnly(file), consume: false });
    try {
      const report = await system.report(true);
      const head = await system.events.head();
      const found = `${file}: ${bytesOf(report.bytes)}, head ${count(head)}, schema version ${report.schemaVersion}`;
      const [problem] = report.problems;
      if (problem === undefined) return { check: 'store', state: 'ok', found: `${found}, whole` };
      return {
        check: 'store',
        state: 'wrong',
        found: `${found}; ${report.problems.join('; ')}`,
        advice:
          'stop the program, keep a copy of the file, and restore a backup or export what can still be read: thereupon export --out events.ndjson',
      };
    } finally {
      await system.close();
    }
  } catch (error) {
    return {
      check: 'store',
      state: 'wrong',
      found: (error as Error).message,
      advice: 'name the right file, or use the version of thereupon that wrote it',
    };
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
    try {
      await new Api(url, networkTransport(url, apiKey)).get('/readyz');
      return { check: 'program', state: 'ok', found: `${error.holder} answers and is ready` };
    } catch (failure) {
      return {
        check: 'program',
        state: 'wrong',
        found: `${error.holder}: ${(failure as Error).message}`,
        advice: 'look at the log of that process, or restart it',
      };
    }
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
  const running = system === undefined;
  const troubles = consumers.flatMap((consumer) => troublesOf(consumer, running));
  if (troubles.some(({ state }) => state === 'wrong')) return troubles;
  const own = consumers.filter(({ kind }) => kind !== 'system').length;
  return [
    ...troubles,
    { check: 'consumers', state: 'ok', found: `${plural(own, 'consumer')}, none stalled, nothing set aside` },
  ];
}

function troublesOf({ name, kind, state, reason, parked, retrying, lag }: ConsumerJson, running: boolean): Finding[] {
  const check = 'consumers';
  const found: Finding[] = [];
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
  if (running && state === 'stopped' && kind !== 'system') {
    found.push({
      check,
      state: 'note',
      found: `${name} is remembered, but no definition runs it`,
      advice: `if it is gone for good: thereupon consumers forget ${name}`,
    });
  }
  return found;
}
