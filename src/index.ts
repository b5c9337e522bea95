export { defineAutomation } from './automation/define-automation.ts';
export { defineConfig } from './config.ts';
export { asyncApiOf } from './describe/async-api.ts';
export { eventsOfAsyncApi } from './describe/async-api-import.ts';
export { eventSource } from './describe/event-source.ts';
export { catalogSchemas } from './describe/catalog-schemas.ts';
export { catalogTypes } from './describe/catalog-types.ts';
export { defineConsumer } from './consumer/define-consumer.ts';
export { defineEvent } from './event/define-event.ts';
export { defineProjection } from './projection/define-projection.ts';
export { defineTableProjection } from './projection/define-table-projection.ts';
export { sql } from './projection/sql.ts';
export { fact, refuse } from './decider/decision.ts';
export { defineCommand } from './decider/define-command.ts';
export { defineDecider } from './decider/define-decider.ts';
export { ofQuery, ofStream } from './decider/parts.ts';
export { defineMonitor, defineSilence } from './operator/define-monitor.ts';
export { definePattern } from './operator/define-pattern.ts';
export { definePatterns } from './operator/define-patterns.ts';
export { defineSequence } from './operator/define-sequence.ts';
export { and, every, not, one, or } from './operator/pattern.ts';
export { defineWindow } from './operator/define-window.ts';
export { checkRecorded } from './deploy-gate/recorded-check.ts';
export type { RecordedCheck, RecordedFinding } from './deploy-gate/recorded-check.ts';
export { lateOf, retractionOf } from './event/derived-definitions.ts';
export { asSealed, asStored, asVersion } from './event/upcast-event.ts';
export { byCount, hopping, session, tumbling } from './time/windowing.ts';
export { fillStore, readImage } from './image/move.ts';
export { verifyStore } from './verify-store.ts';
export { signHead } from './integrity/signed-head.ts';
export type { SignedHead } from './integrity/signed-head.ts';
export type { Integrity, VerifyOptions } from './integrity/integrity.ts';
export type {
  ChainHead,
  Finding,
  FindingKind,
  FoundEvent,
  Verification,
  VerifyProgress,
} from './integrity/verification.ts';
export { open, pendingMigrations, runningNodes, System } from './open.ts';
export { START } from './event/position.ts';
export { compilePattern } from './channel/filter/compile.ts';
export { ACTOR_TYPES, actorAttributes, assertActor } from './event/actor.ts';
export { circumstanceAttributes } from './event/circumstances.ts';
export { FilterIndex } from './channel/filter/filter-index.ts';
export { matches } from './channel/filter/matches.ts';
export {
  decodeHttp,
  encodeHttpBatch,
  encodeHttpBinary,
  encodeHttpStructured,
  UnsupportedContent,
} from './event/cloudevents-http.ts';
export { decodeHeaderValue, encodeHeaderValue } from './event/cloudevents-headers.ts';
export { decodeJsonBatch, decodeJsonEvent, encodeJsonBatch, encodeJsonEvent } from './event/cloudevents-json.ts';
export { jsonSchema } from './schema/from-json-schema.ts';
export { BatchRefused } from './producer/ingest.ts';
export { COMPATIBILITY_MODES, compareSchemas, incompatibilities } from './schema/compatibility/compare.ts';
export { compareHistories } from './schema/compatibility/histories.ts';
export type { Comparison, EventHistory, KnownSchema } from './schema/compatibility/histories.ts';
export type { CompatibilityAtStart } from './schema/compatibility/at-start.ts';
export { checkDesign } from './schema/design/lint.ts';
export { keepAlive } from './system/keep-alive.ts';
export { createLogger, silentLogger } from './system/logger.ts';
export { durationMs } from './system/duration.ts';
export { InvalidPattern } from './channel/filter/invalid-pattern.ts';
export {
  AttemptTimeout,
  CapabilityMissing,
  ClaimLost,
  Closed,
  CommandContentConflict,
  CommandContested,
  CommandDataInvalid,
  DecisionInvalid,
  ConditionFailed,
  EventContentConflict,
  EventDataInvalid,
  HistoryIncomplete,
  HistoryShortened,
  InvalidDefinition,
  InvalidEvent,
  InvalidInput,
  LimitExceeded,
  LoopStopped,
  NotFound,
  SealedDataInvalid,
  StoreDefect,
  SnapshotsNeeded,
  StoreHeld,
  StoreReadOnly,
  StoreUnavailable,
  StatementRefused,
  StoreUnusable,
  StreamDeleted,
  StreamVersionConflict,
  SystemFull,
  TerminalError,
  ThereuponError,
  UnknownCommand,
  UnknownEventType,
  UpcastFailed,
  WrongState,
} from './errors.ts';

