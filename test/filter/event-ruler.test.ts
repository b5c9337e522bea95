import { describe, expect, test } from 'vitest';
import { compilePattern } from '../../src/channel/filter/compile.ts';
import { FilterIndex } from '../../src/channel/filter/filter-index.ts';
import { InvalidPattern } from '../../src/channel/filter/invalid-pattern.ts';
import { matches } from '../../src/channel/filter/matches.ts';
import { testShared } from './shared-data.ts';

type ConsistencyCase = {
  readonly name: string;
  readonly rule: unknown;
  readonly event: object;
  readonly expect: 'match' | 'no_match';
};

function matchesBothWays(rule: unknown, event: object): boolean {
  const compiled = compilePattern(rule);
  const index = new FilterIndex<string>();
  index.add('rule', compiled);
  const single = matches(compiled, event);
  expect(index.match(event)).toEqual(single ? ['rule'] : []);
  return single;
}

describe('array consistency: all conditions hold in the same element', () => {
  testShared('event-ruler/array-consistency-a.json', (content) => {
    test.each(content as ConsistencyCase[])('$name: $expect', ({ rule, event, expect: expected }) => {
      expect(matchesBothWays(rule, event)).toBe(expected === 'match');
    });
  });
  for (const rule of [1, 2]) {
    testShared(`event-ruler/arrays/arrayRule${rule}.json`, (pattern) => {
      testShared('event-ruler/arrays/arrayEvent1.json', (event) => {
        test(`rule ${rule} matches the event whose one metric has both fields`, () => {
          expect(matchesBothWays(pattern, event as object)).toBe(true);
        });
      });
      testShared('event-ruler/arrays/arrayEvent2.json', (event) => {
        test(`rule ${rule} does not match the event without them`, () => {
          expect(matchesBothWays(pattern, event as object)).toBe(false);
        });
      });
    });
  }
});

const cloudwatch = { source: 'aws.cloudwatch' };
const cpu = { metricName: 'CPUUtilization' };
const typed = { metricType: 'MetricType', namespace: 'AWS/EC2' };
const configured = { withConfiguration: { metrics: [{ metricStat: { metric: { namespace: 'AWS/EC2' } } }] } };
const alarm = { state: { value: 'ALARM' } };

/** For each rule of the file, events that it matches and events that it does not. */
const orEvents: { readonly yes: object[]; readonly no: object[] }[] = [
  { yes: [cpu, { namespace: 'AWS/ES' }], no: [cloudwatch, { metricName: 'AWS/ES' }] },
  { yes: [{ ...cpu, detail: cloudwatch }], no: [cpu, { detail: cloudwatch }, { ...cpu, detail: cpu }] },
  {
    yes: [
      { ...cloudwatch, ...typed },
      { ...cloudwatch, scope: 'Service' },
    ],
    no: [cloudwatch, typed, { ...cloudwatch, metricType: 'MetricType' }],
  },
  {
    yes: [
      { ...cloudwatch, ...typed, spaceId: 1000 },
      { ...cloudwatch, ...cpu },
    ],
    no: [
      { ...cloudwatch, ...typed },
      { ...cloudwatch, ...typed, spaceId: 1234 },
    ],
  },
  {
    yes: [{ ...cloudwatch, detail: alarm, ...configured }],
    no: [
      { ...cloudwatch, detail: alarm },
      { ...cloudwatch, ...configured },
    ],
  },
];

/** Where `$or` is the name of a field, it is one in the event too. */
const wordedEvents: readonly { readonly yes: object; readonly no: object }[] = [
  { yes: { $or: '10.0.0.7' }, no: { $or: '10.0.1.7' } },
  { yes: { ...cloudwatch, $or: typed }, no: { ...cloudwatch, ...typed } },
  { yes: { time: '2017-10-02T1', detail: { $or: 5 } }, no: { time: '2017-10-02T1', detail: { $or: 6 } } },
  { yes: { detail: { $or: 11 } }, no: { detail: { $or: 6 } } },
];

describe('$or', () => {
  testShared('event-ruler/or-rules/orRelationshipRules.json', (rules) => {
    test.each((rules as unknown[]).map((rule, at) => [at, rule]))(
      'rule %i matches each of its branches',
      (at, rule) => {
        const events = orEvents[at];
        expect(events?.yes.map((event) => matchesBothWays(rule, event))).toEqual(events?.yes.map(() => true));
        expect(events?.no.map((event) => matchesBothWays(rule, event))).toEqual(events?.no.map(() => false));
      },
    );
  });
  testShared('event-ruler/or-rules/normalRulesWithOrWording.json', (rules) => {
    test.each((rules as unknown[]).map((rule, at) => [at, rule]))('rule %i has a field of that name', (at, rule) => {
      const events = wordedEvents[at];
      expect(matchesBothWays(rule, events?.yes ?? {})).toBe(true);
      expect(matchesBothWays(rule, events?.no ?? {})).toBe(false);
    });
  });
  test('refuses a reserved word as a field name inside $or', () => {
    expect(() => compilePattern({ $or: [{ data: { prefix: ['a'] } }, { b: ['c'] }] })).toThrow(InvalidPattern);
  });
});
