import { BatchRefused, DecisionInvalid, InvalidPattern, ThereuponError } from '../index.ts';
import type { Environment } from '../index.ts';
import { MethodNotAllowed, Unauthorized } from './refusals.ts';
import { answer } from './reply.ts';
import type { Reply } from './reply.ts';

/** The status of what neither the request nor the machine is at fault for. */
const PROGRAM_FAILED = 500;

/** Where failures are told of. */
export interface Failing {
  readonly environment: Environment;
  /** Gets what the answer does not show. */
  readonly failed?: ((error: unknown) => void) | undefined;
}

/** How a failure is answered. */
interface Answer {
  readonly status: number;
  readonly title: string;
}

/** The one place that knows HTTP statuses of errors, by their code. */
export const ANSWERS: Readonly<Record<string, Answer>> = {
  'invalid-input': { status: 400, title: 'A part of the request does not have the form it must have' },
  'invalid-event': { status: 400, title: 'The event is not as CloudEvents 1.0 demands' },
  'invalid-pattern': { status: 400, title: 'The event pattern is not valid' },
  'request-aborted': { status: 400, title: 'The request was not complete' },
  unauthorized: { status: 401, title: 'A key is needed' },
  'foreign-request': { status: 403, title: 'The request comes from a foreign page' },
  'store-read-only': { status: 403, title: 'The store is open read-only' },
  'unknown-command': { status: 404, title: 'No decider takes this command' },
  'not-found': { status: 404, title: 'There is no such thing' },
  'method-not-allowed': { status: 405, title: 'The route does not take this method' },
  'wrong-state': { status: 409, title: 'The operation does not fit the present state' },
  'stream-version-conflict': { status: 409, title: 'The stream is not at the expected version' },
  'event-content-conflict': { status: 409, title: 'The event is known with other content' },
  'condition-failed': { status: 409, title: 'What was decided on has changed' },
  'command-content-conflict': { status: 409, title: 'The command is known with other content' },
  'history-incomplete': { status: 409, title: 'A part of the history was removed' },
  'history-shortened': { status: 409, title: 'Events that it follows from were removed' },
  'snapshots-needed': { status: 409, title: 'Snapshots hold what removed events made' },
  'claim-lost': { status: 409, title: 'The claim has lapsed' },
  'loop-stopped': { status: 409, title: 'A chain of reactions was stopped' },
  'stream-deleted': { status: 410, title: 'The stream is deleted' },
  'limit-exceeded': { status: 413, title: 'The request is larger than the limit' },
  'unsupported-content': { status: 415, title: 'The content is in no form that is understood here' },
  'command-refused': { status: 422, title: 'The command was refused' },
  'command-data-invalid': { status: 422, title: 'The data does not fit the schema of the command' },
  'event-data-invalid': { status: 422, title: 'The data does not fit the schema of its type' },
  'unknown-event-type': { status: 422, title: 'The event type is not defined' },
  'batch-refused': { status: 422, title: 'Some events cannot be recorded, so none was' },
  'decision-invalid': { status: 500, title: 'A decider did not decide as it must' },
  'sealed-data-invalid': { status: 500, title: 'A sealed value is not what was sealed there' },
  'upcast-failed': { status: 500, title: 'An upcaster failed' },
  terminal: { status: 500, title: 'A handler gave up' },
  'invalid-definition': { status: 500, title: 'The program is not defined as it must be' },
  'unsafe-host': { status: 500, title: 'The server would be open to everybody' },
  'address-unavailable': { status: 500, title: 'The address cannot be listened on' },
  internal: { status: 500, title: 'Something went wrong inside' },
  'capability-missing': { status: 501, title: 'The backend cannot do this' },
  'command-contested': { status: 503, title: 'Others were first each time' },
  'system-full': { status: 503, title: 'The system is full' },
  'store-unavailable': { status: 503, title: 'The store cannot do its work' },
  'store-held': { status: 503, title: 'Another process holds the store' },
  'store-unusable': { status: 503, title: 'The store cannot be used' },
  closed: { status: 503, title: 'The system is closing' },
  'not-ready': { status: 503, title: 'The system is not ready' },
  'view-behind': { status: 504, title: 'The view did not catch up in time' },
  'attempt-timeout': { status: 504, title: 'An attempt did not finish in time' },
};

/**
 * A failure as RFC 9457 says it.
 *
 * Shape     `code` is stable; the typed fields of the error stand beside it. An error field named `type` is given as `eventType`.
 */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly [field: string]: unknown;
}

/**
 * The failure as a problem document, with the headers that belong to it. What is nobody's typed error is not shown. That, and whatever the
 * program itself is at fault for, is logged.
 */
export function replyOf(error: unknown, { environment, failed }: Failing): Reply {
  const known = problemOf(error);
  if (known?.status === PROGRAM_FAILED) {
    const { code } = known;
    environment.logger.error({ err: error, code }, 'a request failed for what the program does');
  }
  const reply = problemReply(known ?? defectOf(error, environment), headersOf(error));
  if (known === undefined || error instanceof DecisionInvalid) failed?.(error);
  return reply;
}

/** Undefined: not an error that was made for callers. */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof InvalidPattern) {
    const { path, expected, found } = error;
    return problem('invalid-pattern', error.message, { path, expected, found });
  }
  const isNamed = error instanceof DecisionInvalid;
  if (!(error instanceof ThereuponError) || (error.fault === 'defect' && !isNamed)) return undefined;
  if (error instanceof BatchRefused) {
    const problems = error.problems.map(({ index, error: each }) => ({
      index,
      code: each.code,
      detail: each.message,
      ...fieldsOf(each),
    }));
    return problem(error.code, error.message, { problems });
  }
  return problem(error.code, error.message, fieldsOf(error));
}

export function problem(code: string, detail: string, fields: Readonly<Record<string, unknown>> = {}): Problem {
  const { status, title } = ANSWERS[code] ?? { status: 500, title: 'The operation failed' };
  return { type: `urn:thereupon:problem:${code}`, title, status, detail, code, ...fields };
}

export function problemReply(document: Problem, headers: Readonly<Record<string, string>> = {}): Reply {
  return answer(document, {
    status: document.status,
    headers: { 'content-type': 'application/problem+json', ...headers },
  });
}

function defectOf(error: unknown, { ids, logger }: Environment): Problem {
  const reference = ids.next();
  logger.error({ err: error, reference }, 'a request failed inside');
  return problem('internal', `the request failed inside; the log of the server says more under ${reference}`, {
    reference,
  });
}

function fieldsOf(error: ThereuponError): Readonly<Record<string, unknown>> {
  const { type, ...fields } = error.details();
  return type === undefined ? fields : { ...fields, eventType: type };
}

function headersOf(error: unknown): Record<string, string> {
  if (error instanceof Unauthorized) return { 'www-authenticate': 'Bearer realm="thereupon"' };
  if (error instanceof MethodNotAllowed) return { allow: error.allowed.join(', ') };
  if (!(error instanceof ThereuponError)) return {};
  const { retryAfterMs } = error as { retryAfterMs?: unknown };
  if (typeof retryAfterMs === 'number') return { 'retry-after': String(Math.max(1, Math.ceil(retryAfterMs / 1_000))) };
  return error.code === 'store-unavailable' || error.code === 'closed' ? { 'retry-after': '5' } : {};
}
