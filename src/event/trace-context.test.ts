import { describe, expect, it } from 'vitest';
import { createIds } from '../system/ids.ts';
import { seededRandom } from '../system/random.ts';
import { systemClock } from '../system/clock.ts';
import { continueTrace, parseTraceParent } from './trace-context.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const VALID = `00-${TRACE}-${PARENT}-01`;
const ids = createIds(systemClock, seededRandom(1));

describe('parseTraceParent', () => {
  it.each([
    [VALID, 1],
    [`00-${TRACE}-${PARENT}-00`, 0],
    [`00-${TRACE}-${PARENT}-03`, 3],
    [`00-${TRACE}-${PARENT}-fe`, 2],
    [`cc-${TRACE}-${PARENT}-01`, 1],
    [`cc-${TRACE}-${PARENT}-01-what-the-future-will-be-like`, 1],
    [` \t${VALID}\t `, 1],
  ])('reads %j', (text, flags) => {
    expect(parseTraceParent(text)).toEqual({ traceId: TRACE, parentId: PARENT, flags });
  });

  it.each([
    '',
    'garbage',
    `ff-${TRACE}-${PARENT}-01`,
    `FF-${TRACE}-${PARENT}-01`,
    `00-${TRACE.toUpperCase()}-${PARENT}-01`,
    `00-${TRACE}-${PARENT.toUpperCase()}-01`,
    `00-${TRACE}-${PARENT}-0A`,
    `00-${'0'.repeat(32)}-${PARENT}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE}-${PARENT}-01-`,
    `00-${TRACE}-${PARENT}-01-more`,
    `00-${TRACE}-${PARENT}-01.`,
    `cc-${TRACE}-${PARENT}-01.more`,
    `cc-${TRACE}-${PARENT}-0`,
    `cc-${TRACE}-${PARENT}`,
    `0-${TRACE}-${PARENT}-01`,
    `000-${TRACE}-${PARENT}-01`,
    `00-${TRACE.slice(1)}-${PARENT}-01`,
    `00_${TRACE}_${PARENT}_01`,
    `${VALID}\n`,
    `${VALID}, ${VALID}`,
  ])('refuses %j', (text) => {
    expect(parseTraceParent(text)).toBeUndefined();
  });
});

describe('continueTrace', () => {
  it('keeps trace id, flags and tracestate, and sets a new parent id', () => {
    const next = continueTrace({ attributes: { traceparent: VALID, tracestate: 'foo=1, bar=2' } }, ids);
    expect(next.tracestate).toBe('foo=1,bar=2');
    expect(parseTraceParent(next.traceparent)).toMatchObject({ traceId: TRACE, flags: 1 });
    expect(parseTraceParent(next.traceparent)?.parentId).not.toBe(PARENT);
  });

  it('writes version 00 for a trace of a later version', () => {
    expect(continueTrace({ attributes: { traceparent: `cc-${TRACE}-${PARENT}-01-x` } }, ids).traceparent).toMatch(
      /^00-0af7.{28}-.{16}-01$/,
    );
  });

  it('starts a sampled trace where none comes in, without tracestate', () => {
    const next = continueTrace({ attributes: { tracestate: 'foo=1' } }, ids);
    expect(next).toEqual({ traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/) as string });
  });

  it('drops an invalid tracestate and continues the trace', () => {
    const next = continueTrace({ attributes: { traceparent: VALID, tracestate: 'FOO=1' } }, ids);
    expect(next.tracestate).toBeUndefined();
    expect(next.traceparent).toContain(TRACE);
  });

  it('drops the tracestate with an invalid traceparent', () => {
    const next = continueTrace({ attributes: { traceparent: 'nonsense', tracestate: 'foo=1' } }, ids);
    expect(next.tracestate).toBeUndefined();
  });

  it('joins tracestate headers in their order, names in any case', () => {
    const headers = [
      ['TraceState', 'foo=1'],
      ['traceParent', VALID],
      ['TRACESTATE', 'bar=2'],
    ] as const;
    expect(continueTrace({ headers }, ids).tracestate).toBe('foo=1,bar=2');
  });

  it('restarts the trace when traceparent is given twice, also when a Headers object has joined them', () => {
    const twice = new Headers([
      ['traceparent', VALID],
      ['traceparent', VALID],
    ]);
    expect(continueTrace({ headers: twice }, ids).traceparent).not.toContain(TRACE);
    expect(
      continueTrace(
        {
          headers: [
            ['traceparent', VALID],
            ['traceparent', VALID],
          ],
        },
        ids,
      ).traceparent,
    ).not.toContain(TRACE);
  });
});
