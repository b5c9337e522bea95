import { describeValue } from './system/values.ts';

/** What the caller does next with a failed operation. */
export type Retry = 'never' | 'backoff' | 'after';

/** Whose fault a failure is: decides who is told, and how the server answers. */
export type Fault = 'caller' | 'environment' | 'defect';

export interface ErrorTraits {
  readonly code: string;
  readonly retry: Retry;
  readonly fault: Fault;
}

/** What every error has; `details` are the rest. */
const COMMON: ReadonlySet<string> = new Set(['name', 'code', 'retry', 'fault', 'cause', 'message', 'stack']);

/**
 * The one base of every error that leaves this package.
 *
 * Shape     `code` is stable over releases and unique; `retry` and `fault` tell a program what to do without reading the text.
 * Guarantee `message` names the thing, what was expected, what was found and, where there is something to do, what to do.
 */
export abstract class ThereuponError extends Error {
  readonly code: string;
  readonly retry: Retry;
  readonly fault: Fault;

  constructor(traits: ErrorTraits, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.code = traits.code;
    this.retry = traits.retry;
    this.fault = traits.fault;
  }

  /** The typed fields of the concrete error, for problem documents and logs. */
  details(): Readonly<Record<string, unknown>> {
    return Object.fromEntries(Object.entries(this).filter(([field]) => !COMMON.has(field)));
  }
}

/** Something handed in does not have the form it must have. `path` names the place in it. */
export class InvalidInput extends ThereuponError {
  readonly path: string;
  readonly expected: string;
  readonly found: string;

  constructor(input: { path: string; expected: string; found: unknown }, options?: { cause?: unknown }) {
    const found = describeValue(input.found);
    super(
      { code: 'invalid-input', retry: 'never', fault: 'caller' },
      `${input.path}: expected ${input.expected}, found ${found}`,
      options,
    );
    this.path = input.path;
    this.expected = input.expected;
    this.found = found;
  }
}

/** A definition (event, consumer, automation, projection, configuration) contradicts itself or another one. */
export class InvalidDefinition extends ThereuponError {
  readonly definition: string;

  constructor(definition: string, reason: string, options?: { cause?: unknown }) {
    super({ code: 'invalid-definition', retry: 'never', fault: 'caller' }, `${definition}: ${reason}`, options);
    this.definition = definition;
  }
}

/** What a decider made of a command cannot be recorded: the decider is at fault, and not whoever gave the command. */
export class DecisionInvalid extends ThereuponError {
  readonly decider: string;
  readonly command: string;

  constructor(decider: string, command: string, cause: Error) {
    const title = `decider ${decider}`;
    const reason = cause.message.startsWith(`${title}: `) ? cause.message.slice(title.length + 2) : cause.message;
    super({ code: 'decision-invalid', retry: 'never', fault: 'defect' }, `${title}, command ${command}: ${reason}`, {
      cause,
    });
    this.decider = decider;
    this.command = command;
  }
}

/** An event is not a CloudEvent, or an attribute of it is not as CloudEvents 1.0 demands. */
export class InvalidEvent extends ThereuponError {
  readonly attribute: string;
  readonly expected: string;
  readonly found: string;

  constructor(input: { attribute: string; expected: string; found: unknown }) {
    const found = describeValue(input.found);
    super(
      { code: 'invalid-event', retry: 'never', fault: 'caller' },
      `event attribute ${input.attribute}: expected ${input.expected}, found ${found}`,
    );
    this.attribute = input.attribute;
    this.expected = input.expected;
    this.found = found;
  }
}

export interface SchemaIssue {
  readonly path: string;
  readonly message: string;
}

/** An event's data does not fit the schema of its type. */
export class EventDataInvalid extends ThereuponError {
  readonly type: string;
  readonly schemaVersion: number;
  readonly issues: readonly SchemaIssue[];

