import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import type { AnySystem, RecordedEvent } from 'thereupon';
import { sql } from 'thereupon';
import { verifyPurses } from './purses.ts';
import { verifyOrderly } from './verify-orderly.ts';
import {
  Confirmed,
  Moved,
  Noted,
  POISONED,
  Totalled,
  WINDOW,
  Worked,
  balances,
  confirmations,
  entries,
  ledger,
} from './program.ts';

type Account = { movements: number; balance: number; lastVersion: number };

export interface Verified {
  readonly events: number;
  readonly acknowledged: number;
  /** Acknowledged ones. */
  readonly commands: number;
  /** Views whose rows were built anew and switched. */
  readonly switches: number;
  /** How much there was of what follows by time or by numbers; undefined: it was not looked at. */
  readonly orderly: Readonly<Record<string, number>> | undefined;
}

/**
 * Everything that must hold after a restart, once the reactions have caught up. Throws with the first thing that does not. `isLast`: nothing waits
 * for its turn any more, and what follows by time or by numbers is compared with an orderly run.
 */
export async function verify(system: AnySystem, ackFile: string, isLast: boolean): Promise<Verified> {
  const { log, reports } = await readAtRest(system);
  const all = [...log, ...reports].sort((left, right) => left.position - right.position);
  const acknowledged = verifyAcknowledged(log, ackFile);
  const commands = await verifyPurses(system, log, `${ackFile}.commands`);
  verifyVersions(log);
  const moved = log.filter((event) => event.type === Moved.type);
  verifyBatches(moved);
  verifyOnce(
    moved,
    log.filter((event) => event.type === Noted.type),
    1,
    'note (G6)',
  );
  verifyOnce(
    moved,
    log.filter((event) => event.type === Confirmed.type),
    2,
    'confirm (G6)',
  );
  verifyOnce(
    moved,
    log.filter((event) => event.type === Worked.type),
    1,
    'work (G6)',
  );
  verifyNotesInOrder(log);
  verifyTotals(all);
  await verifyProjections(system, moved);
  await verifyDeadLetters(system, moved);
  const { finding } = await system.integrity.verify();
  assert.equal(finding, undefined, `G14: ${finding?.message}`);
  const compared = isLast ? await verifyOrderly(all) : undefined;
  const switches = reports.filter(({ type }) => type === 'thereupon.build.switched').length;
  return { events: log.length, acknowledged, commands, switches, orderly: compared };
}

/** The facts, and what the system reported, with nothing under way: time may pass, and windows be over, while they are read. */
async function readAtRest(
  system: AnySystem,
): Promise<{ readonly log: readonly RecordedEvent[]; readonly reports: readonly RecordedEvent[] }> {
  for (;;) {
    await system.settled();
    const head = await system.events.head();
    const log = await readAll(system);
    const reports = await readAll(system, 'thereupon');
    await system.settled();
    if ((await system.events.head()) === head) return { log, reports };
  }
}

async function readAll(system: AnySystem, category?: string): Promise<readonly RecordedEvent[]> {
  const all: RecordedEvent[] = [];
  for (let after = 0; ;) {
    const page = await system.events.read({
      after,
      limit: 1_000,
      ...(category === undefined ? {} : { categories: [category] }),
    });
    all.push(...page.events);
    if (page.next === undefined) return all;
    after = page.next;
  }
}

function verifyAcknowledged(log: readonly RecordedEvent[], ackFile: string): number {
  const lines = existsSync(ackFile) ? readFileSync(ackFile, 'utf8').split('\n').slice(0, -1) : [];
  const byIdentity = new Map<string, RecordedEvent>();
  for (const event of log) {
    const identity = `${event.source} ${event.id}`;
    assert.ok(
      !byIdentity.has(identity),
      `G2: ${identity} is recorded twice, at ${byIdentity.get(identity)?.position} and ${event.position}`,
    );
    byIdentity.set(identity, event);
  }
  for (const line of lines) {
    const [source, id, stream, version, position] = line.split('\t');
    const event = byIdentity.get(`${source} ${id}`);
    assert.ok(event !== undefined, `G1: ${id} was acknowledged at position ${position} and is not in the log`);
    assert.deepEqual(
      [event.stream, event.version, event.position],
      [stream, Number(version), Number(position)],
      `G1: ${id} is elsewhere than acknowledged`,
    );
  }
  return lines.length;
}

