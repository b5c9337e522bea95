import process from 'node:process';
import { describeFailure, EXIT_FAILED, EXIT_OK } from './failure.ts';
import { runProgram } from './program.ts';
import { screenOf } from './terminal.ts';
import type { SupervisorMessage, Terminal } from './terminal.ts';

/** npm hands a signal on to a process which the terminal has sent it already: so close together, two are one. */
const SAME_SIGNAL_MS = 500;

/** Runs the command that this process was started for, and ends the process with its exit code. */
export async function runProcess(): Promise<void> {
  const stopping = new AbortController();
  listenToSignals(stopping);
  const terminal = processTerminal(stopping);
  try {
    process.exitCode = await runProgram(process.argv.slice(2), terminal);
  } catch (error) {
    process.stderr.write(`${describeFailure(error, true)}\n`);
    process.exitCode = EXIT_FAILED;
  }
  // What is still open (a kept connection, a watcher) must not keep a finished command alive.
  process.stdout.write('', () => process.exit());
}

/** Started by `dev`, which starts it again when its files change. */
const supervised = process.env['THEREUPON_SUPERVISED'] === '1' && process.connected;

/** The first signal asks the command to finish, a second one ends the process at once. */
function listenToSignals(stopping: AbortController): void {
  let firstMs: number | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    const nowMs = Date.now();
    if (firstMs !== undefined && nowMs - firstMs > SAME_SIGNAL_MS) process.exit(signal === 'SIGINT' ? 130 : 143);
    firstMs ??= nowMs;
    stopping.abort(signal);
  };
  process.on('SIGTERM', onSignal);
  // Ctrl-C reaches the whole group: a supervised process leaves it to its supervisor, and follows it when it is gone.
  process.on('SIGINT', supervised ? () => undefined : onSignal);
  process.on('SIGHUP', onSignal);
  if (supervised) process.on('disconnect', () => stopping.abort('disconnect'));
}

function processTerminal(stopping: AbortController): Terminal {
  const { stdout, stderr, env } = process;
  let broken = false;
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') process.exit(EXIT_FAILED);
      // `| head` has seen enough: that is no failure.
      broken = true;
      stopping.abort('EPIPE');
      setTimeout(() => process.exit(EXIT_OK), 1_000).unref();
    });
  }
  return {
    env,
    cwd: process.cwd(),
    write: (text) => (broken ? Promise.resolve() : written(stdout, text)),
    note: (text) => void stderr.write(text),
    get out() {
      return screenOf(stdout, env);
    },
    get err() {
      return screenOf(stderr, env);
    },
    input: () => process.stdin,
    now: Date.now,
    signal: stopping.signal,
    supervisor: supervised ? told : undefined,
  };
}

/** Resolves when the supervisor has it, or is gone. */
function told(message: SupervisorMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, () => resolve());
  });
}

function written(stream: NodeJS.WriteStream, text: string): Promise<void> {
  if (stream.write(text)) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done).off('error', done).off('close', done);
      resolve();
    };
    stream.once('drain', done).once('error', done).once('close', done);
  });
}
