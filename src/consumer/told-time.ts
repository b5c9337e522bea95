import { compileSelection, eitherOf } from '../channel/selection.ts';
import type { CompiledSelection } from '../channel/selection.ts';
import type { EncodedEvent, RecordedEvent } from '../event/event.ts';
import { SYSTEM_EVENTS, systemEvent, systemStream } from '../event/system-events.ts';
import { timestampMs } from '../event/timestamp.ts';
import { isoTime } from '../system/clock.ts';
import type { Environment } from '../system/environment.ts';
import { LANES } from './lanes.ts';
import type { Reaction } from './reaction.ts';

/** Somebody whose results a consumer reads: they come key by key, so that only it can say how far they are there. */
export interface Upstream {
  readonly consumer: string;
  /** Of its results. */
  readonly types: readonly string[];
}

/**
 * Reactions that go by time, where they read results of others who do: these tell how far their results are there (`thereupon.time.told`),
 * and those go by that.
 *
 * Guarantee Where two read each other's results, or one its own, these tell of time like any event: nobody waits for himself.
 */
export function withUpstreams(reactions: readonly Reaction[]): readonly Reaction[] {
  const upstreams = new Map<string, readonly Upstream[]>();
  for (const { name, consumes = [], time } of reactions) {
    if (time?.bySource !== true) continue;
    const read = reactions.flatMap((other): Upstream[] => {
      const types = other.time?.results?.filter((type) => consumes.includes(type)) ?? [];
      return types.length === 0 || leadsTo(other.name, name, upstreams) ? [] : [{ consumer: other.name, types }];
    });
    if (read.length > 0) upstreams.set(name, read);
  }
  const telling = new Set([...upstreams.values()].flatMap((read) => read.map(({ consumer }) => consumer)));
  return reactions.map((reaction) => {
    const { name, selection, time } = reaction;
    const read = upstreams.get(name) ?? [];
    if (time === undefined || (read.length === 0 && !telling.has(name))) return reaction;
    return {
      ...reaction,
      selection: read.length === 0 ? selection : eitherOf(selection, toldBy(read)),
      time: { ...time, upstreams: read, tells: telling.has(name) },
    };
  });
}

function toldBy(upstreams: readonly Upstream[]): CompiledSelection {
  const streams = upstreams.map(({ consumer }) => systemStream(consumer));
  return compileSelection({ types: [SYSTEM_EVENTS.timeTold], where: { stream: streams } });
}

/** Whether what one of them says comes of what the other one says. */
function leadsTo(from: string, to: string, upstreams: ReadonlyMap<string, readonly Upstream[]>): boolean {
  if (from === to) return true;
  return (upstreams.get(from) ?? []).some(({ consumer }) => leadsTo(consumer, to, upstreams));
}

/** What is told of time: that of the keys in these lanes everything up to then is recorded. Undefined: of all keys. */
export interface ToldTime {
  readonly upToMs: number;
  readonly lanes: readonly number[] | undefined;
}

/** The fact that says so. */
export function timeTold(environment: Environment, consumer: string, { upToMs, lanes }: ToldTime): EncodedEvent {
  return systemEvent(environment, {
    type: SYSTEM_EVENTS.timeTold,
    about: consumer,
    data: { consumer, time: isoTime(upToMs), ...(lanes === undefined ? {} : { lanes }) },
    cause: undefined,
  });
}

const ALL_LANES: readonly number[] = Array.from({ length: LANES }, (_, lane) => lane);

/** The sources that a consumer's results have in event time: its lanes, of which each is as far as it is. */
export function sourcesOf(consumer: string, lanes: readonly number[] = ALL_LANES): readonly string[] {
  return lanes.map((lane) => `${systemStream(consumer)} ${lane}`);
}

/** Whether a source is somebody's lane: no source of an event has a blank in it. */
export function isLane(source: string): boolean {
  return source.includes(' ');
}

/** What the fact says. */
export function toldIn({ data }: RecordedEvent): ToldTime & { readonly consumer: string } {
  const { consumer, time, lanes } = data as { consumer: string; time: string; lanes?: readonly number[] };
  return { consumer, upToMs: timestampMs(time) ?? Number.NEGATIVE_INFINITY, lanes };
}
