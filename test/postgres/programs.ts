import { once } from 'node:events';
import { systemClock, waitFor } from '../../src/system/clock.ts';
import { startCli, untilOutput } from '../cli/spawn-cli.ts';

const ADDRESS = /http:\/\/127\.0\.0\.1:\d+/;
/** Of the log of a program that ended by itself, so much is shown. */
const SHOWN = 4_000;

interface Life {
  readonly child: ReturnType<typeof startCli>;
  readonly ended: Promise<unknown>;
  /** Undefined: it is starting. */
  url: string | undefined;
  /** The end of what it has logged. */
  log: string;
}

/** `thereupon start` on a free port: killed, stopped and started again as often as a test likes. */
export class Program {
  readonly #args: readonly string[];
  #life: Life | undefined;

  constructor(config: string, store: string) {
    this.#args = ['start', '--config', config, '--store', store, '--port', '0', '--feed', 'off'];
  }

  /** Where it answers, another place in each life; undefined: it does not run. */
  get url(): string | undefined {
    return this.#life?.url;
  }

  async start(): Promise<void> {
    const child = startCli(this.#args);
    const life: Life = { child, ended: once(child, 'exit'), url: undefined, log: '' };
    this.#life = life;
    child.stderr.on('data', (chunk: Buffer) => (life.log = (life.log + chunk.toString()).slice(-SHOWN)));
    const shown = await untilOutput(child.stdout, ADDRESS);
    life.url = ADDRESS.exec(shown)?.[0];
  }

  /** Errors: it had ended by itself. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const life = this.#life;
    const isReached = await this.#end(signal);
    if (life !== undefined && !isReached)
      throw new Error(`a program ended by itself (${life.child.exitCode ?? life.child.signalCode}):\n${life.log}`);
  }

  /** Whatever has become of it: for the end of a test, also one that failed. */
  async clear(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** It stands still, with all of its connections, until `wake`. */
  stop(): void {
    this.#life?.child.kill('SIGSTOP');
  }

  wake(): void {
    this.#life?.child.kill('SIGCONT');
  }

  /** Answers whether there was something to end. */
  async #end(signal: NodeJS.Signals): Promise<boolean> {
    const life = this.#life;
    this.#life = undefined;
    const isReached = life?.child.kill(signal) ?? false;
    await life?.ended;
    return isReached;
  }
}

/** Begins and ends a trouble of one program. */
export type Fault = (program: Program, random: () => number) => Promise<void>;

export async function killed(program: Program, random: () => number): Promise<void> {
  await program.kill();
  await waitFor(systemClock, random() * 500);
  await program.start();
}

/** For less than a lease of a second, or for more. */
export async function stopped(program: Program, random: () => number): Promise<void> {
  program.stop();
  await waitFor(systemClock, 200 + random() * 2_000);
  program.wake();
}

/** Gives a program one trouble after another until the signal is aborted; then it runs. */
export async function trouble(
  program: Program,
  options: {
    readonly faults: readonly Fault[];
    readonly random: () => number;
    readonly signal: AbortSignal;
    readonly happened: () => void;
  },
): Promise<void> {
  const { faults, random, signal, happened } = options;
  while (!signal.aborted) {
    await waitFor(systemClock, random() * 800);
    await faults[Math.floor(random() * faults.length)]?.(program, random);
    happened();
  }
}
