import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answersOf } from '../../examples/retail/answers.ts';
import type { Answers } from '../../examples/retail/answers.ts';
import { systemClock, waitFor } from '../../src/system/clock.ts';
import { runCli, startCli } from '../cli/spawn-cli.ts';
import { testSharedFiles } from '../cloudevents/shared-data.ts';
import { mulberry32 } from '../crash/mulberry.ts';
import { killed, Program, trouble } from './programs.ts';
import type { PostgresServer } from './server.ts';
import { startPostgres } from './server.ts';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const DATA = here('../../../shared/data/orders-online-retail');
const RETAIL = here('../../examples/retail');
const NODES = 3;
const KILLS = 8;
const SEED = 11;

let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres();
}, 120_000);

const programs: Program[] = [];

afterAll(async () => {
  // Also after a failure.
  for (const program of programs) await program.clear();
  await server.stop();
});

describe('the retail example on three processes', () => {
  testSharedFiles('orders-online-retail', 'answers', (text) => {
    const answers = JSON.parse(text) as Readonly<Record<string, Answers>>;
    const files = readdirSync(DATA)
      .filter((name) => name.endsWith('.csv'))
      .map((name) => path.join(DATA, name));

    test('gives exactly the numbers that are known of every day, while processes are killed and started again during the import (G1, G2, G6)', async () => {
      const store = `${server.url}?schema=retail&lease=1s`;
      programs.push(...Array.from({ length: NODES }, () => new Program(RETAIL, store)));
      for (const program of programs) await program.start();
      const importing = new AbortController();
      let kills = 0;
      const killing = programs.map((program, index) =>
        trouble(program, {
          faults: [killed],
          random: mulberry32(SEED + index),
          signal: importing.signal,
          happened: () => (kills += 1),
        }),
      );
      // Several imports at once, one of which is killed and begun again.
      const options = ['--mapping', path.join(RETAIL, 'online-retail.mapping.json'), '--config', RETAIL];
      const imports = files.map(async (file, index) => {
        if (index === 0) {
          const doomed = startCli(['import', file, ...options, '--store', store, '--json']);
          doomed.stdout.resume();
          await waitFor(systemClock, 700);
          const ended = once(doomed, 'exit');
          doomed.kill('SIGKILL');
          await ended;
        }
        // Told again and again, until there was trouble enough: it changes nothing.
        for (let enough = false; !enough; enough = kills >= KILLS) {
          const { code, stderr } = await runCli(['import', file, ...options, '--store', store, '--json']);
          expect(code, stderr).toBe(0);
        }
      });
      await Promise.all(imports);
      importing.abort();
      await Promise.all(killing);
      for (const program of programs) await program.kill('SIGTERM');
      expect(await answersOf(store)).toEqual(answers);
    }, 180_000);
  });
});