  constructor(type: string, schemaVersion: number, issues: readonly SchemaIssue[]) {
    super(
      { code: 'event-data-invalid', retry: 'never', fault: 'caller' },
      `data of ${type} (schema version ${schemaVersion}) does not fit its schema: ${listedIssues(issues)}`,
    );
    this.type = type;
    this.schemaVersion = schemaVersion;
    this.issues = issues;
  }
}

function listedIssues(issues: readonly SchemaIssue[]): string {
  const listed = issues.slice(0, 5).map(({ path, message }) => `${path}: ${message}`);
  return `${listed.join('; ')}${issues.length > 5 ? `; and ${issues.length - 5} more` : ''}`;
}

/** Recorded data of an older schema version cannot be brought to the version that the program reads: an upcaster threw, or gave what does not fit. */
export class UpcastFailed extends ThereuponError {
  readonly type: string;
  readonly from: number;
  readonly to: number;
  readonly position: number;

  constructor(
    { type, from, to, position }: { type: string; from: number; to: number; position: number },
    options: { cause: unknown },
  ) {
    const { cause } = options;
    const reason = cause instanceof Error ? cause.message : describeValue(cause);
    super(
      { code: 'upcast-failed', retry: 'never', fault: 'caller' },
      `${type} at position ${position}: its data cannot be brought from schema version ${from} to ${to}: ${reason}; mend the upcaster`,
      options,
    );
    this.type = type;
    this.from = from;
    this.to = to;
    this.position = position;
  }
}

/** A sealed personal value is not what was sealed at its place: it was altered, or brought there from another one. */
export class SealedDataInvalid extends ThereuponError {
  readonly place: string;

  constructor({ what, place }: { what: string; place: string }) {
    super(
      { code: 'sealed-data-invalid', retry: 'never', fault: 'environment' },
      `${what}: the sealed value at ${place === '' ? 'data' : `data.${place}`} is not what was sealed there; it was altered, or comes from another place: restore it from a backup`,
    );
    this.place = place;
  }
}

/** No definition is known for this event type, and unknown types are not accepted. */
export class UnknownEventType extends ThereuponError {
  readonly type: string;

  constructor(type: string) {
    super(
      { code: 'unknown-event-type', retry: 'never', fault: 'caller' },
      `event type ${describeValue(type)} is not defined; define it with defineEvent, or accept unknown types (unknownTypes: 'accept')`,
    );
    this.type = type;
  }
}

/** A writer's claim about a stream did not hold (G4). Nothing was written. */
export class StreamVersionConflict extends ThereuponError {
  readonly stream: string;
  readonly expected: number | 'none' | 'exists' | 'any';
  /** The version found; 0 when the stream has no events. */
  readonly actual: number;

  constructor(stream: string, expected: number | 'none' | 'exists' | 'any', actual: number) {
    super(
      { code: 'stream-version-conflict', retry: 'never', fault: 'caller' },
      `stream ${stream}: expected version ${expected}, found ${actual === 0 ? 'none' : actual}`,
    );
    this.stream = stream;
    this.expected = expected;
    this.actual = actual;
  }
}

/** The same (source, id) was published before with another content (G2). Nothing was written. */
export class EventContentConflict extends ThereuponError {
  readonly source: string;
  readonly id: string;
  readonly position: number;
  readonly differs: readonly string[];

  constructor(input: { source: string; id: string; position: number; differs: readonly string[] }) {
    super(
      { code: 'event-content-conflict', retry: 'never', fault: 'caller' },
      `event ${input.id} of source ${input.source}: already recorded at position ${input.position} with other content (${input.differs.join(', ')} differ); a new fact needs a new id`,
    );
    this.source = input.source;
    this.id = input.id;
    this.position = input.position;
    this.differs = input.differs;
  }
}

/** A writer's condition about the log did not hold (`unless`). Nothing was written. */
export class ConditionFailed extends ThereuponError {
  /** Which of the conditions, from 0. */
  readonly condition: number;
  /** Of the first event that stands against it. */
  readonly position: number;

