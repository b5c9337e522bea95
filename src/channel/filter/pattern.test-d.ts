/** Checked by the compiler alone: what a pattern for a known event may say, and what it may not. */
import type { Pattern, PatternFor } from './pattern.ts';

type OrderId = string & { readonly brand: 'order' };

type Order = {
  readonly type: 'shop.order.placed';
  readonly subject?: string;
  readonly data: {
    readonly orderId: OrderId;
    readonly total: number;
    readonly paid: boolean;
    readonly state: 'open' | 'closed' | null;
    readonly reference: string | number;
    readonly tags: readonly string[];
    readonly lines: readonly { readonly sku: string; readonly amount?: number }[];
    readonly payment:
      | { readonly kind: 'card'; readonly last4: string }
      | { readonly kind: 'cash'; readonly till: number };
    readonly labels: Readonly<Record<string, string>>;
    readonly extra: unknown;
  };
};

function accept<T>(_pattern: PatternFor<T>): void {}

accept<Order>({ type: ['shop.order.placed'], subject: [{ prefix: 'order-' }, { exists: false }] });
accept<Order>({ data: { orderId: ['o1', { 'anything-but': ['o2', 'o3'] }] } });
accept<Order>({
  data: { total: [1, { numeric: ['>=', 100] }, { numeric: ['>', 0, '<=', 5] }, { 'anything-but': 3 }] },
});
accept<Order>({ data: { paid: [true], state: [null, 'open', { exists: true }] } });
accept<Order>({ data: { reference: ['a', 1, { numeric: ['=', 2] }, { suffix: { 'equals-ignore-case': 'x' } }] } });
accept<Order>({ data: { tags: ['a', { wildcard: 'a*b' }], lines: { sku: ['s'], amount: [{ exists: false }] } } });
accept<Order>({ data: { payment: { kind: ['card'], last4: [{ 'anything-but': { prefix: ['1', '2'] } }] } } });
accept<Order>({ data: { payment: { till: [1] }, labels: { anything: [{ cidr: '10.0.0.0/8' }] } } });
accept<Order>({ data: { extra: { deep: { down: [1, 'a', { exists: true }] } } } });
accept<Order>({ data: { extra: [{ numeric: ['<', 1] }] } });
accept<Order>({ $or: [{ subject: ['a'] }, { data: { $or: [{ total: [1] }, { paid: [true] }] } }] });
accept<unknown>({ whatever: { is: ['asked', { exists: true }] }, $or: [{ a: [1] }, { b: [2] }] });

// @ts-expect-error a field which the event does not have
accept<Order>({ data: { amount: [1] } });
// @ts-expect-error a value outside a list
accept<Order>({ data: { total: 1 } });
// @ts-expect-error a value of another type
accept<Order>({ data: { total: ['1'] } });
// @ts-expect-error a literal which the field cannot be
accept<Order>({ data: { state: ['opened'] } });
// @ts-expect-error a comparison of numbers on a text
accept<Order>({ data: { orderId: [{ numeric: ['>', 1] }] } });
// @ts-expect-error a comparison of texts on a number
accept<Order>({ data: { total: [{ prefix: '1' }] } });
// @ts-expect-error a range which begins with its upper end
accept<Order>({ data: { total: [{ numeric: ['<', 5, '>', 1] }] } });
// @ts-expect-error two operators in one object
accept<Order>({ data: { orderId: [{ prefix: 'a', suffix: 'b' }] } });
// @ts-expect-error texts and numbers mixed in anything-but
accept<Order>({ data: { reference: [{ 'anything-but': ['a', 1] }] } });
// @ts-expect-error no such operator
accept<Order>({ data: { orderId: [{ startsWith: 'a' }] } });
// @ts-expect-error $or needs two patterns at least
accept<Order>({ $or: [{ subject: ['a'] }] });
// @ts-expect-error a list for an object: an operator on a field that is no leaf
accept<Order>({ data: { payment: [{ exists: true }] } });
// @ts-expect-error an unknown operator in a pattern of unknown shape
accept<unknown>({ a: [{ prefx: 'a' }] });

/** A pattern for a known event is a pattern, so that both go the same way. */
export const loose: Pattern = { data: { total: [{ numeric: ['>=', 1] }] } } satisfies PatternFor<Order>;
