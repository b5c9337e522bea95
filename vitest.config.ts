import path from 'node:path';
import { defineConfig } from 'vitest/config';

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
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