  constructor({ claim, position }: { readonly claim: number; readonly position: number }) {
    super(
      { code: 'condition-failed', retry: 'never', fault: 'caller' },
      `condition ${claim}: expected no further event of its query, found one at position ${position}; read again, decide again`,
    );
    this.condition = claim;
    this.position = position;
  }
}

/** The data of a command does not fit its schema. Nothing was decided. */
export class CommandDataInvalid extends ThereuponError {
  readonly command: string;
  readonly issues: readonly SchemaIssue[];

  constructor(command: string, issues: readonly SchemaIssue[]) {
    super(
      { code: 'command-data-invalid', retry: 'never', fault: 'caller' },
      `data of command ${command} does not fit its schema: ${listedIssues(issues)}`,
    );
    this.command = command;
    this.issues = issues;
  }
}

/** No decider takes this command. */
export class UnknownCommand extends ThereuponError {
  readonly command: string;
  readonly known: readonly string[];

  constructor(command: string, known: readonly string[]) {
    super(
      { code: 'unknown-command', retry: 'never', fault: 'caller' },
      `command ${describeValue(command)}: no decider takes it; ${known.length === 0 ? 'this system has no deciders' : `there are ${known.join(', ')}`}`,
    );
    this.command = command;
    this.known = known;
  }
}

/** A command with this id had an outcome, and it asked for something else. */
export class CommandContentConflict extends ThereuponError {
  readonly id: string;
  readonly command: string;
  readonly first: string;

  constructor(id: string, command: string, first: string) {
    const was = first === command ? 'with other data' : `as ${first}`;
    super(
      { code: 'command-content-conflict', retry: 'never', fault: 'caller' },
      `command ${command} ${id}: this id was executed before ${was}; another command needs another id`,
    );
    this.id = id;
    this.command = command;
    this.first = first;
  }
}

/** Others were first each time the command was decided. Nothing was recorded. */
export class CommandContested extends ThereuponError {
  readonly command: string;
  readonly attempts: number;

  constructor(command: string, attempts: number, cause: unknown) {
    super(
      { code: 'command-contested', retry: 'backoff', fault: 'environment' },
      `command ${command}: what it was decided on changed each of ${attempts} times; nothing was recorded, try again`,
      { cause },
    );
    this.command = command;
    this.attempts = attempts;
  }
}

/** What a state is made of was removed from the log. */
export class HistoryIncomplete extends ThereuponError {
  readonly stream: string;
  /** The first version that is still there. */
  readonly firstVersion: number;

  /** `kept`: the version that a state was kept of when they were removed. */
  constructor(stream: string, firstVersion: number, kept?: number) {
    super(
      { code: 'history-incomplete', retry: 'never', fault: 'caller' },
      `stream ${stream}: its events below version ${firstVersion} were removed, ${
        kept === undefined
          ? 'and no snapshot holds what they made; its state cannot be told'
          : `and what is known of them is the state at version ${kept}: what was before, or may have been, cannot be told`
      }`,
    );
    this.stream = stream;
    this.firstVersion = firstVersion;
  }
}

/** The stream was deleted and takes no more events. */
export class StreamDeleted extends ThereuponError {
  readonly stream: string;

  constructor(stream: string) {
    super(
      { code: 'stream-deleted', retry: 'never', fault: 'caller' },
      `stream ${stream} is deleted and takes no more events`,
    );
    this.stream = stream;
  }
}

/** A named thing (consumer, view, event, dead letter, stream) does not exist. */
export class NotFound extends ThereuponError {
  readonly kind: string;
  readonly id: string;

  constructor(kind: string, id: string, known: readonly string[] = []) {
    const hint = known.length > 0 ? `; there are: ${known.slice(0, 20).join(', ')}` : '';
    super({ code: 'not-found', retry: 'never', fault: 'caller' }, `${kind} ${describeValue(id)} does not exist${hint}`);
    this.kind = kind;
    this.id = id;
  }
}

