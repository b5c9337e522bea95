import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import { InvalidEvent } from '../../src/errors.ts';
import { decodeHttp, encodeHttpBinary, encodeHttpStructured } from '../../src/event/cloudevents-http.ts';
import type { IncomingEvent } from '../../src/event/cloudevents-incoming.ts';
import { decodeJsonBatch, decodeJsonEvent, encodeJsonEvent } from '../../src/event/cloudevents-json.ts';
import { timestampMs } from '../../src/event/timestamp.ts';
import { goldenBatches, goldenEvents } from './golden-events.ts';
import { testSharedFiles } from './shared-data.ts';

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

/** Timestamps compare as instants, everything else as it is. */
function comparable(event: IncomingEvent | undefined) {
  return event?.time === undefined ? event : { ...event, time: timestampMs(event.time) };
}

function registerSuite(text: string): void {
  const suite = JSON.parse(text) as Suite;
  it.each(suite.tests)('$id', ({ testType = suite.testType, sampleId = '', event, batch }) => {
    switch (testType) {
      case 'ValidSingleEvent':
        expect(goldenEvents).toHaveProperty(sampleId);
        return expect(comparable(decodeJsonEvent(event))).toEqual(comparable(goldenEvents[sampleId]));
      case 'ValidBatch':
        expect(goldenBatches).toHaveProperty(sampleId);
        return expect(decodeJsonBatch(batch)).toEqual(goldenBatches[sampleId]);
      case 'InvalidSingleEvent':
        return expect(() => decodeJsonEvent(event)).toThrow(InvalidEvent);
      case 'InvalidBatch':
        return expect(() => decodeJsonBatch(batch)).toThrow(InvalidEvent);
      default:
        throw new Error(`unknown test type ${testType}`);
    }
  });
}

describe('the official suite of the JSON format', () => {
  testSharedFiles('cloudevents-conformance/json-format', 'valid-', registerSuite);
  testSharedFiles('cloudevents-conformance/json-format', 'invalid-', registerSuite);
});

describe('the official JSON Schema of the JSON format', () => {
  testSharedFiles('cloudevents-conformance', 'cloudevents.schema', (text) => {
    const ajv = new Ajv({ strict: false });
    addFormats.default(ajv);
    const validate = ajv.compile(JSON.parse(text) as object);

    it.each(Object.entries(goldenEvents))('finds what is written for %s valid', (_name, event) => {
      expect(validate(encodeJsonEvent(event)), JSON.stringify(validate.errors)).toBe(true);
    });
  });
});

/** The scenarios of a feature file, each once per row of its examples table. */
function scenarios(feature: string) {
  return feature
    .split('Scenario Outline:')
    .slice(1)
    .flatMap((scenario) => {
      const [request = '', data = ''] = Array.from(scenario.matchAll(/"""\n(.*?)\n\s*"""/gs), (match) => match[1]);
      const [steps = '', examples = ''] = scenario.split('Examples:');
      const rows = Array.from(
        steps.matchAll(/^\s*\| +(\w+) \| +(.+?) +\|$/gm),
        ([, key = '', value = '']) => [key, value] as const,
      );
      const contentTypes = Array.from(examples.matchAll(/^\s*\| (.+?) +\|$/gm), ([, value = '']) => value).slice(1);
      return contentTypes.map((contentType) => {
        const fill = (text: string) => text.replaceAll('<contentType>', contentType);
        return {
          name: fill(scenario.split('\n')[0] ?? ''),
          request: fill(request),
          rows: rows.slice(1).map(([key, value]) => [key, fill(value)] as const),
          data,
        };
      });
    });
}

function parseRequest(request: string) {
  const indent = /^ */.exec(request)?.[0] ?? '';
  const [head = '', ...body] = request.replaceAll(new RegExp(`^${indent}`, 'gm'), '').split('\n\n');
  const headers = head
    .split('\n')
    .slice(1)
    .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)] as const);
  return { headers, body: Buffer.from(body.join('\n\n')) };
}

describe('the official scenarios of the HTTP binding', () => {
  testSharedFiles('cloudevents-conformance/features', 'http-', (feature) => {
    const found = scenarios(feature);
    it('are found', () => expect(found.length).toBeGreaterThanOrEqual(4));

    it.each(found)('$name', ({ request, rows, data }) => {
      const [event] = decodeHttp(parseRequest(request)).events;
      expect(rows.length).toBeGreaterThan(4);
      for (const [key, value] of rows) if (key !== 'specversion') expect(event).toHaveProperty(key, value);
      expect(event?.payload).toEqual({ encoding: 'json', data: JSON.parse(data) as unknown });
    });
  });
});

/** Attributes and data of the events in the suite's YAML: flat attributes, data as an indented block. */
function yamlEvents(text: string) {
  return text.split('\n---\n').map((document) => {
    const [head = '', block = ''] = document.split('Data: |\n');
    const attributes = Array.from(
      head.matchAll(/^ {2}(\w+): (.+)$/gm),
      ([, name = '', value = '']) => [`ce-${name}`, value] as const,
    );
    const headers = attributes.map(([name, value]) =>
      name === 'ce-datacontenttype' ? (['content-type', value] as const) : ([name, value] as const),
    );
    return { headers, data: block.replaceAll(/^ +/gm, '') };
  });
}

describe('the official events with several content types', () => {
  testSharedFiles('cloudevents-conformance/events-yaml', 'v1', (text) => {
    it.each(yamlEvents(text))(
      'are read in binary mode and written in each mode: $headers.2.1 $data',
      ({ headers, data }) => {
        const [event] = decodeHttp({ headers, body: Buffer.from(data) }).events;
        if (event === undefined) throw new Error('no event');
        const { payload } = event;
        const json = event.datacontenttype?.startsWith('application/json') === true;
        expect(payload).toEqual(
          json ? { encoding: 'json', data: JSON.parse(data) as unknown } : { encoding: 'text', data },
        );
        for (const { headers: written, body } of [encodeHttpBinary(event), encodeHttpStructured(event)]) {
          expect(decodeHttp({ headers: Object.entries(written), body }).events).toEqual([event]);
        }
      },
    );
  });
});
