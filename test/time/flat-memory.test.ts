import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { onNewPath } from '../sqlite/sqlite-bench.ts';
import type { FlatMemoryTask, Kept } from './flat-memory-program.ts';

const PROGRAM = path.join(import.meta.dirname, 'flat-memory-program.ts');
const PARTS = 8;
/** On a machine that is busy with others. */
const TIMEOUT_MS = 300_000;

/**
 * What a later part may need of what the first one needed. Rows: a part may end where the keys of two generations have open windows. Heap
 * and RSS, measured over 2,000,000 events: from −2.6 to +0.6 MB, from −1 to +13 MB. Windows that never end: +5.5 MB of heap over 400,000.
 */
const BOUNDS: Readonly<Record<'rows' | 'rowBytes' | 'timers' | 'heapMb' | 'rssMb', (first: number) => number>> = {
  rows: (first) => 2 * first,
  rowBytes: (first) => 2 * first,
  timers: (first) => 2 * first,
  heapMb: (first) => first + 3,
  rssMb: (first) => first + 48,
};

/** What grows with the history, and how. */
function growing(parts: readonly Kept[]): Readonly<Record<string, readonly number[]>> {
  const [first] = parts;
  const grows = Object.entries(BOUNDS).filter(([name, bound]) =>
    parts.some((kept) => kept[name as keyof Kept] > bound(first?.[name as keyof Kept] ?? 0)),
  );
  return Object.fromEntries(grows.map(([name]) => [name, parts.map((kept) => kept[name as keyof Kept])]));
}

/** In a process of its own, so that nothing else is measured. */
async function run(task: Omit<FlatMemoryTask, 'parts' | 'store'>): Promise<readonly Kept[]> {
  let parts: readonly Kept[] = [];
  await onNewPath(async (store) => {
    const options = ['--conditions=thereupon-source', '--expose-gc', PROGRAM];
    const { stdout } = await promisify(execFile)(process.execPath, [
      ...options,
      JSON.stringify({ ...task, parts: PARTS, store }),
    ]);
    parts = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Kept);
  });
  expect(parts.at(-1)).toMatchObject({ handled: PARTS * task.events, late: 0 });
  return parts;
}

describe('what windows keep is of open windows and their keys, not of the history (G10)', () => {
  test(
    'over 2,000,000 disordered events state and memory stay flat',
    async () => expect(growing(await run({ events: 250_000, window: '10s', late: 'drop' }))).toEqual({}),
    TIMEOUT_MS,
  );

  test.each([
    ['windows that never end', { window: '36500d', late: 'drop' }],
    ['windows that are corrected for ever', { window: '10s', late: { correct: '36500d' } }],
  ] as const)(
    '%s are told from that by a fifth of the events',
    async (_, windows) =>
      expect(Object.keys(growing(await run({ ...windows, events: 50_000 })))).toEqual(
        expect.arrayContaining(['rows', 'rowBytes', 'timers', 'heapMb']),
      ),
    TIMEOUT_MS,
  );
});