function verifyVersions(log: readonly RecordedEvent[]): void {
  const versions = new Map<string, number>();
  let last = 0;
  for (const event of log) {
    assert.ok(event.position > last, `G5: position ${event.position} after ${last}`);
    last = event.position;
    const expected = (versions.get(event.stream) ?? 0) + 1;
    assert.equal(
      event.version,
      expected,
      `G5: stream ${event.stream} has version ${event.version} where ${expected} is due`,
    );
    versions.set(event.stream, expected);
  }
}

function verifyBatches(moved: readonly RecordedEvent[]): void {
  const batches = new Map<string, { count: number; size: number }>();
  for (const event of moved) {
    const { batch, size } = event.data as { batch: string; size: number };
    const seen = batches.get(batch) ?? { count: 0, size };
    seen.count += 1;
    batches.set(batch, seen);
  }
  for (const [batch, { count, size }] of batches)
    assert.equal(count, size, `G3: batch ${batch} is there with ${count} of its ${size} events`);
}

function verifyOnce(
  causes: readonly RecordedEvent[],
  effects: readonly RecordedEvent[],
  times: number,
  what: string,
): void {
  const counts = new Map<string, number>();
  for (const effect of effects) {
    const { of } = effect.data as { of: string };
    counts.set(of, (counts.get(of) ?? 0) + 1);
  }
  for (const cause of causes)
    assert.equal(
      counts.get(cause.id) ?? 0,
      times,
      `${what}: event ${cause.id} at ${cause.position} led to ${counts.get(cause.id) ?? 0} facts, expected ${times}`,
    );
  assert.equal(effects.length, causes.length * times, `${what}: there are effects without a cause`);
}

function verifyNotesInOrder(log: readonly RecordedEvent[]): void {
  const places = new Map(log.filter((event) => event.type === Moved.type).map((event) => [event.id, event.version]));
  const last = new Map<string, number>();
  for (const event of log) {
    if (event.type !== Noted.type) continue;
    const version = places.get((event.data as { of: string }).of) ?? 0;
    assert.ok(
      version > (last.get(event.stream) ?? 0),
      `G5: in ${event.stream} the note of version ${version} comes after that of ${last.get(event.stream)}`,
    );
    last.set(event.stream, version);
  }
}

/** What the windows said, and what was too late for them, follows from the log alone, whoever died when (G6, G8). */
function verifyTotals(log: readonly RecordedEvent[]): void {
  const { sizeMs, disorderMs, latenessMs } = WINDOW;
  const windows = new Map<string, { startMs: number; movements: number; amount: number; isTold: boolean }>();
  const expected: string[] = [];
  let late = 0;
  let watermarkMs = Number.NEGATIVE_INFINITY;
  const tell = (name: string) => {
    const window = windows.get(name);
    if (window === undefined) return;
    expected.push(`${name} ${window.movements} ${window.amount}`);
    window.isTold = true;
  };
  const open = new Set<string>();
  for (const event of log) {
    if (event.type === 'thereupon.time.passed' && event.stream === 'thereupon-totals') {
      watermarkMs = Math.max(watermarkMs, Date.parse((event.data as { time: string }).time));
    } else if (event.type === Moved.type) {
      const { account, amount } = event.data as { account: number; amount: number };
      const timeMs = Date.parse(event.time);
      const startMs = Math.floor(timeMs / sizeMs) * sizeMs;
      const name = `${account} ${startMs}`;
      if (startMs + sizeMs + latenessMs <= watermarkMs) late += 1;
      else {
        const window = windows.get(name) ?? { startMs, movements: 0, amount: 0, isTold: false };
        windows.set(name, { ...window, movements: window.movements + 1, amount: window.amount + amount });
        if (startMs + sizeMs <= watermarkMs) tell(name);
        else open.add(name);
      }
      watermarkMs = Math.max(watermarkMs, timeMs - disorderMs);
    } else continue;
    for (const name of open) {
      if ((windows.get(name)?.startMs ?? 0) + sizeMs > watermarkMs) continue;
      tell(name);
      open.delete(name);
    }
  }
  const found = log
    .filter(({ type }) => type === Totalled.type)
    .map(({ data }) => data as { account: string; startMs: number; movements: number; amount: number })
    .map(({ account, startMs, movements, amount }) => `${account} ${startMs} ${movements} ${amount}`);
  assert.deepEqual(
    { missing: without(expected, found), wrong: without(found, expected) },
    { missing: [], wrong: [] },
    'G6: the windows are not what follows from the log',
  );
  const reported = log.filter(({ type, stream }) => type === 'thereupon.event.late' && stream === 'thereupon-totals');
  assert.equal(reported.length, late, 'G8: movements that came too late are not all reported');
}

