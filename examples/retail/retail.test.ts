import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { testSharedFiles } from '../../test/cloudevents/shared-data.ts';
import { answersOf } from './answers.ts';
import type { Answers } from './answers.ts';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const DATA = here('../../../shared/data/orders-online-retail');
const CLI = ['--conditions=thereupon-source', here('../../src/cli/main.ts')];

/** As a user does it, with the command. */
function importFiles(
  store: string,
  files: readonly string[],
): { readonly recorded: number; readonly duplicates: number } {
  const options = ['--mapping', here('online-retail.mapping.json'), '--config', here('.'), '--store', store, '--json'];
  const { status, stdout, stderr } = spawnSync(process.execPath, [...CLI, 'import', ...files, ...options], {
    encoding: 'utf8',
  });
  expect({ status, failed: /^error/m.test(stderr) ? stderr : undefined }).toEqual({ status: 0, failed: undefined });
  return JSON.parse(stdout) as { recorded: number; duplicates: number };
}

function scratch(): { file(name: string): string } & Disposable {
  const folder = mkdtempSync(path.join(tmpdir(), 'thereupon-retail-'));
  return {
    file: (name) => path.join(folder, name),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** All rows under one header, in an order that a seed decides. */
function shuffled(files: readonly string[], seed: number): string {
  const tables = files.map((file) => readFileSync(file, 'utf8').trimEnd().split('\n'));
  const rows = tables.flatMap(([, ...each]) => each);
  let state = seed;
  for (let last = rows.length - 1; last > 0; last -= 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const other = state % (last + 1);
    [rows[last], rows[other]] = [rows[other] ?? '', rows[last] ?? ''];
  }
  return `${[tables[0]?.[0], ...rows].join('\n')}\n`;
}

describe('orders of the online retail data set', () => {
  testSharedFiles('orders-online-retail', 'answers', (text) => {
    const answers = JSON.parse(text) as Readonly<Record<string, Answers>>;
    const files = readdirSync(DATA)
      .filter((name) => name.endsWith('.csv'))
      .map((name) => path.join(DATA, name));
    const invoices = Object.values(answers).reduce((sum, day) => sum + day.invoices, 0);

    it('give exactly the numbers that are known of every day, and nothing changes when they are imported twice', async () => {
      using folder = scratch();
      const store = folder.file('retail.db');
      expect(importFiles(store, files)).toMatchObject({ recorded: invoices, duplicates: 0 });
      expect(await answersOf(store)).toEqual(answers);
      expect(importFiles(store, files)).toMatchObject({ recorded: 0, duplicates: invoices });
      expect(await answersOf(store)).toEqual(answers);
    });

    it.each([1, 2, 3])('give the same numbers with their rows in any order: seed %i', async (seed) => {
      using folder = scratch();
      writeFileSync(folder.file('all.csv'), shuffled(files, seed));
      const store = folder.file('retail.db');
      expect(importFiles(store, [folder.file('all.csv')])).toMatchObject({ recorded: invoices });
      expect(await answersOf(store)).toEqual(answers);
      // The same facts as from the files in their own order, down to the content of each event.
      expect(importFiles(store, files)).toMatchObject({ recorded: 0, duplicates: invoices });
    });

    it('give the same numbers when they come day by day and the program is started anew for each', async () => {
      using folder = scratch();
      const store = folder.file('retail.db');
      for (const file of files.toReversed()) {
        importFiles(store, [file]);
        await answersOf(store);
      }
      expect(await answersOf(store)).toEqual(answers);
    });
  });
});
