import assert from 'node:assert/strict';
import { z } from 'zod';
import { defineConsumer } from '../../consumer/define-consumer.ts';
import type { ConsumerDefinition, ConsumerOptions } from '../../consumer/define-consumer.ts';
import type { HandlerContext } from '../../consumer/context.ts';
import { defineEvent } from '../../event/define-event.ts';
import { defineProjection } from '../../projection/define-projection.ts';
import type { EventOf } from '../../event/define-event.ts';

/** The n-th thing that happened to an item. */
export const Counted = defineEvent({
  type: 'contract.item.counted',
  schema: z.object({ item: z.string(), n: z.number() }),
  stream: (data) => `item-${data.item}`,
});

/** A reaction's answer to a counted item. */
export const Answered = defineEvent({
  type: 'contract.item.answered',
  schema: z.object({ item: z.string(), n: z.number(), part: z.number().default(0), total: z.number().default(0) }),
  stream: (data) => `answer-${data.item}`,
});

/** Something that no consumer of a case asks for. */
export const Ignored = defineEvent({
  type: 'contract.other.ignored',
  schema: z.object({ n: z.number() }),
  stream: (data) => `other-${data.n}`,
});

export type CountedEvent = EventOf<typeof Counted>;
export type CountedContext = HandlerContext<CountedEvent, never>;

/** Takes as much memory as a case wants. */
export const Bulky = defineEvent({
  type: 'contract.bulk.moved',
  schema: z.object({ n: z.number(), text: z.string() }),
  stream: () => 'bulk-1',
});

/** The sum of each item's numbers: shows what was lost or counted twice. */
export const sums = defineProjection({
  name: 'sums',
  key: (event) => event.data.item,
  initial: () => 0,
  on: [[Counted, (row, event) => row + event.data.n]],
});

/** What a consumer was given, in the order in which it was given it. */
export interface Received {
  readonly events: CountedEvent[];
  /** The numbers, of one item or of all. */
  numbers(item?: string): readonly number[];
}

export function newReceived(): Received {
  const events: CountedEvent[] = [];
  return {
    events,
    numbers: (item) => events.filter(({ data }) => item === undefined || data.item === item).map(({ data }) => data.n),
  };
}

type CountedOptions = Omit<ConsumerOptions<typeof Counted, [], never>, 'name' | 'on' | 'handle'>;

/** A consumer that writes down what it gets, and then does what the case wants. */
export function recordingConsumer(
  name: string,
  received: Received,
  options: CountedOptions & { readonly act?: (context: CountedContext) => void | Promise<void> } = {},
): ConsumerDefinition {
  const { act, ...rest } = options;
  return defineConsumer({
    ...rest,
    name,
    on: Counted,
    handle(context) {
      received.events.push(context.event);
      return act?.(context);
    },
  });
}

/** 1 to `last`. */
export function upTo(last: number): readonly number[] {
  return Array.from({ length: last }, (_, index) => index + 1);
}

/** A system that counted items can be published to. */
interface Counting {
  readonly system: {
    publishAll(
      publications: readonly { readonly event: typeof Counted; readonly data: { item: string; n: number } }[],
    ): Promise<unknown>;
  };
}

/** Publishes 1 to `count` of each item, item by item in turns, in batches. */
export async function count(test: Counting, items: readonly string[], upToNumber: number, from = 1): Promise<void> {
  const all = upTo(upToNumber).flatMap((n) =>
    items.map((item) => ({ event: Counted, data: { item, n: n + from - 1 } })),
  );
  for (let begin = 0; begin < all.length; begin += 1_000) await test.system.publishAll(all.slice(begin, begin + 1_000));
}

/** The single item of a list. */
export function only<Item>(items: readonly Item[]): Item {
  const [first] = items;
  assert.ok(first !== undefined && items.length === 1, `expected exactly one, found ${items.length}`);
  return first;
}

/** A promise and what settles it: for handlers that wait until the case says so. */
export function newGate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}
