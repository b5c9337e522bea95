/** Whoever can write to the store takes the chain away, or puts back what was removed, and lets the program go on. */
import { generateKeyPairSync } from 'node:crypto';
import type { SQLInputValue } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { verifyStore } from '../../src/index.ts';
import { silentLogger } from '../../src/system/logger.ts';
import { foundAfter, onFile, openAt, tamper, tell } from './tampering.ts';

const WITHOUT_LINKS = `DELETE FROM chain_links; UPDATE events SET data = json_set(data, '$.n', -1) WHERE position = 5`;
const REPORT = { type: 'thereupon.chain.began', stream: 'thereupon-chain', version: 1 };

describe('a chain that was removed', () => {
  test('shows, since the log says that one began, before another one begins and after (G14)', async () => {
    await onFile(async (file) => {
      const log = await openAt(file);
      await tell(log, 1, 20);
      await log.close();
      const gone = await foundAfter(file, (database) => database.exec(WITHOUT_LINKS));
      expect(gone).toMatchObject({ ok: false, events: 0, head: undefined });
      expect(gone.finding).toMatchObject({ kind: 'chain-removed', position: 1, event: REPORT });
      expect(gone.finding?.message).toMatch(
        /at position 1 says that a hash chain began, and the log keeps none any more: compare it with an exact copy/v,
      );
      const told: string[] = [];
      const logger = { ...silentLogger, error: (_fields: object, message: string) => void told.push(message) };
      const again = await openAt(file, true, logger);
      expect(told).toEqual([expect.stringMatching(/^the hash chain of this log was removed: .* at position 1 says/v)]);
      const { finding } = await again.integrity.verify();
      expect(finding).toMatchObject({ kind: 'chain-removed', position: 1, event: REPORT });
      expect(finding?.message).toMatch(/and the one that is there began later, at position 21/v);
      await again.close();
      expect((await verifyStore(file)).finding?.kind).toBe('chain-removed');
    });
  });

  test('shows also where the report that it began is gone, and what the log knows of its stream is not (G14)', async () => {
    await onFile(async (file) => {
      const log = await openAt(file);
      await tell(log, 1, 20);
      await log.truncateStream('thereupon-chain', 2);
      await log.close();
      const gone = await foundAfter(file, (database) => database.exec(WITHOUT_LINKS));
      expect(gone.finding).toMatchObject({ kind: 'chain-removed', position: 0, event: undefined });
      await (await openAt(file)).close();
      const { finding } = await verifyStore(file);
      expect(finding).toMatchObject({ kind: 'chain-removed', position: 22 });
      expect(finding?.message).toMatch(/the stream thereupon-chain has had an earlier report/v);
    });
  });

  test('is not the one of a log whose report was removed in order, nor one that nobody has begun (G14)', async () => {
    await onFile(async (file) => {
      const log = await openAt(file);
      await tell(log, 1, 20);
      await log.truncateStream('thereupon-chain', 2);
      expect(await log.integrity.verify()).toMatchObject({ ok: true, removed: 1 });
      await log.close();
      const told: string[] = [];
      const logger = { ...silentLogger, error: (_fields: object, message: string) => void told.push(message) };
      await (await openAt(file, true, logger)).close();
      expect(told).toEqual([]);
    });
  });

  test('differs from a head that was signed, whether none is there or another one (G14)', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    await onFile(async (file) => {
      const log = await openAt(file);
      await tell(log, 1, 20);
      const head = await log.integrity.signHead(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
      await log.close();
      const signed = { head, publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString() };
      tamper(file, (database) => database.exec(WITHOUT_LINKS));
      const { finding } = await verifyStore(file, { signed });
      expect(finding).toMatchObject({ kind: 'head-differs', position: 21 });
      expect(finding?.message).toMatch(/the log keeps no hash chain, and the signed head is link \d+ of one/v);
      await (await openAt(file)).close();
      expect((await verifyStore(file, { signed })).finding?.kind).toBe('head-differs');
    });
  });

  test('shows beside a signed head of the chain that began in its place (G14)', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    await onFile(async (file) => {
      const log = await openAt(file);
      await tell(log, 1, 20);
      await log.close();
      tamper(file, (database) => database.exec(WITHOUT_LINKS));
      const again = await openAt(file);
      const head = await again.integrity.signHead(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
      const signed = { head, publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString() };
      expect((await again.integrity.verify({ signed })).finding).toMatchObject({ kind: 'chain-removed', position: 1 });
      await again.close();
    });
  });
});

describe('an event that nothing recorded at its place', () => {
  test('shows when it was removed in order, and is put back as it was (G14)', async () => {
    await onFile(async (file) => {
      const log = await openAt(file);
      await tell(log, 1, 60);
      const { events } = await log.events.readStream('tale-1');
      const place = events[1]?.position;
      const rows: Record<string, SQLInputValue>[] = [];
      const keep = (sql: string) =>
        tamper(file, (database) =>
          rows.push(
            ...database
              .prepare(sql)
              .all()
              .map((row) => row as Record<string, SQLInputValue>),
          ),
        );
      keep(`SELECT * FROM events WHERE position = ${place}`);
      await log.truncateStream('tale-1', 4);
      await log.close();
      const [row = {}] = rows;
      const columns = Object.keys(row);
      const { finding } = await foundAfter(file, (database) =>
        database
          .prepare(`INSERT INTO events (${columns.join()}) VALUES (${columns.map(() => '?').join()})`)
          .run(...Object.values(row)),
      );
      expect(finding).toMatchObject({ kind: 'inserted', position: place, event: { stream: 'tale-1', version: 2 } });
      expect(finding?.message).toMatch(/what was recorded here had been removed in order/v);
    });
  });

  test.each(['0', '-5', '-9007199254740993', '-9223372036854775808', '9223372036854775807'])(
    'shows at position %s, where no log has one (G14)',
    async (place) => {
      await onFile(async (file) => {
        const log = await openAt(file);
        await tell(log, 1, 10);
        await log.close();
        const { ok, finding } = await foundAfter(file, (database) =>
          database.exec(`INSERT INTO events SELECT ${place}, stream, 999, 0, kind, source, 'inserted', subject, time, recorded_ms,
            correlationid, causationid, attributes, data FROM events WHERE position = 5`),
        );
        expect(ok).toBe(false);
        if (Number.isSafeInteger(Number(place)))
          expect(finding).toMatchObject({ kind: 'inserted', position: Number(place), event: { id: 'inserted' } });
      });
    },
  );

  test('shows behind the newest link, also when it cannot be read (G14)', async () => {
    await onFile(async (file) => {
      const log = await openAt(file);
      await tell(log, 1, 10);
      await log.close();
      const { finding } = await foundAfter(file, (database) =>
        database.exec(`INSERT INTO events SELECT 99, stream, 999, 0, kind, source, 'inserted', subject, time, recorded_ms,
          correlationid, causationid, 'no JSON', data FROM events WHERE position = 5`),
      );
      expect(finding?.message).toMatch(/^an event behind position 11 cannot be read/v);
    });
  });
});
