import { InvalidEvent } from '../errors.ts';
import type { Environment } from '../system/environment.ts';
import { completeEvent } from './create-event.ts';
import type { Cause } from './create-event.ts';
import type { EncodedEvent } from './event.ts';
import type { JsonValue } from './json.ts';
import { SYSTEM_CATEGORY, categoryOf } from './stream-name.ts';

/** What the system reports of itself (G11). Each is written to a stream of the category `thereupon`. */
export const SYSTEM_EVENTS = {
  attemptFailed: 'thereupon.attempt.failed',
  deliveryParked: 'thereupon.delivery.parked',
  deliveryReleased: 'thereupon.delivery.released',
  deliveryDiscarded: 'thereupon.delivery.discarded',
  deliveryExpired: 'thereupon.delivery.expired',
  eventQuarantined: 'thereupon.event.quarantined',
  dataMismatched: 'thereupon.data.mismatched',
  loopStopped: 'thereupon.loop.stopped',
  consumerPaused: 'thereupon.consumer.paused',
  consumerResumed: 'thereupon.consumer.resumed',
  consumerReplayed: 'thereupon.consumer.replayed',
  consumerRemoved: 'thereupon.consumer.removed',
  consumerStalled: 'thereupon.consumer.stalled',
  buildBegun: 'thereupon.build.begun',
  buildFailed: 'thereupon.build.failed',
  buildResumed: 'thereupon.build.resumed',
  buildCancelled: 'thereupon.build.cancelled',
  buildCompared: 'thereupon.build.compared',
  buildSwitched: 'thereupon.build.switched',
  outboxRefused: 'thereupon.outbox.refused',
  retentionApplied: 'thereupon.retention.applied',
  historyShortened: 'thereupon.history.shortened',
  chainBegan: 'thereupon.chain.began',
  subjectForgotten: 'thereupon.subject.forgotten',
  timePassed: 'thereupon.time.passed',
  timeTold: 'thereupon.time.told',
  eventLate: 'thereupon.event.late',
  holdOverflowed: 'thereupon.hold.overflowed',
  patternOverflowed: 'thereupon.pattern.overflowed',
  sequenceGap: 'thereupon.sequence.gap',
  sequenceFilled: 'thereupon.sequence.filled',
  sequenceLost: 'thereupon.sequence.lost',
  sequenceUnasked: 'thereupon.sequence.unasked',
  sequenceDuplicate: 'thereupon.sequence.duplicate',
  sequenceSteppedBack: 'thereupon.sequence.stepped-back',
  sequenceReset: 'thereupon.sequence.reset',
} as const;

export type SystemEventType = (typeof SYSTEM_EVENTS)[keyof typeof SYSTEM_EVENTS];

/** The `source` of system events. */
export const SYSTEM_SOURCE = 'urn:thereupon:system';

export function isSystemEventType(type: string): boolean {
  return type.startsWith('thereupon.');
}

/**
 * Nobody speaks for the system but itself: its reports would be worth nothing.
 *
 * Errors    InvalidEvent names the attribute.
 */
export function assertNotReserved(event: Pick<EncodedEvent, 'type' | 'source' | 'stream'>): void {
  if (isSystemEventType(event.type))
    throw new InvalidEvent({
      attribute: 'type',
      expected: 'a type outside thereupon.*, which is the system’s own',
      found: event.type,
    });
  if (event.source === SYSTEM_SOURCE)
    throw new InvalidEvent({
      attribute: 'source',
      expected: 'a source other than the system’s own',
      found: event.source,
    });
  if (categoryOf(event.stream) === SYSTEM_CATEGORY) {
    throw new InvalidEvent({
      attribute: 'stream',
      expected: `a stream outside the category ${SYSTEM_CATEGORY}, which is the system’s own`,
      found: event.stream,
    });
  }
}

/** The stream of what the system reports about a thing. */
export function systemStream(about: string): string {
  return `${SYSTEM_CATEGORY}-${about}`;
}

/** A report of the system about the thing `about` (a consumer's name, a category), in its stream `thereupon-<about>`. */
export function systemEvent(
  environment: Environment,
  report: { type: SystemEventType; about: string; data: JsonValue; cause: Cause | undefined; id?: string },
): EncodedEvent {
  return completeEvent(
    {
      id: report.id,
      source: SYSTEM_SOURCE,
      type: report.type,
      schemaVersion: 0,
      stream: systemStream(report.about),
      encoding: 'json',
      data: JSON.stringify(report.data),
      cause: report.cause,
    },
    environment,
  );
}
