import { DatabaseSync } from 'node:sqlite';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { defineEvent, open } from '../../src/index.ts';
import type { StoreFactory, Verification } from '../../src/index.ts';
import { verifyStore } from '../../src/index.ts';
import { silentLogger } from '../../src/system/logger.ts';
import type { Logger } from '../../src/system/logger.ts';

const Told = defineEvent({
  type: 'tale.told',
  stream: ({ tale }) => `tale-${tale}`,
  schema: z.object({ tale: z.number(), n: z.number(), text: z.string() }),
});
const Noted = defineEvent({
  type: 'note.made',
  stream: ({ note }) => `note-${note}`,
  schema: z.object({ note: z.number(), n: z.number() }),
});

export const openAt = (store: string | StoreFactory, tamperEvidence = true, logger: Logger = silentLogger) =>
  open({ store, events: [Told, Noted], tamperEvidence, environment: { logger } });
export type Log = Awaited<ReturnType<typeof openAt>>;

/** Facts in writes of various sizes: their positions follow one another. */
export async function tell(log: Log, from: number, to: number): Promise<void> {
  for (let n = from; n <= to;) {
    const size = 1 + (n % 5);
    const facts = Array.from({ length: Math.min(size, to - n + 1) }, (_, index) =>
      (n + index) % 3 === 0
        ? {
            event: Noted,
            data: { note: n % 4, n: n + index },
            options: { actor: { type: 'user', id: 'anna' } as const },
          }
        : { event: Told, data: { tale: n % 7, n: n + index, text: `text ${n + index} ü\u0000` } },
    );
    await log.publishAll(facts);
    n += facts.length;
  }
}

/** A file in a folder of its own, gone when the work is over. */
export async function onFile<Result>(work: (file: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(path.join(tmpdir(), 'thereupon-'));
  try {
    return await work(path.join(folder, 'store.db'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Behind the back of the program. */
export function tamper(file: string, change: (database: DatabaseSync) => void): void {
  const database = new DatabaseSync(file);
  try {
    change(database);
  } finally {
    database.close();
  }
}

/** What is found when somebody has tampered with a store that is not open. */
export async function foundAfter(file: string, change: (database: DatabaseSync) => void): Promise<Verification> {
  tamper(file, change);
  return verifyStore(file);
}

/** A chain that is right in itself over whatever the log holds now: what somebody who knows how it is made, and what tells of it, can do. */
export async function chainAnew(file: string): Promise<void> {
  tamper(file, (database) => {
    database.exec('DELETE FROM chain_links');
    for (const table of ['events', 'stream_heads'])
      database.exec(`DELETE FROM ${table} WHERE stream = 'thereupon-chain'`);
  });
  const log = await openAt(file);
  await log.close();
}
