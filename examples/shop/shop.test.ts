import { simulate } from 'thereupon/testing';
import { expect, test } from 'vitest';
import { OrderPlaced, PaymentReceived } from './events.ts';
import { shopFacts } from './generator.ts';
import shop from './thereupon.config.ts';

test('whatever happens to its events, the same comes of them', async () => {
  const facts = shopFacts(1, 'till');
  const events = Array.from({ length: 50 }, () => {
    const fact = facts.next().value;
    return fact.kind === 'order' ? ([OrderPlaced, fact.data] as const) : ([PaymentReceived, fact.data] as const);
  });
  const { divergence, report } = await simulate(shop, { events, runs: 50 });
  expect(divergence, report).toBeUndefined();
});