/** The operation does not fit the present state of the thing it names. */
export class WrongState extends ThereuponError {
  constructor(message: string) {
    super({ code: 'wrong-state', retry: 'never', fault: 'caller' }, message);
  }
}

/** Events that a query asks for were removed: what is left of them may add up to something else. */
export class HistoryShortened extends ThereuponError {
  /** Of the decider that decides across; or the row of a view that is asked for as of then. */
  readonly part: string;
  /** Those that have lost events. */
  readonly categories: readonly string[];

  /** `advice`: what to do, where it is no part of a decider; `isNarrowed`: the part names its categories already. */
  constructor(part: string, categories: readonly string[], advice?: string, isNarrowed = false) {
    const what = advice === undefined ? `part ${part}` : part;
    const narrow = isNarrowed ? '' : 'name the categories that its events are of (ofQuery({ categories: [...] })), or ';
    const advised = advice ?? `${narrow}say that what is left is enough (ofQuery({ history: 'retained' }))`;
    super(
      { code: 'history-shortened', retry: 'never', fault: 'caller' },
      `${what}: events of ${categories.slice(0, 20).join(', ')} were removed, and what is left may add up to something else; ${advised}`,
    );
    this.part = part;
    this.categories = categories;
  }
}

/** Snapshots hold what removed events made: without them the state of these streams cannot be told. */
export class SnapshotsNeeded extends ThereuponError {
  readonly decider: string;
  readonly streams: readonly string[];

  constructor(decider: string, streams: readonly string[]) {
    const named = `${streams.slice(0, 20).join(', ')}${streams.length > 20 ? ` and ${streams.length - 20} more` : ''}`;
    super(
      { code: 'snapshots-needed', retry: 'never', fault: 'caller' },
      `snapshots of decider ${decider}: they hold what removed events of ${named} made, and nothing else does; nothing was dropped; force it where these streams may be without a state`,
    );
    this.decider = decider;
    this.streams = streams;
  }
}

/** A limit of size or count was exceeded by the caller; the same request never fits. */
export class LimitExceeded extends ThereuponError {
  readonly limit: string;
  readonly maximum: number;
  readonly actual: number;

  constructor(limit: string, maximum: number, actual: number) {
    super({ code: 'limit-exceeded', retry: 'never', fault: 'caller' }, `${limit}: at most ${maximum}, found ${actual}`);
    this.limit = limit;
    this.maximum = maximum;
    this.actual = actual;
  }
}

/** A queue is full (G10). Nothing was written; the same request fits later. */
export class SystemFull extends ThereuponError {
  readonly retryAfterMs: number;

  constructor(what: string, retryAfterMs: number) {
    super(
      { code: 'system-full', retry: 'after', fault: 'environment' },
      `${what} is full; nothing was written; try again in ${retryAfterMs} ms`,
    );
    this.retryAfterMs = retryAfterMs;
  }
}

/** The store could not do its work (disk full, I/O error, lost connection). What was not acknowledged is not written. */
export class StoreUnavailable extends ThereuponError {
  readonly store: string;

  constructor(store: string, reason: string, options?: { cause?: unknown }) {
    super({ code: 'store-unavailable', retry: 'backoff', fault: 'environment' }, `store ${store}: ${reason}`, options);
    this.store = store;
  }
}

/** Another process writes to this store. */
export class StoreHeld extends ThereuponError {
  readonly store: string;
  readonly holder: string;
  /** Where the server of the holder answers, if it has one. */
  readonly url: string | undefined;

  constructor(store: string, holder: string, url?: string) {
    super(
      { code: 'store-held', retry: 'never', fault: 'environment' },
      `store ${store} is held by ${holder}; stop that process, talk to it over HTTP, or open the store read-only`,
    );
    this.store = store;
    this.holder = holder;
    this.url = url;
  }
}

