import { DecisionInvalid, ThereuponError } from '../index.ts';

export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
/** What was checked does not hold: a schema that may not take the place of another one, an event that is badly designed. */
export const EXIT_INCOMPATIBLE = 5;

/** The command was called in a way that it does not understand: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The command was understood and did not succeed: exit code 1. The message says what to do. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
}

/** What the program of the user, or this one, threw while the command was carried out in this process. */
export class FailedInside extends Error {
  override readonly name = 'FailedInside';

  constructor(cause: unknown) {
    super(`the program failed: ${saidOf(cause)}`, { cause });
    const root = cause instanceof DecisionInvalid ? rootOf(cause) : cause;
    if (root instanceof Error && root.stack !== undefined) this.stack = root.stack;
  }
}

/** A decider is named in the message, others are what they are. */
function saidOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause instanceof DecisionInvalid ? cause.message : `${cause.name}: ${cause.message}`;
}

/** What an error came of in the beginning. */
function rootOf(error: Error): Error {
  return error.cause instanceof Error ? rootOf(error.cause) : error;
}

/** What a server answered in place of a result: an RFC 9457 problem document. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly status: number;
  readonly code: string;
  readonly problem: Readonly<Record<string, unknown>>;
  /** How long the server asks to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(status: number, problem: Readonly<Record<string, unknown>>, retryAfterMs?: number) {
    const { detail, title, code } = problem;
    super(
      typeof detail === 'string' && detail !== ''
        ? detail
        : typeof title === 'string'
          ? title
          : `the server answered ${status}`,
    );
    this.status = status;
    this.code = typeof code === 'string' ? code : String(status);
    this.problem = problem;
    this.retryAfterMs = retryAfterMs;
  }
}

export function exitCodeOf(error: unknown): number {
  return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
}

/** An error in the words of the one who called; with its stack only when that was asked for, or nobody expected it. */
export function describeFailure(error: unknown, verbose: boolean): string {
  if (!(error instanceof Error)) return `error: ${String(error)}`;
  const lines = [`error: ${error.message}`];
  const advice = adviceFor(error);
  if (advice !== undefined) lines.push(advice);
  if (verbose && error.stack !== undefined) lines.push(error.stack);
  if (verbose && !(error instanceof FailedInside) && error.cause instanceof Error)
    lines.push(`caused by ${error.cause.stack ?? error.cause.message}`);
  if (!verbose && error instanceof FailedInside) lines.push('--verbose shows where');
  else if (!verbose && !isExpected(error)) lines.push('this was not expected; --verbose shows where it happened');
  return lines.join('\n');
}

/** An error for a program: a line on the standard error, beside the exit code. */
export function failureJson(error: unknown): Readonly<Record<string, unknown>> {
  if (error instanceof ApiProblem) return { ...error.problem, code: error.code, message: error.message };
  if (error instanceof FailedInside && error.cause instanceof DecisionInvalid) return failureJson(error.cause);
  if (error instanceof ThereuponError) return { ...error.details(), code: error.code, message: error.message };
  if (error instanceof UsageError) return { code: 'usage', message: error.message };
  return { code: 'failed', message: error instanceof Error ? error.message : String(error) };
}

/** What to do, where the message does not say it yet. */
function adviceFor(error: Error): string | undefined {
  switch ((error as { code?: unknown }).code) {
    case 'unauthorized':
      return 'give the key of the server in THEREUPON_API_KEY or with --api-key';
    case 'event-content-conflict':
      return 'if it is another fact, give it an id of its own; if it is the same one, it is already there';
    case 'system-full':
      return 'the system is busy; try again in a moment';
    case 'EADDRINUSE':
      return 'another program listens there; choose another port with --port or THEREUPON_PORT';
    case 'EACCES':
      return 'this user may not do that; check the permissions of the file or folder, or choose a port above 1023';
    case 'ENOSPC':
      return 'free some space on that disk and try again; nothing that was acknowledged is lost';
    default:
      return undefined;
  }
}

function isExpected(error: Error): boolean {
  return (
    error instanceof UsageError ||
    error instanceof CommandFailed ||
    error instanceof ApiProblem ||
    error instanceof ThereuponError ||
    typeof (error as { code?: unknown }).code === 'string'
  );
}
