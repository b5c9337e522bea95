import { DatabaseSync } from 'node:sqlite';
import { assertRetentionRules } from './channel/retention.ts';
import type { RetentionRule } from './channel/retention.ts';
import type { AutomationDefinition } from './automation/define-automation.ts';
import type { ConsumerDefinition } from './consumer/define-consumer.ts';
import type { DeciderDefinition } from './decider/define-decider.ts';
import { InvalidDefinition, InvalidInput } from './errors.ts';
import { describeValue } from './system/values.ts';
import { isUriReference } from './event/cloudevents-uri.ts';
import type { EventDefinition } from './event/define-event.ts';
import type { MonitorDefinition } from './operator/define-monitor.ts';
import type { WindowDefinition } from './operator/define-window.ts';
import type { ProjectionDefinition } from './projection/define-projection.ts';
import type { CompatibilityAtStart } from './schema/compatibility/at-start.ts';
import { assertMode } from './schema/compatibility/compare.ts';
import type { CompatibilityMode } from './schema/compatibility/compare.ts';
import { assertDesignOptions } from './schema/design/lint.ts';
import type { DesignOptions } from './schema/design/lint.ts';
import type { ClockOptions } from './schema/clock-trust.ts';
import type { EventLimits } from './schema/event-limits.ts';
import type { UnknownTypePolicy } from './schema/registry.ts';
import type { StoreFactory } from './store.ts';
import { durationMs } from './system/duration.ts';
import type { Duration } from './system/duration.ts';
import type { Environment } from './system/environment.ts';

export interface SystemOptions<Events extends EventDefinition = EventDefinition> {
  /** A store, `'memory:'`, or the path of an SQLite file. */
  readonly store: StoreFactory | string;
  /** The facts that the program itself publishes. Those that reactions name are known without being listed. */
  readonly events?: readonly Events[];
  readonly deciders?: readonly DeciderDefinition[];
  readonly consumers?: readonly ConsumerDefinition[];
  readonly projections?: readonly ProjectionDefinition[];
  readonly windows?: readonly WindowDefinition[];
  readonly monitors?: readonly MonitorDefinition[];
  readonly automations?: readonly AutomationDefinition[];
  /** The `source` of events that the program publishes, a URI-reference. Default `'/thereupon'`. */
  readonly source?: string;
  /** Events of types that nobody defined: default `'reject'`. */
  readonly unknownTypes?: UnknownTypePolicy;
  readonly retention?: readonly RetentionRule[];
  /**
   * Keeps a hash chain over the log, which shows what was altered, removed or inserted behind its back; docs/guides/integrity.md. Once begun it is
   * kept by whoever writes to the store, whatever this says. Default false.
   */
  readonly tamperEvidence?: boolean;
  /** What is demanded of a new version of an event's schema by `thereupon check`, default `'backward'`; docs/guides/schemas.md. */
  readonly compatibility?: CompatibilityMode;
  /**
   * What becomes of a program that is opened for writing and whose schemas are not as `compatibility` demands of it: default `'warn'`, in the log. Nothing
   * is compared where neither is given.
   */
  readonly compatibilityAtStart?: CompatibilityAtStart;
  /** Which rules of design `thereupon check --design` goes by. Default: all, as errors, and `generic-change` as a warning. */
  readonly design?: DesignOptions;
  /** How far clocks may be ahead: events from further in the future are quarantined, as what does not fit its schema. Default: all are taken. */
  readonly clocks?: ClockOptions;
  /**
   * Databases of the program's own, by the connections on which its transactions publish (`publishWithin`); docs/guides/transactions.md.
   *
   * Shape     open, writable, in no transaction, in memory or in files of their own: not in the file of the store. They stay the program's:
   *           the system makes the table `thereupon_outbox` there, and never closes them.
   */
  readonly outboxes?: readonly DatabaseSync[];
  /**
   * Events in one publish or in what one handling publishes, default 10,000; bytes of one event's data or of what a refusal says, default 1 MiB;
   * commands that wait for others, default 20,000.
   */
  readonly limits?: Partial<EventLimits>;
  /** Whether the reactions run in this process. Default true; a read-only store never runs them. */
  readonly consume?: boolean;
  /** How long `close` waits for attempts under way. Default `'10s'`. */
  readonly closeGrace?: Duration;
  /** Clock, chance, ids and log, where they are not to be those of the machine. */
  readonly environment?: Partial<Environment>;
}

export function isStoreFactory(value: unknown): value is StoreFactory {
  return typeof (value as Partial<StoreFactory> | null | undefined)?.open === 'function';
}

