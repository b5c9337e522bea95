import type { EventLog } from '../channel/event-log.ts';
import { reasonsAgainst } from '../channel/selection-reasons.ts';
import type { CheckpointStore } from '../consumer/checkpoint-store.ts';
import type { Cluster } from '../consumer/cluster.ts';
import { letterId } from '../consumer/dead-letters.ts';
import type { Delivery, DeliveryStore } from '../consumer/delivery-store.ts';
import type { ConsumerStatus } from '../consumer/status.ts';
import type { Reaction } from '../consumer/reaction.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { Position } from '../event/position.ts';
import { isoTime } from '../system/clock.ts';
import { takenIn } from './taken-in.ts';

/** What became of an event at a consumer. */
export type Verdict =
  | 'filtered'
  | 'before-its-beginning'
  | 'handled'
  | 'parked'
  | 'waiting'
  | 'retrying'
  | 'paused'
  | 'stopped'
  | 'stalled'
  | 'building'
  | 'build-failed'
  | 'build-cancelled'
  | 'not-reached';

export interface WhyNot {
  readonly consumer: string;
  readonly verdict: Verdict;
  /** In words, each by itself true. */
  readonly reasons: readonly string[];
  /** The event that the key of this one waits behind. */
  readonly behind: { readonly position: Position; readonly source: string; readonly id: string } | undefined;
  /** The dead letter that has to be released first. */
  readonly deadLetter: string | undefined;
  /** What it published because of the event. */
  readonly published: readonly RecordedEvent[];
}

export interface WhyNotParts {
  readonly log: EventLog;
  readonly deliveries: DeliveryStore;
  readonly checkpoints: CheckpointStore;
  readonly cluster: Cluster | undefined;
  readonly status: (name: string) => Promise<ConsumerStatus>;
  /** What a reaction published because of an event. */
  readonly publishedBecause: (
    reaction: string,
    event: RecordedEvent,
  ) => Promise<{ readonly published: readonly RecordedEvent[]; readonly isWhole: boolean }>;
}

/** What kept a consumer from acting on an event, or that it did act. */
export async function whyNot(parts: WhyNotParts, reaction: Reaction, event: RecordedEvent): Promise<WhyNot> {
  const { name } = reaction;
  const says = (verdict: Verdict, reasons: readonly string[], others: Partial<WhyNot> = {}): WhyNot => ({
    consumer: name,
    verdict,
    reasons,
    behind: undefined,
    deadLetter: undefined,
    published: [],
    ...others,
  });
  const against = reasonsAgainst(reaction.selection, event);
  if (against.length > 0) return says('filtered', against);
  const delivery = await parts.deliveries.get(name, event.position);
  if (delivery !== undefined) return setAside(parts, delivery, says);
  const status = await parts.status(name);
  const taken = await takenIn(parts, reaction, status);
  const { began } = taken;
  if (event.position <= began)
    return says('before-its-beginning', [
      `${name} begins after position ${began}, and the event is at position ${event.position}; a replay from the beginning takes it in`,
    ]);
  if (taken.isMissed(event))
    return says('before-its-beginning', [
      `${name} did not take events of type ${event.type} when it came by position ${event.position}; a replay from the beginning takes it in`,
    ]);
  if (!taken.isPassed(event)) return says(...unreached(status, event));
  const { published, isWhole } = await parts.publishedBecause(name, event);
  const further = isWhole ? '' : ', as far as its long conversation was looked at';
  const passed = `${name} has passed position ${event.position}: it has handled the event, unless an operator gave it up, or its time ran out`;
  const reason =
    published.length > 0
      ? `${name} has handled the event, and published ${published.length} because of it${further}`
      : reaction.time === undefined
        ? `${passed}, and published nothing because of it${further}`
        : `${passed}; what it tells of several events together, or when time has passed, need not name this one as its cause${further}`;
  return says('handled', [reason], { published });
}

function unreached(
  { name, state, reason, position, lag, inFlight, buffered }: ConsumerStatus,
  event: RecordedEvent,
): readonly [Verdict, readonly string[]] {
  const place = `${name} has got to position ${position}, and the event is at position ${event.position} (${lag.events} behind, ${Math.round(lag.seconds)} s)`;
  const busy =
    inFlight + buffered === 0
      ? []
      : [
          `${inFlight} events are being handled at this moment, and ${buffered} are read and wait for their turn; it may be one of them`,
        ];
  if (state === 'running') return ['not-reached', [place, ...busy]];
  return [state, [`${name} is ${state}${reason === undefined ? '' : `: ${reason}`}`, place]];
}

async function setAside(
  { log, deliveries }: WhyNotParts,
  delivery: Delivery,
  says: (verdict: Verdict, reasons: readonly string[], others?: Partial<WhyNot>) => WhyNot,
): Promise<WhyNot> {
  const { consumer, key, state, attempts, error, dueMs, position } = delivery;
  const failed = error === undefined ? '' : `: ${error.name}: ${error.message}`;
  if (state === 'parked')
    return says(
      'parked',
      [`attempt ${attempts} failed${failed}; the event is a dead letter until it is retried or discarded`],
      {
        deadLetter: letterId(delivery),
      },
    );
  if (state === 'retrying')
    return says('retrying', [
      `attempt ${attempts} failed${failed}; the next one comes ${dueMs === undefined ? 'soon' : `at ${isoTime(dueMs)}`}`,
    ]);
  const [first] = await deliveries.list({ consumer, key, limit: 1 });
  if (first === undefined || first.position === position)
    return says('waiting', [dueMs === undefined ? `key ${key} waits` : `it is to be handled at ${isoTime(dueMs)}`]);
  const [event] = await log.read({ after: (first.position - 1) as Position, limit: 1 });
  const isThere = event?.position === first.position;
  return says(
    'waiting',
    [
      `key ${key} waits behind the event at position ${first.position}, which is ${first.state}${first.error === undefined ? '' : `: ${first.error.name}: ${first.error.message}`}`,
    ],
    {
      behind: isThere ? { position: first.position, source: event.source, id: event.id } : undefined,
      deadLetter: first.state === 'parked' ? letterId(first) : undefined,
    },
  );
}
