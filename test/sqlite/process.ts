import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const CHILD = fileURLToPath(new URL('child.ts', import.meta.url));

/** A running child.ts, or another program that takes the same arguments, and what it tells. */
export class Child {
  readonly process: ChildProcessWithoutNullStreams;
  readonly told: unknown[] = [];
  readonly #lines: AsyncIterator<string>;
  #errors = '';

  /** `shell`: a command line that runs before it in the same shell, such as a limit. */
  constructor(
    path: string,
    what: string,
    options: { readonly seed?: string; readonly shell?: string; readonly program?: string } = {},
  ) {
    const args = [process.execPath, options.program ?? CHILD, path, what, options.seed ?? '0'];
    const command =
      options.shell === undefined ? args : ['/bin/sh', '-c', `${options.shell}; exec "$@"`, 'sh', ...args];
    this.process = spawn(command[0] ?? '', command.slice(1));
    this.process.stderr.on('data', (chunk) => (this.#errors += String(chunk)));
    this.#lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
  }

  /** The next thing that it tells; undefined when it has ended. */
  async next(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (done === true) return undefined;
    let message: unknown;
    try {
      message = JSON.parse(value);
    } catch {
      // A line cut short by a kill.
      return this.next();
    }
    this.told.push(message);
    return message;
  }

  /** Everything that is still to be told, until it ends. */
  async rest(): Promise<readonly unknown[]> {
    while ((await this.next()) !== undefined);
    return this.told;
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.ended();
  }

  async ended(): Promise<{ readonly code: number | null; readonly errors: string }> {
    if (this.process.exitCode === null && this.process.signalCode === null) await once(this.process, 'exit');
    return { code: this.process.exitCode, errors: this.#errors };
  }
}
