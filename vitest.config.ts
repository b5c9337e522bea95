import path from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer } from 'vitest/node';
import type { TestSpecification } from 'vitest/node';

/** Those that take longest, first: what is begun last alone has one core to itself, and the other waits. */
const LONGEST = [
  'test/delivery/postgres',
  'test/contract/postgres',
  'test/delivery/sqlite',
  'test/time/flat-memory',
  'test/delivery/memory',
  'test/guarantees/simulate',
  'test/delivery/model',
  'test/postgres/',
  'test/cli/',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const placeOf = ({ moduleId }: TestSpecification): number => {
      const place = LONGEST.findIndex((part) => moduleId.includes(part));
      return place === -1 ? LONGEST.length : place;
    };
    return (await super.sort(files)).sort((left, right) => placeOf(left) - placeOf(right));
  }
}

export default defineConfig({
  // Examples and tests import the package by its name; in this repository that is its source.
  resolve: { conditions: ['thereupon-source'] },
  ssr: { resolve: { conditions: ['thereupon-source', 'node', 'default'] } },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'examples/**/*.test.ts'],
    pool: 'forks',
    execArgv: ['--conditions=thereupon-source'],
    // The processes that tests start compile the same sources again and again: half of what a short one takes.
    env: { NODE_COMPILE_CACHE: path.resolve('.tmp', 'compile-cache') },
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
