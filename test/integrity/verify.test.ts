import { generateKeyPairSync } from 'node:crypto';
import { copyFileSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signHead, verifyStore } from '../../src/index.ts';
import type { Finding } from '../../src/index.ts';
import type { Log } from './tampering.ts';
import { chainAnew, foundAfter, onFile, openAt, tamper, tell } from './tampering.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const EVENTS = 300;
/** Removed by order of their streams, retention or whoever deletes: note-0 whole, tale-1 below version 10. */
let folder: string;
let original: string;
let removed: readonly number[];

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'thereupon-'));
  original = path.join(folder, 'original.db');
  const log = await openAt(original);
  await tell(log, 1, EVENTS);
  const before = await positions(log);
  await log.deleteStream('note-0');
  await log.truncateStream('tale-1', 10);
  const after = new Set(await positions(log));
  removed = before.filter((place) => !after.has(place));
  await log.close();
});
afterAll(() => rmSync(folder, { recursive: true }));

async function positions(log: Log): Promise<readonly number[]> {
  return (await log.events.read({ limit: 1_000 })).events.map(({ position }) => position);
}

/** On a copy, so that each is tampered with once. */
async function tampered(change: (database: DatabaseSync) => void): Promise<Finding | undefined> {
  return onFile(async (file) => {
    copyFileSync(original, file);
    return (await foundAfter(file, change)).finding;
  });
}

const somePosition = fc.integer({ min: 2, max: EVENTS });
/** What is stored of an event, and something else that it could be. */
const COLUMNS: readonly (readonly [column: string, change: string])[] = [
  ['data', `json_set(data, '$.n', -1)`],
  ['data', `data || ' '`],
  ['data', 'NULL'],
  ['time', `'2001-01-01T00:00:00.000Z'`],
  ['id', `'another-' || position`],
  ['stream', `stream || '0'`],
  ['version', 'version + 1000'],
  ['recorded_ms', 'recorded_ms + 1'],
  ['subject', `'somebody else'`],
  ['correlationid', `'another conversation'`],
  ['causationid', `'another cause'`],
  ['attributes', `json_set(coalesce(attributes, '{}'), '$.authid', 'mallory')`],
  ['attributes', `'no JSON'`],
  ['kind', '(SELECT max(kind) FROM kinds WHERE kind <> events.kind)'],
];

