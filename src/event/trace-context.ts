import type { Ids } from '../system/ids.ts';
import { trimSpace } from './cloudevents-headers.ts';
import { parseTraceState } from './trace-context-state.ts';

/** What a W3C `traceparent` says. */
export interface TraceParent {
  readonly traceId: string;
  readonly parentId: string;
  /** The flags that are defined: bit 0 sampled, bit 1 random trace id. */
  readonly flags: number;
}

export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string;
}

/** Where a trace comes in: header fields in their order, or the attributes of an event. */
export type TraceOrigin =
  | { readonly headers: Iterable<readonly [name: string, value: string]> }
  | { readonly attributes: { readonly traceparent?: string | undefined; readonly tracestate?: string | undefined } };

const VERSION_00 = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
/** A later version: the same four fields, then the end or more behind a dash. `ff` is no version. */
const LATER_VERSION = /^(?!00|ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;
/** Flags that are not defined are passed on as 0. */
const DEFINED_FLAGS = 0b11;
/** This system records what it does, so a trace that begins here counts as sampled; else its receivers would drop it. */
const FRESH_FLAGS = 0b01;

/**
 * Undefined when the text is no valid `traceparent`, and the trace has to be restarted.
 *
 * Source    W3C Trace Context, level 2, sections 3.2 and 3.2.4
 */
export function parseTraceParent(text: string): TraceParent | undefined {
  const value = trimSpace(text);
  const match = VERSION_00.exec(value) ?? LATER_VERSION.exec(value);
  const [, traceId, parentId, flags] = match ?? [];
  if (traceId === undefined || parentId === undefined || flags === undefined) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(parentId)) return undefined;
  return { traceId, parentId, flags: Number.parseInt(flags, 16) & DEFINED_FLAGS };
}

/** The text of version 00. */
export function formatTraceParent(parent: TraceParent): string {
  return `00-${parent.traceId}-${parent.parentId}-${parent.flags.toString(16).padStart(2, '0')}`;
}

/**
 * The trace context of what happens next: the same trace with a new parent id, or a fresh trace.
 *
 * Guarantee Never throws. A `traceparent` that is absent, invalid or given twice starts a fresh trace without `tracestate`; an
 *           invalid `tracestate` is dropped and the trace continued. A valid one is kept whole, up to its 32 members.
 * Source    W3C Trace Context, level 2, sections 3 and 4
 */
export function continueTrace(origin: TraceOrigin, ids: Ids): TraceContext {
  const { traceparents, tracestates } =
    'headers' in origin ? fromHeaders(origin.headers) : fromAttributes(origin.attributes);
  const [first, ...others] = traceparents;
  const parent = first === undefined || others.length > 0 ? undefined : parseTraceParent(first);
  if (parent === undefined) {
    return { traceparent: formatTraceParent({ traceId: ids.traceId(), parentId: ids.spanId(), flags: FRESH_FLAGS }) };
  }
  const traceparent = formatTraceParent({ ...parent, parentId: ids.spanId() });
  const tracestate = parseTraceState(tracestates);
  return tracestate === undefined || tracestate === '' ? { traceparent } : { traceparent, tracestate };
}

function fromHeaders(headers: Iterable<readonly [string, string]>) {
  const traceparents: string[] = [];
  const tracestates: string[] = [];
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    if (lower === 'traceparent') traceparents.push(value);
    else if (lower === 'tracestate') tracestates.push(value);
  }
  return { traceparents, tracestates };
}

function fromAttributes(attributes: {
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}) {
  const { traceparent, tracestate } = attributes;
  return {
    traceparents: traceparent === undefined ? [] : [traceparent],
    tracestates: tracestate === undefined ? [] : [tracestate],
  };
}
