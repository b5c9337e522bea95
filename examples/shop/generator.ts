import type { InputOf } from 'thereupon';
import type { OrderPlaced, PaymentReceived } from './events.ts';

const GOODS = [
  { sku: 'TEAPOT', priceCents: 2_450 },
  { sku: 'MUG', priceCents: 890 },
  { sku: 'LANTERN', priceCents: 5_900 },
  { sku: 'CLOCK', priceCents: 12_300 },
  { sku: 'BLANKET', priceCents: 7_990 },
] as const;

export type ShopFact =
  | { readonly kind: 'order'; readonly data: InputOf<typeof OrderPlaced> }
  | { readonly kind: 'payment'; readonly data: InputOf<typeof PaymentReceived> };

/**
 * What happens in a shop, for ever: orders, and payments for them some time later. The same seed gives the same history; names of orders begin
 * with `till`.
 */
export function* shopFacts(seed: number, till: string): Generator<ShopFact, never, undefined> {
  const random = mulberry32(seed);
  const below = (bound: number) => Math.floor(random() * bound);
  const unpaid: { orderId: string; totalCents: number }[] = [];
  for (let number = 1; ;) {
    const [paid] = unpaid.length > 3 && random() < 0.5 ? unpaid.splice(below(unpaid.length), 1) : [];
    if (paid !== undefined) {
      const method = (['card', 'transfer', 'invoice'] as const)[below(3)] ?? 'card';
      yield { kind: 'payment', data: { orderId: paid.orderId, amountCents: paid.totalCents, method } };
      continue;
    }
    const lines = Array.from({ length: 1 + below(4) }, () => ({
      ...(GOODS[below(GOODS.length)] ?? GOODS[0]),
      quantity: 1 + below(5),
    }));
    const totalCents = lines.reduce((sum, line) => sum + line.quantity * line.priceCents, 0);
    const orderId = `${till}-${number}`;
    number += 1;
    unpaid.push({ orderId, totalCents });
    yield { kind: 'order', data: { orderId, customer: `customer-${1 + below(40)}`, totalCents, lines } };
  }
}

function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