describe('a log that keeps a hash chain', () => {
  test('is what was recorded, and says what was removed in order (G14)', async () => {
    const verification = await verifyStore(original);
    expect(verification).toMatchObject({ ok: true, began: 0, finding: undefined, removed: removed.length });
    expect(removed.length).toBeGreaterThan(10);
    expect(verification.events + verification.removed).toBe(verification.head?.position);
  });

  test.each(COLUMNS)('shows the first event whose %s was altered: %s (G14)', async (column, change) => {
    await fc.assert(
      fc.asyncProperty(somePosition, somePosition, async (one, other) => {
        const present = new Set([one, other].filter((place) => !removed.includes(place)));
        fc.pre(present.size > 0);
        const finding = await tampered((database) => {
          for (const place of present)
            database.exec(`UPDATE events SET ${column} = ${change} WHERE position = ${place}`);
        });
        expect(finding).toMatchObject({ kind: 'altered', position: Math.min(...present) });
      }),
      { numRuns: 6 },
    );
  });

  test('shows an event that was removed behind its back, also where its identity says that it was in order (G14)', async () => {
    await fc.assert(
      fc.asyncProperty(somePosition, fc.boolean(), async (place, covered) => {
        fc.pre(!removed.includes(place));
        const finding = await tampered((database) => {
          if (covered)
            database.exec(
              `INSERT INTO retired SELECT id, source, stream, version, position, recorded_ms, 'digest' FROM events WHERE position = ${place}`,
            );
          database.exec(`DELETE FROM events WHERE position = ${place}`);
        });
        expect(finding).toMatchObject({ kind: 'missing', position: place });
        expect(finding?.message).toMatch(new RegExp(`at position ${place} is missing`, 'v'));
      }),
      { numRuns: 15 },
    );
  });

  test('shows an event that was inserted: at the end, where one was removed, between others (G14)', async () => {
    const copy = (to: number) => `INSERT INTO events SELECT ${to}, stream, version + 500, previous, kind, source,
      'inserted', subject, time, recorded_ms, correlationid, causationid, attributes, data FROM events WHERE position = 5`;
    const [hole = 0] = removed;
    expect(await tampered((database) => database.exec(copy(9_999)))).toMatchObject({
      kind: 'inserted',
      position: 9_999,
    });
    const again = await tampered((database) => database.exec(copy(hole)));
    expect(again).toMatchObject({ kind: 'inserted', position: hole, event: { id: 'inserted' } });
    const between = await tampered((database) => {
      database.exec(`UPDATE events SET position = -position WHERE position >= 50;
        UPDATE events SET position = 1 - position WHERE position < 0`);
      database.exec(copy(50));
    });
    expect(between).toMatchObject({ kind: 'inserted', position: 50 });
  });

  test('shows that events have moved into the place of one that is gone (G14)', async () => {
    const place = [40, 41, 42].find((one) => ![one, one + 1].some((each) => removed.includes(each))) ?? 0;
    const finding = await tampered((database) => {
      database.exec(`DELETE FROM events WHERE position = ${place}`);
      database.exec(`UPDATE events SET position = -position WHERE position > ${place};
        UPDATE events SET position = -position - 1 WHERE position < 0`);
    });
    expect(finding?.position).toBe(place);
    expect(['missing', 'altered']).toContain(finding?.kind);
  });

  test('shows names that were altered for many events at once (G14)', async () => {
    const renamed = await tampered((database) =>
      database.exec(`UPDATE sources SET name = '/mallory' WHERE name = '/thereupon'`),
    );
    expect(renamed?.kind).toBe('altered');
    const retyped = await tampered((database) =>
      database.exec(`UPDATE kinds SET type = 'tale.changed' WHERE type = 'tale.told'`),
    );
    expect(retyped?.kind).toBe('altered');
  });

  test('shows links that were altered, or are missing (G14)', async () => {
    const links = await onFile(async (file) => {
      copyFileSync(original, file);
      return (await verifyStore(file)).head?.number ?? 0;
    });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: links - 1 }),
        fc.constantFrom(
          'entries = zeroblob(length(entries))',
          'hash = zeroblob(32)',
          'place = place + 1',
          'recorded_ms = recorded_ms + 1',
          'kind = (kind + 1) % 3',
        ),
        async (link, change) => {
          const altered = await tampered((database) =>
            database.exec(`UPDATE chain_links SET ${change} WHERE number = ${link}`),
          );
          expect(altered?.kind).toBe('chain-altered');
        },
      ),
      { numRuns: 20 },
    );
    const missing = await tampered((database) => database.exec(`DELETE FROM chain_links WHERE number = 7`));
    expect(missing).toMatchObject({ kind: 'chain-altered', message: 'link 7 of the hash chain is missing' });
  });

  test('is verified beside somebody who writes, and beside retention (G14)', async () => {
    await onFile(async (file) => {
      const log = await openAt(file);
      await tell(log, 1, 500);
      const over = new AbortController();
      const writing = (async () => {
        for (let n = 501; !over.signal.aborted; n += 20) {
          await tell(log, n, n + 19);
          await log.truncateStream(`tale-${n % 7}`, n);
        }
      })();
      for (let times = 0; times < 15; times += 1) {
        expect(await log.integrity.verify()).toMatchObject({ ok: true });
        expect(await verifyStore(file)).toMatchObject({ ok: true });
      }
      over.abort();
      await writing;
      await log.close();
      expect(await verifyStore(file)).toMatchObject({ ok: true });
    });
  });

  test('can be stopped, and says how far it is', async () => {
    const stop = new AbortController();
    const seen: number[] = [];
    const stopped = verifyStore(original, {
      signal: stop.signal,
      onProgress({ position, upTo }) {
        seen.push(position / upTo);
        stop.abort(new Error('enough'));
      },
    });
    await expect(stopped).rejects.toThrow('enough');
    expect(seen).toHaveLength(1);
  });

  test('is told apart from one that keeps none', async () => {
    await onFile(async (file) => {
      const log = await openAt(file, false);
      await tell(log, 1, 3);
      await expect(log.integrity.verify()).rejects.toThrow(
        /keeps no hash chain; open its program with tamperEvidence: true/v,
      );
      await log.close();
    });
  });

  test('attests what was there before as it was found, and reports where it began (G11, G14)', async () => {
    await onFile(async (file) => {
      const before = await openAt(file, false);
      await tell(before, 1, 30);
      await before.close();
      const log = await openAt(file);
      const { events } = await log.events.read({ types: ['thereupon.chain.began'] });
      expect(events[0]?.data).toEqual({ position: 30 });
      await log.close();
      // Who does not ask for a chain keeps it all the same.
      const later = await openAt(file, false);
      await tell(later, 31, 40);
      await later.close();
      expect(await verifyStore(file)).toMatchObject({ ok: true, began: 30, events: 41 });
      tamper(file, (database) => database.exec(`UPDATE events SET time = '2001-01-01T00:00:00Z' WHERE position = 12`));
      expect((await verifyStore(file)).finding).toMatchObject({ kind: 'altered', position: 12 });
    });
  });
});