/** With those of `Config`, which hands all of itself on. */
const OPTIONS = new Set(
  'store events deciders consumers projections windows monitors automations source unknownTypes retention tamperEvidence compatibility compatibilityAtStart design clocks outboxes limits consume closeGrace environment server feed'.split(
    ' ',
  ),
);

export function assertOptions(options: SystemOptions): void {
  for (const name of Object.keys(options)) {
    if (OPTIONS.has(name)) continue;
    const expected =
      name === 'readOnly'
        ? "no such option; say it to the store: sqlite('app.db', { readOnly: true })"
        : `one of ${[...OPTIONS].join(', ')}`;
    throw new InvalidInput({ path: `options.${name}`, expected, found: name });
  }
  assertRetentionRules(options.retention ?? []);
  if (options.tamperEvidence !== undefined && typeof options.tamperEvidence !== 'boolean')
    throw new InvalidInput({ path: 'tamperEvidence', expected: 'true or false', found: options.tamperEvidence });
  if (options.compatibility !== undefined) assertMode(options.compatibility, 'compatibility');
  if (options.design !== undefined) assertDesignOptions(options.design, 'design');
  if (options.closeGrace !== undefined) durationMs(options.closeGrace, 'closeGrace');
  const { compatibilityAtStart: atStart, source, store, unknownTypes } = options;
  if (atStart !== undefined && !['refuse', 'warn', 'off'].includes(atStart))
    throw new InvalidInput({ path: 'compatibilityAtStart', expected: "'refuse', 'warn' or 'off'", found: atStart });
  if (!(typeof store === 'string' && store !== '') && !isStoreFactory(store))
    throw new InvalidInput({
      path: 'store',
      expected: "a store such as sqlite('app.db'), 'memory:', or the path of an SQLite file",
      found: store,
    });
  if (unknownTypes !== undefined && unknownTypes !== 'reject' && unknownTypes !== 'accept')
    throw new InvalidInput({ path: 'unknownTypes', expected: "'reject' or 'accept'", found: unknownTypes });
  if (source !== undefined && (source === '' || !isUriReference(source)))
    throw new InvalidInput({ path: 'source', expected: 'a URI-reference', found: source });
  assertDatabases(options.outboxes ?? []);
  assertLists(options);
  for (const kind of LISTS) {
    for (const [index, definition] of (options[kind] ?? []).entries()) {
      const expected = kind.slice(0, -1);
      const define =
        kind === 'monitors'
          ? 'defineMonitor, defineSilence or defineSequence'
          : `define${expected.charAt(0).toUpperCase()}${expected.slice(1)}`;
      const found = (definition as { kind?: unknown } | undefined)?.kind;
      if (found !== expected)
        throw new InvalidDefinition(
          `${kind}[${index}]`,
          `expected what ${define} gives, found ${describeValue(definition)}`,
        );
    }
  }
  assertWatched(options);
}

/** What is noticed of a count is recorded, and asked about, by who watches it. */
function assertWatched({ automations = [], monitors = [] }: SystemOptions): void {
  for (const { name, sequence } of automations)
    if (sequence !== undefined && !monitors.includes(sequence))
      throw new InvalidDefinition(
        `automation ${name}`,
        `nobody watches its sequence ${sequence.name}; add that to monitors, too`,
      );
}

function assertDatabases(databases: readonly DatabaseSync[]): void {
  if (!Array.isArray(databases))
    throw new InvalidInput({ path: 'outboxes', expected: 'a list of databases', found: databases });
  for (const [index, database] of (databases as readonly DatabaseSync[]).entries()) {
    const path = `outboxes[${index}]`;
    if (!(database instanceof DatabaseSync))
      throw new InvalidInput({ path, expected: 'a DatabaseSync of node:sqlite', found: database });
    if (!database.isOpen) throw new InvalidInput({ path, expected: 'an open database', found: 'a closed one' });
    if (database.isTransaction)
      throw new InvalidInput({ path, expected: 'a database in no transaction', found: 'an open transaction' });
    if (databases.indexOf(database) !== index)
      throw new InvalidInput({
        path,
        expected: 'each database once',
        found: `outboxes[${databases.indexOf(database)}]`,
      });
  }
}

const LISTS = ['events', 'deciders', 'consumers', 'projections', 'windows', 'monitors', 'automations'] as const;

/** Errors: InvalidInput names what of a program is no list. */
export function assertLists(program: Partial<Record<(typeof LISTS)[number], unknown>>): void {
  for (const kind of LISTS) {
    const given = program[kind];
    if (given !== undefined && !Array.isArray(given))
      throw new InvalidInput({ path: kind, expected: 'a list of definitions', found: given });
  }
}
