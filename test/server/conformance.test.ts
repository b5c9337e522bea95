import { describe, expect, it } from 'vitest';
import { decodeJsonEvent } from '../../src/index.ts';
import type { IncomingEvent } from '../../src/index.ts';
import { parseTraceParent } from '../../src/event/trace-context.ts';
import { goldenBatches, goldenEvents } from '../cloudevents/golden-events.ts';
import { testSharedFiles } from '../cloudevents/shared-data.ts';
import { bodyOf, openApp, post, problemOf, serveShop } from './shop.ts';
import { send } from './socket.ts';
import { assertCondition } from './trace-conditions.ts';

interface Suite {
  readonly testType: string;
  readonly tests: readonly {
    readonly id: string;
    readonly sampleId?: string;
    readonly testType?: string;
    readonly event?: unknown;
    readonly batch?: unknown;
  }[];
}

const open = () => openApp({ shop: { unknownTypes: 'accept' } });

/** What was stored, but for what the system adds to every event. */
function stored(json: Record<string, unknown>, golden: IncomingEvent | undefined) {
  const {
    position: _position,
    version: _version,
    stream,
    recordedtime: _recorded,
    correlationid,
    traceparent,
    time,
    datacontenttype,
    ...rest
  } = json;
  expect(stream).toBe(golden?.subject ?? golden?.source);
  expect(correlationid).toBe(golden?.id);
  expect(parseTraceParent(String(traceparent))).toBeDefined();
  return decodeJsonEvent({
    ...rest,
    ...(golden?.time === undefined ? {} : { time: new Date(String(time)).toISOString().replace('.000Z', 'Z') }),
    ...(golden?.datacontenttype === undefined ? {} : { datacontenttype }),
  });
}

function registerSuite(text: string): void {
  const suite = JSON.parse(text) as Suite;
  it.each(suite.tests)('$id', async ({ testType = suite.testType, sampleId = '', event, batch }) => {
    const { app, system } = await open();
    const response = await post(app, event ?? batch);
    if (testType.startsWith('Invalid')) {
      const problem = await problemOf(response);
      expect(problem.status).toBeGreaterThanOrEqual(400);
      expect(problem.status).toBeLessThan(500);
      expect(await system.events.head()).toBe(0);
      return;
    }
    const golden = testType === 'ValidBatch' ? (goldenBatches[sampleId] ?? []) : [goldenEvents[sampleId]];
    expect(response.status).toBe(golden.length === 0 ? 200 : 201);
    for (const each of golden) {
      const path = `/events/${encodeURIComponent(each?.source ?? '')}/${encodeURIComponent(each?.id ?? '')}`;
      expect(stored(await bodyOf(app.request(path)), each)).toEqual(each);
    }
    // The same event twice in one batch is one fact (G2).
    expect(await system.events.head()).toBe(new Set(golden.map((each) => each?.id)).size);
  });
}

describe('the official CloudEvents suite, through POST /events', () => {
  testSharedFiles('cloudevents-conformance/json-format', 'valid-', registerSuite);
  testSharedFiles('cloudevents-conformance/json-format', 'invalid-', registerSuite);
});

interface Vector {
  readonly name: string;
  readonly description: string;
  readonly request_headers: readonly (readonly [string, string])[];
  readonly expect: readonly string[];
}

describe('the official W3C trace context vectors, through POST /events', () => {
  testSharedFiles('trace-context', 'trace', (text) => {
    it.each(JSON.parse(text) as readonly Vector[])(
      '$name: $description',
      async ({ request_headers: headers, expect: conditions }) => {
        const { system, url } = await serveShop({ shop: { unknownTypes: 'accept' } });
        const event = { specversion: '1.0', id: '1', source: '/trace', type: 'trace.sent' };
        const { status } = await send(`${url}/events`, {
          headers: [['content-type', 'application/cloudevents+json'], ...headers],
          body: Buffer.from(JSON.stringify(event)),
        });
        expect(status).toBe(201);
        const { traceparent = '', tracestate } = (await system.events.find('/trace', '1')) ?? {};
        for (const condition of conditions)
          assertCondition(tracestate === undefined ? { traceparent } : { traceparent, tracestate }, condition);
      },
    );
  });
});