describe('a signed head', () => {
  const pem = ({ publicKey, privateKey }: ReturnType<typeof generateKeyPairSync>) => ({
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  });
  const keys = pem(generateKeyPairSync('ed25519'));
  const others = pem(generateKeyPairSync('ed25519'));

  test('shows later that the log still begins with what it held then (G14)', async () => {
    await onFile(async (file) => {
      const log = await openAt(file);
      await tell(log, 1, 20);
      const head = JSON.parse(JSON.stringify(await log.integrity.signHead(keys.privateKey))) as unknown;
      await tell(log, 21, 40);
      const signed = { head, publicKey: keys.publicKey };
      expect(await log.integrity.verify({ signed })).toMatchObject({ ok: true });
      await log.close();
      expect(await verifyStore(file, { signed })).toMatchObject({ ok: true });
    });
  });

  test('shows that the newest events are gone, with their links (G14)', async () => {
    await onFile(async (file) => {
      const log = await openAt(file);
      await tell(log, 1, 20);
      const early = await log.integrity.head();
      await tell(log, 21, 40);
      const head = await log.integrity.signHead(keys.privateKey);
      await log.close();
      tamper(file, (database) => {
        database.exec(
          `DELETE FROM events WHERE position > ${early.position}; DELETE FROM chain_links WHERE number > ${early.number}`,
        );
      });
      expect(await verifyStore(file)).toMatchObject({ ok: true });
      const { finding } = await verifyStore(file, { signed: { head, publicKey: keys.publicKey } });
      expect(finding).toMatchObject({ kind: 'head-differs', position: head.position });
    });
  });

  test('shows a chain that was made anew over another history (G14)', async () => {
    await onFile(async (file) => {
      const log = await openAt(file);
      await tell(log, 1, 20);
      const head = await log.integrity.signHead(keys.privateKey);
      await log.close();
      tamper(file, (database) => database.exec(`UPDATE events SET time = '2001-01-01T00:00:00Z' WHERE position = 3`));
      await chainAnew(file);
      expect(await verifyStore(file)).toMatchObject({ ok: true });
      const { finding } = await verifyStore(file, { signed: { head, publicKey: keys.publicKey } });
      expect(finding?.kind).toBe('head-differs');
    });
  });

  test('is refused when it, or its key, is not what it must be, with the reason', async () => {
    const log = await openAt('memory:');
    await tell(log, 1, 5);
    const head = await log.integrity.signHead(keys.privateKey);
    const verify = (given: unknown, publicKey = keys.publicKey) =>
      log.integrity.verify({ signed: { head: given, publicKey } });
    await expect(verify({ ...head, position: head.position + 1 })).rejects.toThrow(
      /head\.signature: .*was changed since/v,
    );
    await expect(verify({ ...head, hash: 'ab'.repeat(32) })).rejects.toThrow(/head\.signature/v);
    await expect(verify({ ...head, hash: 'short' })).rejects.toThrow(/head\.hash: expected 64 lower-case/v);
    await expect(verify({ ...head, format: 2 })).rejects.toThrow(/head\.format: expected 1/v);
    await expect(verify(undefined)).rejects.toThrow(/head: expected a signed head/v);
    await expect(verify(head, others.publicKey)).rejects.toThrow(/head\.key/v);
    await expect(verify(head, keys.privateKey)).rejects.toThrow(
      /publicKey: .*that is a private key; give the public one, and keep the private one elsewhere/v,
    );
    await expect(verify(head, 'no key')).rejects.toThrow(/publicKey: expected an Ed25519 public key as PEM/v);
    const rsa = pem(generateKeyPairSync('rsa', { modulusLength: 2_048 }));
    expect(() =>
      signHead({ number: 1, position: head.position as never, hash: head.hash, recordedMs: 0 }, rsa.privateKey, 0),
    ).toThrow(/privateKey: expected an Ed25519 private key as PEM, found "one of type rsa"/v);
    await log.close();
  });
});
