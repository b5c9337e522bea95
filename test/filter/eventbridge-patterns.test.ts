import { describe, expect, test } from 'vitest';
import { compilePattern } from '../../src/channel/filter/compile.ts';
import { FilterIndex } from '../../src/channel/filter/filter-index.ts';
import { InvalidPattern } from '../../src/channel/filter/invalid-pattern.ts';
import { matches } from '../../src/channel/filter/matches.ts';
import { testShared } from './shared-data.ts';

type Case = {
  readonly name: string;
  readonly expect: 'match' | 'no_match' | 'invalid';
  readonly event: object;
  readonly pattern: unknown;
};

describe('the answers recorded from EventBridge', () => {
  testShared('eventbridge-patterns/cases-a.json', (content) => {
    test.each(content as Case[])('$name: $expect', ({ pattern, event, expect: expected }) => {
      if (expected === 'invalid') {
        expect(() => compilePattern(pattern)).toThrow(InvalidPattern);
        return;
      }
      const compiled = compilePattern(pattern);
      const index = new FilterIndex<string>();
      index.add('it', compiled);
      expect(matches(compiled, event)).toBe(expected === 'match');
      expect(index.match(event)).toEqual(expected === 'match' ? ['it'] : []);
    });
  });
});
