/** Builds, packs, installs the tarball into an empty project, type-checks and runs a program against it as a user would. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const run = (command: string, args: readonly string[], cwd: string) =>
  execFileSync(command, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
const tsc = path.join(root, 'node_modules/typescript-7/bin/tsc');

const PROGRAM = `
import { defineAutomation, defineEvent, open } from 'thereupon';
import { memory } from 'thereupon/memory';
import { sqlite } from 'thereupon/sqlite';
import { z } from 'zod';

const OrderPlaced = defineEvent({ type: 'shop.order.placed', schema: z.object({ orderId: z.string() }), stream: (data) => \`order-\${data.orderId}\` });
const StockReserved = defineEvent({ type: 'shop.stock.reserved', schema: z.object({ orderId: z.string() }), stream: (data) => \`order-\${data.orderId}\` });
const reserve = defineAutomation({
  name: 'reserve',
  on: OrderPlaced,
  publishes: [StockReserved],
  run: async ({ event, publish }) => { await publish(StockReserved, { orderId: event.data.orderId }); },
});
for (const store of [memory(), sqlite('app.db')]) {
  await using system = await open({ store, events: [OrderPlaced], automations: [reserve] });
  await system.publish(OrderPlaced, { orderId: '17' });
  await system.settled();
  const { events } = await system.events.readStream('order-17');
  console.log(events.map((event) => event.type).join(' '));
}
// Without the optional package the error names it.
console.log(await open({ store: 'postgres://127.0.0.1:1/none' }).catch((error: Error) => /npm install pg/.test(error.message)));
`;

/** The subpaths for tests and for authors of backends; the latter bring fast-check. */
const TEST_PROGRAM = `
import * as fc from 'fast-check';
import { defineEvent, defineProjection } from 'thereupon';
import { compareWithModel, contractSuites, createBench } from 'thereupon/contract';
import { memory } from 'thereupon/memory';
import { createApp } from 'thereupon/server';
import { testSystem } from 'thereupon/testing';
import { z } from 'zod';

const Counted = defineEvent({ type: 'item.counted', schema: z.object({ item: z.string() }), stream: (data) => data.item });
const counts = defineProjection({ name: 'counts', key: (event) => event.data.item, initial: () => 0, on: [[Counted, (row) => row + 1]] });
await using test = await testSystem({ events: [Counted], projections: [counts] });
await test.given([Counted, { item: 'a' }]).when(Counted, { item: 'a' });
const answer = await createApp(test.system, { signal: new AbortController().signal }).request('/views/counts/a');
const bench = createBench(() => ({ factory: memory() }));
await compareWithModel(fc, { reference: bench, candidate: createBench(() => ({ factory: memory() })), runs: 2, seed: 1 });
console.log(await test.row(counts, 'a'), answer.status, contractSuites.length > 5);
`;

run(process.execPath, [tsc, '-p', 'tsconfig.build.json'], root);
const { dependencies, peerDependencies } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  dependencies: { zod: string };
  peerDependencies: { 'fast-check': string };
};
const { zod } = dependencies;
const fastCheck = peerDependencies['fast-check'];
const tsconfigOf = (file: string, ...libs: string[]) =>
  JSON.stringify({
    compilerOptions: {
      module: 'nodenext',
      target: 'es2024',
      lib: ['es2024', 'esnext.disposable', ...libs],
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      types: ['node'],
      typeRoots: [path.join(root, 'node_modules/@types')],
    },
    files: [file],
  });
const place = mkdtempSync(path.join(tmpdir(), 'thereupon-package-'));
try {
  const packed = JSON.parse(run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', place], root)) as [
    { filename: string; files: { path: string }[] },
  ];
  const strays = packed[0].files
    .map((file) => file.path)
    .filter((file) => /\\.test\\./.test(file) || (file.endsWith('.ts') && !file.endsWith('.d.ts')));
  if (strays.length > 0) throw new Error(`the package holds files that do not belong in it: ${strays.join(', ')}`);
  writeFileSync(path.join(place, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }));
  run(
    'npm',
    ['install', '--no-audit', '--no-fund', '--ignore-scripts', path.join(place, packed[0].filename), `zod@${zod}`],
    place,
  );
  writeFileSync(path.join(place, 'program.ts'), PROGRAM);
  writeFileSync(path.join(place, 'test-program.ts'), TEST_PROGRAM);
  writeFileSync(path.join(place, 'tsconfig.json'), tsconfigOf('program.ts'));
  run(process.execPath, [tsc, '-p', place], place);
  const printed = run(process.execPath, [path.join(place, 'program.ts')], place)
    .trim()
    .split('\n');
  const reserved = 'shop.order.placed shop.stock.reserved';
  if (printed.join('\n') !== [reserved, reserved, 'true'].join('\n')) {
    throw new Error(`the installed package did not do its work; it printed: ${printed.join(' | ')}`);
  }
  run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', `fast-check@${fastCheck}`], place);
  // The types of hono name some of the browser's.
  writeFileSync(path.join(place, 'tsconfig.json'), tsconfigOf('test-program.ts', 'dom'));
  run(process.execPath, [tsc, '-p', place], place);
  const tested = run(process.execPath, [path.join(place, 'test-program.ts')], place).trim();
  if (tested !== '2 200 true') throw new Error(`the subpaths for tests did not do their work; it printed: ${tested}`);
  const help = run(process.execPath, [path.join(place, 'node_modules/thereupon/dist/cli/main.js'), '--help'], place);
  if (!help.includes('Usage: thereupon')) throw new Error('the installed command does not answer --help');
  if (!existsSync(path.join(place, 'node_modules/thereupon/LICENSE'))) throw new Error('the package has no LICENSE');
  process.stdout.write(`the package installs, type-checks and runs: ${packed[0].files.length} files\n`);
} finally {
  rmSync(place, { recursive: true, force: true });
}
run(process.execPath, [path.join(root, 'node_modules/publint/src/cli.js'), '--strict'], root);
