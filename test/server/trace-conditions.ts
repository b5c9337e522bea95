import { expect } from 'vitest';
import { parseTraceParent } from '../../src/event/trace-context.ts';
import type { TraceContext } from '../../src/event/trace-context.ts';

/** How the suite words its conditions on the outgoing request. */
const CONDITIONS: readonly (readonly [RegExp, (outgoing: TraceContext, ...groups: string[]) => void])[] = [
  [
    /^outgoing request carries exactly one valid traceparent$/,
    ({ traceparent }) => expect(parseTraceParent(traceparent)).toBeDefined(),
  ],
  [/^outgoing\.trace_id == '(.*)'$/, ({ traceparent }, id) => expect(parseTraceParent(traceparent)?.traceId).toBe(id)],
  [
    /^outgoing\.trace_id != '(.*)'$/,
    ({ traceparent }, id) => expect(parseTraceParent(traceparent)?.traceId).not.toBe(id),
  ],
  [
    /^outgoing\.parent_id != '(.*)'$/,
    ({ traceparent }, id) => expect(parseTraceParent(traceparent)?.parentId).not.toBe(id),
  ],
  [/^'(.*)' in outgoing\.tracestate$/, (outgoing, key = '') => expect(members(outgoing).has(key)).toBe(true)],
  [/^'(.*)' not in outgoing\.tracestate$/, (outgoing, key = '') => expect(members(outgoing).has(key)).toBe(false)],
  [
    /^outgoing\.tracestate\['(.*)'\] == '(.*)'$/,
    (outgoing, key = '', value = '') => expect(members(outgoing).get(key)).toBe(value),
  ],
  // A tracestate without traceparent is discarded, whatever its length.
  [
    /^len\(outgoing\.tracestate1\) == len\(outgoing\.tracestate2\)$/,
    (outgoing) => expect(members(outgoing).size).toBe(0),
  ],
];

function members({ tracestate = '' }: TraceContext): ReadonlyMap<string, string> {
  return new Map(
    tracestate
      .split(',')
      .filter(Boolean)
      .map((member) => [member.slice(0, member.indexOf('=')), member.slice(member.indexOf('=') + 1)]),
  );
}

/** Holds the outgoing trace to one condition of the suite. */
export function assertCondition(outgoing: TraceContext, condition: string): void {
  for (const [pattern, hold] of CONDITIONS) {
    const match = pattern.exec(condition);
    if (match !== null) return hold(outgoing, ...match.slice(1));
  }
  throw new Error(`no rule for the condition: ${condition}`);
}
