import { InvalidDefinition } from '../errors.ts';
import { describeValue, isPromised } from '../system/values.ts';
import { retractedEvent, retractionOf } from '../event/derived-definitions.ts';
import type { EventDefinition } from '../event/define-event.ts';
import type { RecordedEvent } from '../event/event.ts';

/** What a projection does at each event definition, and what it does when an event of it is taken back. */
export type Steps<Step> = readonly (readonly [EventDefinition, Step, Step?])[];

/** What a projection does at the events that it follows from, those that take others back included. */
export interface ProjectionSteps<Step> {
  /** By type. Of an event that takes another one back the step is given that other one. */
  readonly of: ReadonlyMap<string, Step>;
  /** Types of events that take others back. */
  readonly retracts: ReadonlySet<string>;
  /** Types of events that may be taken back. */
  readonly takesBack: ReadonlySet<string>;
  /** Of all events, in the order of the program. */
  readonly definitions: readonly EventDefinition[];
  /** The event that a step is given. */
  subject(event: RecordedEvent): RecordedEvent;
}

/** Errors: InvalidDefinition. */
export function projectionSteps<Step>(name: string, on: Steps<Step>): ProjectionSteps<Step> {
  if (on.length === 0) throw new InvalidDefinition(name, 'on is empty; a projection follows from events');
  const of = new Map<string, Step>(on.map(([definition, step]) => [definition.type, step]));
  if (of.size < on.length) throw new InvalidDefinition(name, 'on names an event type twice');
  const taken = on.flatMap(([definition, , takeBack]) => (takeBack === undefined ? [] : [{ definition, takeBack }]));
  const retractions = taken.map(({ definition }) => retractionOf(definition));
  for (const [index, { takeBack }] of taken.entries()) of.set(retractions[index]?.type ?? '', takeBack);
  const retracts = new Set<string>(retractions.map(({ type }) => type));
  return {
    of,
    retracts,
    takesBack: new Set(taken.map(({ definition }) => definition.type)),
    definitions: [...on.map(([definition]) => definition), ...retractions],
    subject: (event) => (retracts.has(event.type) ? retractedEvent(event) : event),
  };
}

/** Errors: InvalidDefinition for a promise, whose failure is nobody's then. */
export function assertAtOnce(name: string, type: string, row: unknown): void {
  if (!isPromised(row)) return;
  throw new InvalidDefinition(
    name,
    `its function for ${type} gave a promise; a row follows from its events at once (no async function), and what takes time is for an automation`,
  );
}

/** A version as a definition declares it. Errors: InvalidDefinition. */
export function versionOf(name: string, version: unknown = 1): number {
  if (typeof version === 'number' && Number.isSafeInteger(version) && version >= 1) return version;
  throw new InvalidDefinition(name, `version must be a whole number from 1, found ${describeValue(version)}`);
}

/** Errors: InvalidDefinition. */
export function onBuildFailureOf(name: string, given: unknown = 'park'): 'park' | 'fail' {
  if (given === 'park' || given === 'fail') return given;
  throw new InvalidDefinition(name, `onBuildFailure must be 'park' or 'fail', found ${describeValue(given)}`);
}
