/**
 * Where a command reads from and writes to. A real process fills it in `process.ts`; a test drives commands without spawning.
 *
 * Shape     Results go to `write`, everything that is said about them to `note`: a program that reads the results never has to filter.
 */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Results. Resolves when more may be written. */
  write(text: string): Promise<void>;
  /** Progress and remarks, on standard error. */
  note(text: string): void;
  readonly out: Screen;
  readonly err: Screen;
  /** Standard input, for `-`. */
  input(): AsyncIterable<Uint8Array>;
  /** Milliseconds since 1970. */
  now(): number;
  /** Aborted when the user asks the command to stop (SIGINT, SIGTERM) or nobody reads its results any more. */
  readonly signal: AbortSignal;
  /** Where this process was started by `dev`: tells it how things stand. */
  readonly supervisor: ((message: SupervisorMessage) => Promise<void>) | undefined;
}

/** What a program tells the process that starts it again when its files change. */
export type SupervisorMessage =
  | { readonly kind: 'loaded'; readonly files: readonly string[]; readonly ok: boolean }
  /** What the files say is no program. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'ready' };

/** What is known of one output. */
export interface Screen {
  readonly isTerminal: boolean;
  readonly colour: boolean;
  /** Characters in a line. */
  readonly columns: number;
}

/** Whether an output gets colour: only a terminal does, and only if nobody objects. */
export function screenOf(
  output: { readonly isTTY?: boolean; readonly columns?: number },
  env: Terminal['env'],
): Screen {
  const isTerminal = output.isTTY === true;
  const objected = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb';
  return { isTerminal, colour: isTerminal && !objected, columns: output.columns ?? 100 };
}
