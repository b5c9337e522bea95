import type { IncomingEvent } from '../../src/event/cloudevents-incoming.ts';

const minimal: IncomingEvent = {
  id: 'minimal',
  type: 'io.cloudevents.test',
  source: 'https://cloudevents.io',
  extensions: {},
  payload: { encoding: 'none' },
};

/** The events that GOLDEN-SAMPLES.md of the conformance suite describes. */
export const goldenEvents: Readonly<Record<string, IncomingEvent>> = {
  minimal,
  minimalWithTime: { ...minimal, id: 'minimalWithTime', time: '2018-04-05T17:31:00Z' },
  minimalWithRelativeSource: { ...minimal, id: 'minimalWithRelativeSource', source: '#fragment' },
  allCore: {
    ...minimal,
    id: 'allCore',
    datacontenttype: 'text/plain',
    dataschema: 'https://cloudevents.io/dataschema',
    subject: 'tests',
    time: '2018-04-05T17:31:00Z',
  },
  // The page says id simpleData; the suite's event says simpleTextData.
  simpleTextData: {
    ...minimal,
    id: 'simpleTextData',
    datacontenttype: 'text/plain',
    payload: { encoding: 'text', data: 'Simple text' },
  },
  allExtensionTypes: {
    ...minimal,
    id: 'allExtensionTypes',
    extensions: {
      extinteger: 10,
      extboolean: true,
      extstring: 'text',
      extbinary: 'TWE=',
      exttimestamp: '2023-03-31T15:12:00Z',
      exturi: 'https://cloudevents.io',
      exturiref: '//authority/path',
    },
  },
};

const golden = (...names: string[]) => names.map((name) => goldenEvents[name]);

export const goldenBatches: Readonly<Record<string, readonly (IncomingEvent | undefined)[]>> = {
  empty: [],
  minimal: golden('minimal'),
  minimal2: golden('minimal', 'minimal'),
  minimalAndAllCore: golden('minimal', 'allCore'),
  minimalAndAllExtensionTypes: golden('minimal', 'allExtensionTypes'),
};
