import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

export const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
export const CONDITION = '--conditions=thereupon-source';

export interface CliResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly nodeArgs?: readonly string[];
}

/** Variables of the machine that would change what a command does. */
function environment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('THEREUPON_') && !name.startsWith('VITEST') && name !== 'NODE_OPTIONS',
  );
  return { ...Object.fromEntries(own), ...more };
}

/** Starts the real command. Its input stays open. */
export function startCli(
  args: readonly string[],
  options: CliOptions = {},
): ChildProcessByStdio<Writable, Readable, Readable> {
  return spawn(process.execPath, [CONDITION, ...(options.nodeArgs ?? []), MAIN, ...args], {
    cwd: options.cwd ?? process.cwd(),
    env: environment(options.env),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

/** Runs the real command to its end. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const child = startCli(args, options);
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const [stdout, stderr, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>,
  ]);
  return { code, signal, stdout, stderr };
}

/** Resolves with everything that was read so far, once it contains what is waited for. */
export function untilOutput(stream: Readable, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let seen = '';
    const look = (chunk: Buffer) => {
      seen += chunk.toString();
      if (!pattern.test(seen)) return;
      stream.off('data', look);
      resolve(seen);
    };
    stream.on('data', look);
    stream.once('close', () => reject(new Error(`the output ended without ${pattern}: ${seen}`)));
  });
}

export interface ScratchFolder extends Disposable {
  readonly path: string;
  file(name: string): string;
}

/** A folder with a program in it, which finds this package by its name as an installed one. */
export function programFolder(config: string): ScratchFolder {
  const folder = scratchFolder();
  mkdirSync(folder.file('node_modules'));
  symlinkSync(fileURLToPath(new URL('../../', import.meta.url)), folder.file('node_modules/thereupon'));
  symlinkSync(fileURLToPath(new URL('../../node_modules/zod', import.meta.url)), folder.file('node_modules/zod'));
  writeFileSync(folder.file('package.json'), '{"type":"module"}');
  writeFileSync(folder.file('thereupon.config.ts'), config);
  return folder;
}

/** A folder that is gone when it is disposed. */
export function scratchFolder(): ScratchFolder {
  const folder = mkdtempSync(path.join(tmpdir(), 'thereupon-cli-'));
  return {
    path: folder,
    file: (name) => path.join(folder, name),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