export type { AutomationDefinition, AutomationOptions, RunContext, Trigger } from './automation/define-automation.ts';
export type { InTimeOptions } from './automation/holding-automation.ts';
export type { MatchContext, MatchContexts } from './automation/pattern-automation.ts';
export type { Catalog, CatalogEvent, CatalogReaction } from './catalog.ts';
export type { Condition, Query } from './channel/condition.ts';
export type { ExpectedVersion, StreamState } from './channel/event-log.ts';
export type { Pattern, PatternFor } from './channel/filter/pattern.ts';
export type { RetentionOutcome, RetentionRule } from './channel/retention.ts';
export type { Selection } from './channel/selection.ts';
export type { Config, FeedContext, NamedKey, ServerOptions } from './config.ts';
export type { AsyncApiFacts } from './describe/async-api.ts';
export type { ImportedEvent } from './describe/async-api-import.ts';
export type { BuildOptions, BuildState, BuildStatus } from './consumer/build.ts';
export type { BuildFailure } from './consumer/checkpoint-store.ts';
export type { Claim, ReceiveOptions } from './consumer/claims.ts';
export type { RowDifference, RowsCompared } from './consumer/compare-rows.ts';
export type { ConsumerState, ConsumerStatus, HeldKey, TimeStatus } from './consumer/status.ts';
export type { HandlerContext, HandlerPublishOptions, KeyState } from './consumer/context.ts';
export type { DeadLetter, DeadLetterPage, DeadLetterQuery } from './consumer/dead-letters.ts';
export type { ConsumerDefinition, ConsumerOptions } from './consumer/define-consumer.ts';
export type { ConsumerStart } from './consumer/reaction.ts';
export type { RetryOptions } from './consumer/retry-policy.ts';
export type { IndexCondition, IndexValue } from './consumer/row-store.ts';
export type { CommandAccepted, CommandOutcome, CommandRefused, DecidedFact } from './decider/command-outcome.ts';
export type { Command, Decision, Refusal } from './decider/decision.ts';
export type { ExecuteOptions, StateAt } from './decider/deciders.ts';
export type { CommandDataOf, CommandDefinition, CommandInputOf, CommandOptions } from './decider/define-command.ts';
export type { AcrossOptions, DeciderDefinition, DeciderOptions, SnapshotOptions } from './decider/define-decider.ts';
export type { PartDefinition, QueryOptions } from './decider/parts.ts';
export type { JsonDifference } from './event/json-difference.ts';
export type { Fault, Retry, SchemaIssue } from './errors.ts';
export type { HttpEvents, HttpMessage } from './event/cloudevents-http.ts';
export type { IncomingEvent, Payload } from './event/cloudevents-incoming.ts';
export type {
  DataOf,
  EventDefinition,
  EventOf,
  EventOptions,
  InputOf,
  InvalidDataPolicy,
} from './event/define-event.ts';
export type { Upcaster, Upcasters, Upcasting } from './event/upcasters.ts';
export type { Actor } from './event/actor.ts';
export type { Caller, Circumstances } from './event/circumstances.ts';
export type { AttributeValue, RecordedEvent, StoredEvent } from './event/event.ts';
export type { JsonValue } from './event/json.ts';
export type { Position } from './event/position.ts';
export type { AnySystem } from './open.ts';
export type { PersonalFields, PersonalOptions, PersonalState } from './event/personal-fields.ts';
export type { SystemOptions } from './system-options.ts';
export type { IngestProblem } from './producer/ingest.ts';
export type { Outgoing, Publication, Published } from './producer/publisher.ts';
export type { TransactionQueries } from './producer/outbox.ts';
export type { EventTimeOptions } from './operator/event-time-options.ts';
export type {
  Level,
  MeasureOptions,
  MonitorAlarm,
  MonitorDefinition,
  MonitorOptions,
  SilenceAlarm,
  SilenceOptions,
} from './operator/define-monitor.ts';
export type { PersonalReadings } from './operator/personal-operator.ts';
export type {
  EventIn,
  MatchOf,
  PatternDefinition,
  PatternKeyOptions,
  PatternOptions,
  PatternRule,
} from './operator/define-pattern.ts';
export type { NumberedOptions, SequenceDefinition } from './operator/define-sequence.ts';
export type { MatchesOf, PatternRules, PatternsDefinition, PatternsOptions } from './operator/define-patterns.ts';
export type {
  Absence,
  Every,
  MatchedSoFar,
  Part,
  PartCondition,
  PatternStep,
  Side,
  Sides,
} from './operator/pattern.ts';
export type { SequenceGap, SequenceOptions } from './operator/in-sequence.ts';
export type { HoldOptions } from './operator/in-order.ts';
export type { LateWay } from './operator/late-events.ts';
export type { LatePolicy, WindowAggregate, WindowDefinition, WindowOptions } from './operator/define-window.ts';
export type { WindowOf } from './operator/window-operator.ts';
export type { Causes, CommandCauses, Effects, RowCauses, Run } from './explain/explanations.ts';
export type { CauseLink, CommandLink, EffectLink, EventLink, RowLink, UnknownLink } from './explain/links.ts';
export type { Verdict, WhyNot } from './explain/why-not.ts';
export type { AsOf } from './time/as-of.ts';
export type { Windowing } from './time/windowing.ts';
export type { Evolutions, ProjectionDefinition, ProjectionOptions } from './projection/define-projection.ts';
export type {
  TableOptions,
  TableProjectionDefinition,
  TableProjectionOptions,
  TablesOf,
  TableStep,
  TableSteps,
} from './projection/define-table-projection.ts';
export type { Sql, SqlPart, SqlTable } from './projection/sql.ts';
export type { SqlCell, SqlParameter } from './consumer/table-store.ts';
export type { Rebuild, RebuildOptions, ViewPage, ViewQuery, ViewRow } from './projection/views.ts';
export type { EventPage, ReadEventsOptions, SubscribeOptions } from './reader.ts';
export type { ReplayFrom } from './consumer/replay.ts';
export type {
  CompatibilityDirection,
  CompatibilityFinding,
  CompatibilityMode,
  SchemaVersion,
  UndeclaredProperties,
  VersionFinding,
} from './schema/compatibility/compare.ts';
export type { CompatibilityRule } from './schema/compatibility/rules.ts';
export type {
  DesignedEvent,
  DesignFinding,
  DesignOptions,
  DesignRuleCode,
  DesignSeverities,
  DesignSeverity,
} from './schema/design/lint.ts';
export type { ClockOptions } from './schema/clock-trust.ts';
export type { JsonSchema, JsonSchemaDocument, JsonSchemaOptions } from './schema/from-json-schema.ts';
export type { PublishOptions } from './schema/encode.ts';
export type { UnknownTypePolicy } from './schema/registry.ts';
export type { ImageCounts, ImageRecord, StoreImage } from './image/store-image.ts';
export type {
  Capabilities,
  PendingMigrations,
  Store,
  StoreFactory,
  StoreHolder,
  StoreNode,
  StoreReport,
} from './store.ts';
export type { Clock } from './system/clock.ts';
export type { Duration } from './system/duration.ts';
export type { Environment } from './system/environment.ts';
export type { Logger } from './system/logger.ts';