/** Of two lists in which things may be there several times. */
function without(all: readonly string[], gone: readonly string[]): readonly string[] {
  const rest = [...all];
  for (const one of gone) {
    const place = rest.indexOf(one);
    if (place >= 0) rest.splice(place, 1);
  }
  return rest;
}

async function verifyTables(system: AnySystem, fold: ReadonlyMap<string, Account>): Promise<void> {
  const found = await system.views.select(
    entries,
    (
      t,
    ) => sql`SELECT account, CAST(count(*) AS BIGINT) AS movements, CAST(sum(amount) AS BIGINT) AS balance, max(version) AS last
      FROM ${t.entries} GROUP BY account`,
  );
  assert.equal(found.length, fold.size, 'G6: accounts in the table');
  for (const { account, movements, balance, last } of found)
    assert.deepEqual(
      { movements, balance, lastVersion: last },
      fold.get(String(account)),
      `G6: what the table has of account ${String(account)} is not the fold of the log`,
    );
}

async function verifyProjections(system: AnySystem, moved: readonly RecordedEvent[]): Promise<void> {
  const fold = new Map<string, Account>();
  for (const event of moved) {
    const { account, amount } = event.data as { account: number; amount: number };
    const row = fold.get(String(account)) ?? { movements: 0, balance: 0, lastVersion: 0 };
    fold.set(String(account), {
      movements: row.movements + 1,
      balance: row.balance + amount,
      lastVersion: event.version,
    });
  }
  await verifyTables(system, fold);
  for (const [account, expected] of fold) {
    assert.deepEqual(
      { ...(await system.views.get(balances, account)) },
      expected,
      `G6: the row of account ${account} is not the fold of the log`,
    );
    assert.equal(
      (await system.views.get(confirmations, account))?.count,
      expected.movements * 2,
      `G6: confirmations of account ${account}`,
    );
  }
  assert.equal(await system.views.count(balances), fold.size, 'G6: there are rows without events');
  await verifyInline(system, fold);
}

async function verifyInline(system: AnySystem, fold: ReadonlyMap<string, Account>): Promise<void> {
  for (const [account, expected] of fold)
    assert.deepEqual(
      { ...(await system.views.get(ledger, account)) },
      expected,
      `G6: the inline row of account ${account} is not the fold of the log`,
    );
  assert.equal(await system.views.count(ledger), fold.size, 'G6: there are inline rows without events');
  assert.equal((await system.consumers.status(ledger.name)).inline, 'in-force', 'G6: the ledger is inline');
}

async function verifyDeadLetters(system: AnySystem, moved: readonly RecordedEvent[]): Promise<void> {
  const poisoned = new Map<string, RecordedEvent[]>();
  for (const event of moved) {
    if ((event.data as { account: number }).account % POISONED === 0)
      poisoned.set(event.stream, [...(poisoned.get(event.stream) ?? []), event]);
  }
  const letters = (await system.deadLetters.list({ limit: 500 })).items;
  assert.deepEqual(
    letters.map((letter) => letter.consumer).filter((name) => name !== 'picky'),
    [],
    'G6: only picky has dead letters',
  );
  assert.deepEqual(
    letters.map((letter) => letter.key).sort(),
    [...poisoned.keys()].sort(),
    'G7: exactly the poisoned accounts are parked',
  );
  for (const letter of letters) {
    const events = poisoned.get(letter.key) ?? [];
    assert.equal(letter.position, events[0]?.position, `G7: ${letter.key} is parked at its first event`);
    assert.equal(letter.waitingBehind, events.length - 1, `G7: all later events of ${letter.key} wait behind it`);
  }
}
