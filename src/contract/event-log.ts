import type { ContractSuite } from './contract-case.ts';
import { appendCases } from './event-log/append.ts';
import { commandCases } from './event-log/commands.ts';
import { concurrencyCases } from './event-log/concurrency.ts';
import { conditionCases } from './event-log/conditions.ts';
import { contentCases } from './event-log/content.ts';
import { duplicateCases } from './event-log/duplicates.ts';
import { readingCases } from './event-log/reading.ts';
import { reopeningCases } from './event-log/reopening.ts';
import { retentionCases } from './event-log/retention.ts';
import { watchingCases } from './event-log/watching.ts';

/**
 * What every event log must do.
 *
 * Not offered on purpose: links (ES17): an event belongs to one stream; what several streams share is found by correlation.
 * Above this port: the category of a read and members of a consumer group (ES31, ES32): they are filters over this order.
 */
export const eventLogSuite: ContractSuite = (bench) => [
  ...appendCases(bench),
  ...duplicateCases(bench),
  ...conditionCases(bench),
  ...commandCases(bench),
  ...contentCases(bench),
  ...readingCases(bench),
  ...watchingCases(bench),
  ...concurrencyCases(bench),
  ...retentionCases(bench),
  ...reopeningCases(bench),
];
