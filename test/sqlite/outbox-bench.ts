import type { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { defineConsumer, defineEvent, open, START } from '../../src/index.ts';
import type { Logger, StoreFactory } from '../../src/index.ts';
import { systemClock, waitFor } from '../../src/system/clock.ts';
import { silentLogger } from '../../src/system/logger.ts';

export const Placed = defineEvent({
  type: 'shop.order.placed',
  stream: (data) => `order-${data.order}`,
  schema: z.object({ order: z.string(), total: z.number() }),
});

export interface ProgramOptions {
  readonly store: string | StoreFactory;
  readonly outboxes?: readonly DatabaseSync[];
  readonly seen?: string[];
  readonly logger?: Logger;
}

export function program({ store, outboxes = [], seen = [], logger = silentLogger }: ProgramOptions) {
  return open({
    store,
    outboxes,
    environment: { logger },
    events: [Placed],
    consumers: [defineConsumer({ name: 'seen', on: Placed, handle: ({ event }) => void seen.push(event.id) })],
  });
}

export type Program = Awaited<ReturnType<typeof program>>;

export const order = (id: string, total = 1) => ({ event: Placed, data: { order: id, total }, options: { id } });

/** Ids of all orders in the log, in its order. */
export async function recorded(system: Program): Promise<string[]> {
  const ids: string[] = [];
  for (let after = START; ;) {
    const { events } = await system.events.read({ types: [Placed.type], after, limit: 1_000 });
    ids.push(...events.map(({ id }) => id));
    const last = events.at(-1);
    if (last === undefined) return ids;
    after = last.position;
  }
}

export async function refusals(system: Program) {
  return (await system.events.read({ types: ['thereupon.outbox.refused'], limit: 100 })).events;
}

/** Entries that are still in a database. */
export function waiting(database: DatabaseSync): number {
  return database.prepare('SELECT number FROM thereupon_outbox').all().length;
}

export async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await holds())) await waitFor(systemClock, 5);
}

/** Runs the statements of a transaction around the work, as a program would. */
export async function transaction(database: DatabaseSync, work: () => Promise<unknown>): Promise<void> {
  database.exec('BEGIN');
  await work();
  database.exec('COMMIT');
}

/** A logger that keeps its warnings. */
export function warnings(): { readonly logger: Logger; readonly said: string[] } {
  const said: string[] = [];
  const logger = { ...silentLogger, warn: (_fields: unknown, message: string) => void said.push(message) };
  return { logger, said };
}
