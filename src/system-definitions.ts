import type { Reaction } from './consumer/reaction.ts';
import { retryPolicy } from './consumer/retry-policy.ts';
import type { EventDefinition } from './event/define-event.ts';
import { SYSTEM_EVENTS } from './event/system-events.ts';
import { QUARANTINE, quarantineSelection, releaseFromQuarantine } from './producer/quarantine.ts';
import type { ClockTrust } from './schema/clock-trust.ts';
import type { SchemaRegistry } from './schema/registry.ts';
import type { Sealing } from './schema/sealing.ts';
import type { Reacting } from './schema/ways-up.ts';
import type { Environment } from './system/environment.ts';
import type { SystemOptions } from './system-options.ts';

export function reactionsOf(options: SystemOptions): readonly Reaction[] {
  return [
    ...(options.consumers ?? []),
    ...(options.projections ?? []),
    ...(options.windows ?? []),
    ...(options.monitors ?? []),
    ...(options.automations ?? []),
  ].map(({ reaction }) => reaction);
}

export function definitionsOf(options: SystemOptions): readonly EventDefinition[] {
  const named = [
    ...(options.consumers ?? []),
    ...(options.windows ?? []),
    ...(options.monitors ?? []),
    ...(options.automations ?? []),
  ].flatMap(({ on, publishes }) => [...on, ...publishes]);
  const decided = (options.deciders ?? []).flatMap(({ on, publishes }) => [...on, ...publishes]);
  const projected = (options.projections ?? []).flatMap(({ on }) => [...on]);
  return [...new Set([...(options.events ?? []), ...decided, ...named, ...projected])];
}

export function reactingOf(options: SystemOptions): readonly Reacting[] {
  return [
    ...(options.consumers ?? []),
    ...(options.projections ?? []),
    ...(options.windows ?? []),
    ...(options.monitors ?? []),
    ...(options.automations ?? []),
    ...(options.deciders ?? []),
  ];
}

/** Quarantined events are deliveries of a consumer of their own, and so are dead letters like all others. */
export function quarantineReaction(
  {
    registry,
    clocks,
    sealing,
  }: { readonly registry: SchemaRegistry; readonly clocks: ClockTrust; readonly sealing: Sealing | undefined },
  { clock }: Environment,
): Reaction {
  return {
    name: QUARANTINE,
    kind: 'system',
    summary: 'Events whose data did not fit their schema: retry after the schema was mended, edit, or discard',
    selection: quarantineSelection,
    consumes: [SYSTEM_EVENTS.eventQuarantined],
    publishes: [],
    loops: undefined,
    start: 'beginning',
    mode: 'queue',
    concurrency: 4,
    retry: retryPolicy({ attempts: 1 }, QUARANTINE),
    timeoutMs: undefined,
    state: undefined,
    keyedBy: 'position',
    keyOf: (event) => `#${event.position}`,
    priorityOf: undefined,
    delayMsOf: undefined,
    handle: async (attempt) =>
      attempt.append(await releaseFromQuarantine(registry, attempt.event, { clocks, sealing, nowMs: clock.now() })),
  };
}
