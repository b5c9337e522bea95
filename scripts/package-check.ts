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
`;

run(process.execPath, [tsc, '-p', 'tsconfig.build.json'], root);
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
  const zod = (JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { dependencies: { zod: string } })
    .dependencies.zod;
  run(
    'npm',
    ['install', '--no-audit', '--no-fund', '--ignore-scripts', path.join(place, packed[0].filename), `zod@${zod}`],
    place,
  );
  writeFileSync(path.join(place, 'program.ts'), PROGRAM);
  writeFileSync(
    path.join(place, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        module: 'nodenext',
        target: 'es2024',
        lib: ['es2024', 'esnext.disposable'],
        strict: true,
        noEmit: true,
        skipLibCheck: false,
        types: ['node'],
        typeRoots: [path.join(root, 'node_modules/@types')],
      },
      files: ['program.ts'],
    }),
  );
  run(process.execPath, [tsc, '-p', place], place);
  const printed = run(process.execPath, [path.join(place, 'program.ts')], place)
    .trim()
    .split('\n');
  if (printed.length !== 2 || printed.some((line) => line !== 'shop.order.placed shop.stock.reserved')) {
    throw new Error(`the installed package did not do its work; it printed: ${printed.join(' | ')}`);
  }
  const help = run(process.execPath, [path.join(place, 'node_modules/thereupon/dist/cli/main.js'), '--help'], place);
  if (!help.includes('Usage: thereupon')) throw new Error('the installed command does not answer --help');
  if (!existsSync(path.join(place, 'node_modules/thereupon/LICENSE'))) throw new Error('the package has no LICENSE');
  process.stdout.write(`the package installs, type-checks and runs: ${packed[0].files.length} files\n`);
} finally {
  rmSync(place, { recursive: true, force: true });
}
run(process.execPath, [path.join(root, 'node_modules/publint/src/cli.js'), '--strict'], root);
