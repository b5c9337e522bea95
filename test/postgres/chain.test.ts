import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { postgres } from '../../src/backends/postgres/postgres.ts';
import { verifyStore } from '../../src/index.ts';
import { openAt as openLog, tell } from '../integrity/tampering.ts';
import { ownServer } from './own-server.ts';

const { server, newSchema } = ownServer('chain');

const storeAt = (schema: string, eventsPerPartition = 10_000) =>
  postgres(`${server.url}?schema=${schema}`, { eventsPerPartition });
const openAt = (schema: string, tamperEvidence = true, eventsPerPartition?: number) =>
  openLog(storeAt(schema, eventsPerPartition), tamperEvidence);

async function change(schema: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: server.url, options: `-c search_path=${schema}` });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

describe('the hash chain on PostgreSQL', () => {
  test('is kept by nodes that did not know of it, from the moment at which another one begins it (G13, G14)', async () => {
    const schema = newSchema();
    const first = await openAt(schema, false);
    const second = await openAt(schema, false);
    await tell(first, 1, 50);
    let third: Awaited<ReturnType<typeof openAt>> | undefined;
    const publishing = [first, second].map(async (log, index) => {
      let n = 100 + index * 10_000;
      // While the chain begins, and after it has.
      for (let after = 0; after < 20; n += 10) {
        await tell(log, n, n + 9);
        if (third !== undefined) after += 1;
      }
    });
    third = await openAt(schema);
    await Promise.all(publishing);
    const { began, head } = await third.integrity.verify();
    expect(began).toBeGreaterThanOrEqual(50);
    expect(await third.integrity.verify()).toMatchObject({ ok: true, events: head?.position });
    expect(await verifyStore(storeAt(schema))).toMatchObject({ ok: true });
    for (const log of [first, second, third]) await log.close();
  });

  test('knows what retention removes, whole tables too (G14)', async () => {
    const schema = newSchema();
    const log = await openAt(schema, true, 100);
    for (let n = 1; n <= 900; n += 30) await tell(log, n, n + 29);
    await log.truncateStream('note-1', 20);
    const rules = ['tale', 'note', 'thereupon'].map((category) => ({ category, maxCount: 60 }));
    const outcomes = await log.applyRetention({ rules, force: true });
    expect(outcomes.reduce((sum, { removed }) => sum + removed, 0)).toBeGreaterThan(500);
    await tell(log, 901, 950);
    const verification = await log.integrity.verify();
    expect(verification).toMatchObject({ ok: true, began: 0 });
    expect(verification.events + verification.removed).toBe(verification.head?.position);
    await log.close();
  });

  test.each([
    ['altered', `UPDATE events SET data = replace(data, '"n":', '"n":1') WHERE position = 33`, 33],
    ['altered', `UPDATE events SET "time" = '2001-01-01T00:00:00Z' WHERE position = 20`, 20],
    ['altered', `UPDATE events SET recorded_ms = recorded_ms + 1 WHERE position >= 40`, 40],
    ['missing', `DELETE FROM events WHERE position = 27`, 27],
    [
      'inserted',
      `INSERT INTO events (position, stream, version, lane, type, schema_version, source, id, subject, "time", recorded_ms, encoding, attributes, data)
SELECT 999, stream, 999, lane, type, schema_version, source, 'inserted', subject, "time", recorded_ms, encoding, attributes, data FROM events WHERE position = 5`,
      999,
    ],
    ['chain-altered', `UPDATE chain_links SET entries = entries || '\\x00' WHERE number = 3`, undefined],
  ])('shows what was %s behind its back: %s (G14)', async (kind, sql, place) => {
    const schema = newSchema();
    const log = await openAt(schema);
    await tell(log, 1, 60);
    expect(await log.integrity.verify()).toMatchObject({ ok: true });
    await change(schema, sql);
    const { finding } = await log.integrity.verify();
    expect(finding).toMatchObject(place === undefined ? { kind } : { kind, position: place });
    await log.close();
  });

  test('shows an event that was removed in order and is put back as it was, and one below the first place (G14)', async () => {
    const schema = newSchema();
    const log = await openAt(schema);
    await tell(log, 1, 60);
    const place = (await log.events.readStream('tale-1')).events[1]?.position;
    await change(schema, `CREATE TABLE kept AS SELECT * FROM events WHERE position = ${place}`);
    await log.truncateStream('tale-1', 4);
    expect(await log.integrity.verify()).toMatchObject({ ok: true });
    await change(schema, 'INSERT INTO events SELECT * FROM kept');
    expect((await log.integrity.verify()).finding).toMatchObject({ kind: 'inserted', position: place });
    await change(schema, `DELETE FROM events WHERE position = ${place}; UPDATE kept SET position = -5`);
    await change(
      schema,
      `CREATE TABLE events_below PARTITION OF events FOR VALUES FROM (-10) TO (1); INSERT INTO events SELECT * FROM kept`,
    );
    expect((await log.integrity.verify()).finding).toMatchObject({ kind: 'inserted', position: -5 });
    await log.close();
  });

  test('takes no event for one that was put back whose table is about to be dropped (G14)', async () => {
    const schema = newSchema();
    const log = await openAt(schema, true, 20);
    for (let n = 1; n <= 60; n += 5) await tell(log, n, n + 4);
    // As a process leaves it that ends between what it attests and what it drops.
    await change(
      schema,
      `BEGIN; SELECT add_link(2, l.position, l.recorded_ms, int8send(p.first) || int8send(p.last)) FROM log_head AS l, partitions AS p
WHERE p.first = (SELECT min(first) FROM partitions);
UPDATE partitions SET dropping = true WHERE first = (SELECT min(first) FROM partitions); COMMIT`,
    );
    expect(await log.integrity.verify()).toMatchObject({ ok: true });
    await change(schema, 'UPDATE partitions SET dropping = false');
    expect((await log.integrity.verify()).finding?.kind).toBe('inserted');
    await log.close();
  });

  test('shows that it was removed (G14)', async () => {
    const schema = newSchema();
    const log = await openAt(schema);
    await tell(log, 1, 20);
    await log.close();
    await change(schema, 'DELETE FROM chain_links; UPDATE log_head SET chained = false');
    const { finding } = await verifyStore(storeAt(schema));
    expect(finding).toMatchObject({ kind: 'chain-removed', position: 1 });
    await (await openAt(schema)).close();
    expect((await verifyStore(storeAt(schema))).finding).toMatchObject({ kind: 'chain-removed', position: 1 });
  });

  test('lets nobody append who does not attest what he appends, and loses nothing by that (G14)', async () => {
    const schema = newSchema();
    const log = await openAt(schema);
    await tell(log, 1, 5);
    const append = change(schema, 'UPDATE log_head SET position = position + 1');
    await expect(append).rejects.toThrow(/keeps a hash chain, and nothing is appended to it without a link/v);
    await tell(log, 6, 10);
    expect(await log.integrity.verify()).toMatchObject({ ok: true });
    await log.close();
  });
});
