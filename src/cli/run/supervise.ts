import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { statSync, watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import path from 'node:path';
import { EXIT_FAILED, EXIT_OK } from '../failure.ts';
import { paintFor } from '../output/text.ts';
import type { SupervisorMessage, Terminal } from '../terminal.ts';

/** Editors write a file in several steps. */
const SETTLE_MS = 120;
/** A program has so long to close. */
const STOP_MS = 15_000;

/**
 * Runs a program in a process of its own, and again whenever one of the files that it was made from changes.
 *
 * States    running → (a file changed) stopping → running …; running → (it failed) waiting for a change → running …; any → ended.
 */
export class Supervisor {
  readonly #args: readonly string[];
  readonly #terminal: Terminal;
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #known = new Map<string, number | undefined>();
  #changed: ((file: string) => void) | undefined;

  /** `args` are those of `start`. */
  constructor(args: readonly string[], terminal: Terminal) {
    this.#args = args;
    this.#terminal = terminal;
  }

  async run(): Promise<number> {
    try {
      for (;;) {
        const changed = new Promise<string>((resolve) => (this.#changed = resolve));
        const outcome = await this.#once(changed);
        if (this.#terminal.signal.aborted) return EXIT_OK;
        if (outcome !== 'changed' && outcome !== 'waiting') return outcome;
        if (outcome === 'waiting') {
          this.#say('waiting for a change');
          await Promise.race([changed, aborted(this.#terminal.signal)]);
          if (this.#terminal.signal.aborted) return EXIT_FAILED;
        }
        this.#say(`${path.relative(this.#terminal.cwd, await changed)} changed: starting again`);
      }
    } finally {
      for (const watcher of this.#watchers.values()) watcher.close();
    }
  }

  /** One life of the program: its exit code, or why it is to begin again. */
  async #once(changed: Promise<string>): Promise<number | 'changed' | 'waiting'> {
    const main = process.argv[1];
    if (main === undefined) throw new Error('this process has no main file');
    const child = spawn(process.execPath, [...process.execArgv, main, 'start', ...this.#args], {
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, THEREUPON_SUPERVISED: '1' },
    });
    let loaded = false;
    let ready = false;
    child.on('message', (message: SupervisorMessage) => {
      if (message.kind === 'ready') ready = true;
      else if (message.kind === 'refused') loaded = false;
      else {
        loaded = message.ok;
        this.#watch(message.files);
      }
    });
    const exited = once(child, 'exit') as Promise<[number | null]>;
    const first = await Promise.race([exited, changed, aborted(this.#terminal.signal)]);
    if (!Array.isArray(first)) {
      await stop(child, exited);
      return 'changed';
    }
    const [code] = first;
    // A program that never came up though it could be loaded fails for a reason outside its files: a port, a store.
    return code === 0 || (loaded && !ready) || this.#known.size === 0 ? (code ?? EXIT_FAILED) : 'waiting';
  }

  #watch(files: readonly string[]): void {
    for (const file of files) this.#known.set(file, stampOf(file));
    for (const folder of new Set(files.map((file) => path.dirname(file)))) {
      if (this.#watchers.has(folder)) continue;
      let settling: NodeJS.Timeout | undefined;
      const watcher = watch(folder, () => {
        clearTimeout(settling);
        settling = setTimeout(() => this.#look(folder), SETTLE_MS);
      });
      watcher.on('error', () => this.#watchers.delete(folder));
      this.#watchers.set(folder, watcher);
    }
  }

  /** Whether a file that matters has changed: folders also tell of others, and of being read. */
  #look(folder: string): void {
    for (const [file, stamp] of this.#known) {
      if (path.dirname(file) !== folder || stampOf(file) === stamp) continue;
      this.#known.set(file, stampOf(file));
      this.#changed?.(file);
    }
  }

  #say(text: string): void {
    this.#terminal.note(`${paintFor(this.#terminal.err)('magenta', `── ${text} ──`)}\n`);
  }
}

/** What does not end by itself, because it never comes to that, is ended. */
async function stop(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  child.kill('SIGTERM');
  const patience = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await exited;
  clearTimeout(patience);
}

function stampOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