/** The store refused what this package asked of it. Waiting does not mend it: it is a defect of the package, or of the machine below. */
export class StoreDefect extends ThereuponError {
  readonly store: string;

  constructor(store: string, reason: string, options?: { cause?: unknown }) {
    super({ code: 'store-defect', retry: 'never', fault: 'defect' }, `store ${store}: ${reason}`, options);
    this.store = store;
  }
}

/** A statement of SQL that a program gave is not one that the store carries out. Nothing that goes with it was written. */
export class StatementRefused extends ThereuponError {
  readonly statement: string;

  constructor(statement: string, reason: string, options?: { cause?: unknown }) {
    super(
      { code: 'statement-refused', retry: 'never', fault: 'defect' },
      `${reason}, in the statement: ${statement.trim().replaceAll(/\s+/gu, ' ')}`,
      options,
    );
    this.statement = statement;
  }
}

/** A file is not a store, is damaged, or belongs to a newer version of this package. It was not touched. */
export class StoreUnusable extends ThereuponError {
  readonly store: string;

  constructor(store: string, reason: string, options?: { cause?: unknown }) {
    super({ code: 'store-unusable', retry: 'never', fault: 'environment' }, `store ${store}: ${reason}`, options);
    this.store = store;
  }
}

/** A write was asked of a store that was opened read-only. */
export class StoreReadOnly extends ThereuponError {
  readonly store: string;

  constructor(store: string) {
    super({ code: 'store-read-only', retry: 'never', fault: 'caller' }, `store ${store} is open read-only`);
    this.store = store;
  }
}

/** The backend declares that it cannot do what a feature needs. */
export class CapabilityMissing extends ThereuponError {
  readonly capability: string;

  /** `instead`: what to do. */
  constructor(feature: string, capability: string, backend: string, instead?: string) {
    super(
      { code: 'capability-missing', retry: 'never', fault: 'caller' },
      `${feature} needs the capability ${capability}, which the backend ${backend} does not have${instead === undefined ? '' : `; ${instead}`}`,
    );
    this.capability = capability;
  }
}

/** The system is closing or closed. */
export class Closed extends ThereuponError {
  constructor(what: string) {
    super({ code: 'closed', retry: 'never', fault: 'caller' }, `${what} is closed`);
  }
}

/** An attempt did not finish within its time. */
export class AttemptTimeout extends ThereuponError {
  readonly consumer: string;
  readonly timeoutMs: number;

  constructor(consumer: string, timeoutMs: number) {
    super(
      { code: 'attempt-timeout', retry: 'backoff', fault: 'environment' },
      `consumer ${consumer}: the attempt did not finish within ${timeoutMs} ms`,
    );
    this.consumer = consumer;
    this.timeoutMs = timeoutMs;
  }
}

/**
 * Thrown by a handler to say that no retry will help: the event is parked at once.
 * Any error with `retry === 'never'` is treated the same way when the consumer does not decide otherwise.
 */
export class TerminalError extends ThereuponError {
  constructor(message: string, options?: { cause?: unknown }) {
    super({ code: 'terminal', retry: 'never', fault: 'caller' }, message, options);
  }
}

/** A chain of reactions became too deep or too fast (G12). */
export class LoopStopped extends ThereuponError {
  readonly reaction: string;
  readonly limit: string;

  constructor(reaction: string, limit: string, reason: string) {
    super({ code: 'loop-stopped', retry: 'never', fault: 'caller' }, `${reaction}: ${reason}`);
    this.reaction = reaction;
    this.limit = limit;
  }
}

/** A claim on a delivery lapsed or was taken by another; nothing was changed by the late call. */
export class ClaimLost extends ThereuponError {
  constructor(consumer: string, position: number) {
    super(
      { code: 'claim-lost', retry: 'never', fault: 'caller' },
      `consumer ${consumer}: the claim on the event at position ${position} has lapsed or was taken by another`,
    );
  }
}
