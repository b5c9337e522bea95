import type { Terminal } from '../../src/cli/terminal.ts';

export interface MemoryTerminal extends Terminal {
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly stop: () => void;
}

/** A terminal that keeps what is written, so that commands can be driven without spawning. */
export function memoryTerminal(
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly cwd?: string;
    readonly input?: string;
    readonly columns?: number;
  } = {},
): MemoryTerminal {
  let stdout = '';
  let stderr = '';
  let nowMs = 1_800_000_000_000;
  const stopping = new AbortController();
  const screen = { isTerminal: options.columns !== undefined, colour: false, columns: options.columns ?? 100 };
  return {
    env: options.env ?? {},
    cwd: options.cwd ?? process.cwd(),
    async write(text) {
      stdout += text;
    },
    note(text) {
      stderr += text;
    },
    out: screen,
    err: screen,
    async *input() {
      yield Buffer.from(options.input ?? '');
    },
    now: () => (nowMs += 1),
    signal: stopping.signal,
    supervisor: undefined,
    stdout: () => stdout,
    stderr: () => stderr,
    stop: () => stopping.abort('SIGTERM'),
  };
}
