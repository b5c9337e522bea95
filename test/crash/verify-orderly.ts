import assert from 'node:assert/strict';
import { fillStore } from 'thereupon';
import type { ImageRecord, RecordedEvent } from 'thereupon';
import { memory } from 'thereupon/memory';
import { testSystem } from 'thereupon/testing';
import { IMAGE_FORMAT } from '../../src/image/store-image.ts';
import { Matched, Metered, Moved, Read, Swung, definitions, orderly } from './program.ts';

const TIME_PASSED = 'thereupon.time.passed';
const FOLLOWED: ReadonlySet<string> = new Set([Matched.type, Swung.type, Read.type]);
/** What of the reports follows from the log; others tell of the processes. */
const REPORTED = /^thereupon\.(event\.late|pattern\.overflowed|sequence\..*)$/;
const CONSUMERS: ReadonlySet<string> = new Set([...orderly.automations, ...orderly.monitors].map(({ name }) => name));

/**
 * What follows from patterns, monitors and producers' numbers is what it is in a run of the recorded log that nobody disturbs: the same facts under
 * the same ids, in the same order in their streams, and the same reports (G6, G8). Answers how many of each there are.
 *
 * `log`: all of it in its order, with what the system reported.
 */
export async function verifyOrderly(log: readonly RecordedEvent[]): Promise<Readonly<Record<string, number>>> {
  const found = followingIn(log);
  verifyRead(log);
  verifySaidOnce(log);
  const expected = followingIn(await orderlyRun(log));
  for (const [stream, facts] of expected) assertSame(found.get(stream) ?? [], facts, stream);
  for (const stream of found.keys()) assert.ok(expected.has(stream), `G6: ${stream} does not follow from the log`);
  const counts: Record<string, number> = {};
  for (const { type, data } of log.filter(isFollowing)) {
    const what = type === Matched.type ? (data as { pattern: string }).pattern : type;
    counts[what] = (counts[what] ?? 0) + 1;
  }
  return counts;
}

function isFollowing({ type, data }: RecordedEvent): boolean {
  if (FOLLOWED.has(type)) return true;
  return REPORTED.test(type) && CONSUMERS.has((data as { consumer: string }).consumer);
}

/** By stream. Facts of a key are in their order; reports on several keys are in any. */
function followingIn(log: readonly RecordedEvent[]): ReadonlyMap<string, readonly string[]> {
  const byStream = new Map<string, string[]>();
  for (const event of log.filter(isFollowing)) {
    const { stream, type, id, time, causationid, data } = event;
    const isFact = FOLLOWED.has(type);
    const line = JSON.stringify(isFact ? [type, id, time, causationid, data] : [type, causationid, data]);
    byStream.set(stream, [...(byStream.get(stream) ?? []), line]);
  }
  for (const [stream, lines] of byStream) if (stream.startsWith('thereupon-')) lines.sort();
  return byStream;
}

function assertSame(found: readonly string[], expected: readonly string[], stream: string): void {
  const place = expected.findIndex((line, index) => line !== found[index]);
  if (place < 0 && found.length === expected.length) return;
  const at = place < 0 ? expected.length : place;
  assert.fail(
    `G6: ${stream} has ${found.length} facts where ${expected.length} follow from the log; number ${at + 1} is\n  ${found[at] ?? 'not there'}, expected\n  ${expected[at] ?? 'none'}`,
  );
}

/** The same definitions over the same facts, in the same places and recorded at the same times, by a process that lives to the end. */
async function orderlyRun(log: readonly RecordedEvent[]): Promise<readonly RecordedEvent[]> {
  const store = memory();
  await fillStore(store, imageOf(log));
  const { events } = definitions;
  await using run = await testSystem({ store, source: log[0]?.source ?? '/', events, ...orderly });
  await run.settled();
  return [...run.recorded(), ...run.reported()];
}

/** Of the log, with nothing known of what followed from it: that leaves its places empty. */
async function* imageOf(log: readonly RecordedEvent[]): AsyncGenerator<readonly ImageRecord[]> {
  const head = log.at(-1);
  if (head === undefined) return;
  const told = new Set<string>([Moved.type, Metered.type, TIME_PASSED]);
  const events: ImageRecord[] = [];
  const removed: ImageRecord[] = [];
  for (const { type, stored } of log) {
    const { position, stream, version, recordedMs } = stored;
    if (told.has(type)) events.push({ kind: 'event', ...stored });
    else
      removed.push({
        kind: 'removed',
        position,
        stream,
        version,
        recordedMs,
        source: 'empty',
        id: String(position),
        digest: '',
      });
  }
  const counts = {
    schema: 0,
    stream: 0,
    command: 0,
    link: 0,
    consumer: 0,
    delivery: 0,
    namespace: 0,
    row: 0,
    pending: 0,
    event: events.length,
    removed: removed.length,
  };
  yield [{ kind: 'head', format: IMAGE_FORMAT, position: head.position, recordedMs: head.recordedMs }];
  yield events;
  yield removed;
  yield [{ kind: 'end', counts }];
}

/** No match and no alarm is there again under another id (G6). */
function verifySaidOnce(log: readonly RecordedEvent[]): void {
  const said = new Set<string>();
  for (const { type, data } of log) {
    if (type !== Matched.type && type !== Swung.type) continue;
    const what = `${type} ${JSON.stringify(data)}`;
    assert.ok(!said.has(what), `G6: ${what} is recorded twice`);
    said.add(what);
  }
}

/** The automation saw each number once, and before a higher one unless it was given up by then (G5, G8). */
function verifyRead(log: readonly RecordedEvent[]): void {
  const told = new Map<string, Set<number>>();
  const seen = new Map<string, Set<number>>();
  const highest = new Map<string, number>();
  const lost = new Set<string>();
  for (const { type, data } of log) {
    if (type !== 'thereupon.sequence.lost') continue;
    const { of, from, to } = data as { of: { subject: string }; from: number; to: number };
    for (let number = from; number <= to; number += 1) lost.add(`${of.subject} ${number}`);
  }
  for (const { type, data } of log) {
    if (type !== Metered.type && type !== Read.type) continue;
    const { meter, number } = data as { meter: string; number: number };
    const numbers = type === Metered.type ? told : seen;
    const known = numbers.get(meter) ?? new Set();
    if (type === Read.type) {
      assert.ok(!known.has(number), `G6: number ${number} of meter ${meter} was handed over twice`);
      const before = highest.get(meter) ?? 0;
      assert.ok(
        number > before || lost.has(`meter-${meter} ${number}`),
        `G5: number ${number} of meter ${meter} was handed over after ${before}, and was not given up`,
      );
      highest.set(meter, Math.max(before, number));
    }
    numbers.set(meter, known.add(number));
  }
  for (const [meter, numbers] of told) {
    const ascending = (of: ReadonlySet<number> = new Set()) => [...of].toSorted((left, right) => left - right);
    assert.deepEqual(
      ascending(seen.get(meter)),
      ascending(numbers),
      `G8: what meter ${meter} told is not what was handed over`,
    );
  }
}
