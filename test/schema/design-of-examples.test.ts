/** The rules of design on the examples of this repository: what they say there, everybody who follows the examples will be told. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { open } from 'thereupon';
import type { Config } from 'thereupon';
import people from '../../examples/people/thereupon.config.ts';
import retail from '../../examples/retail/thereupon.config.ts';
import sensors from '../../examples/sensors/thereupon.config.ts';
import shop from '../../examples/shop/thereupon.config.ts';
import { DESIGN_RULES, checkDesign } from '../../src/schema/design/lint.ts';
import type { DesignedEvent } from '../../src/schema/design/lint.ts';

async function eventsOf(config: Config): Promise<readonly DesignedEvent[]> {
  await using system = await open({ ...config, store: 'memory:', consume: false });
  const { events, reactions } = await system.catalog();
  const reacts = new Set(reactions.map(({ name }) => name));
  return events
    .filter(({ defined }) => defined)
    .map(({ consumedBy, publishedBy, ...event }) => ({
      ...event,
      consumers: consumedBy.filter((name) => reacts.has(name)),
      publishers: publishedBy,
    }));
}

describe('finds nothing to say of the events of', () => {
  test.each<[string, Config, number]>([
    ['the shop', shop, 5],
    ['the retail history', retail, 4],
    ['the sensors', sensors, 8],
    ['the people', people, 8],
  ])('%s', async (_, config, count) => {
    const events = await eventsOf(config);
    expect(events.length).toBeGreaterThanOrEqual(count);
    expect(events.every(({ jsonSchema }) => jsonSchema !== undefined)).toBe(true);
    expect(checkDesign(events, config.design)).toEqual([]);
  });

  test('and something of the same events when they are spoiled', async () => {
    const spoiled = (await eventsOf(shop)).map((event) => ({
      ...event,
      type: event.type.replace(/\.\w+$/, '.process'),
    }));
    expect(checkDesign(spoiled).filter(({ rule }) => rule === 'past-tense')).toHaveLength(spoiled.length);
  });
});

test('every rule is in the guide', () => {
  const guide = readFileSync(new URL('../../docs/guides/schemas.md', import.meta.url), 'utf8');
  expect(DESIGN_RULES.filter((rule) => !guide.includes(`| \`${rule}\` |`))).toEqual([]);
});
