import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { BenchOrderPlaced, orderNumber, rawEvent } from './shop-event.ts';

/** Events a second that plain appends reach, `batch` of them before each fdatasync. */
export function rawAppendRate(file: string, batch: number, seconds = 1): number {
  const bytes = Buffer.concat(Array.from({ length: batch }, (_, n) => rawEvent(n)));
  const handle = openSync(file, 'w');
  try {
    let events = 0;
    const begin = performance.now();
    const end = begin + seconds * 1_000;
    while (performance.now() < end) {
      writeSync(handle, bytes);
      fdatasyncSync(handle);
      events += batch;
    }
    return (events / (performance.now() - begin)) * 1_000;
  } finally {
    closeSync(handle);
    rmSync(file, { force: true });
  }
}

/**
 * Events a second that plain appends reach when each event passes its schema and is written as JSON first, `batch` of them before
 * each fdatasync: no ids, no streams, no index, no store. What a program in Node that validates can reach at all.
 */
export function validatedAppendRate(file: string, batch: number, seconds = 1): number {
  const handle = openSync(file, 'w');
  try {
    let events = 0;
    const begin = performance.now();
    const end = begin + seconds * 1_000;
    while (performance.now() < end) {
      let text = '';
      for (let n = 0; n < batch; n += 1) {
        const checked = BenchOrderPlaced.schema['~standard'].validate(orderNumber(events));
        if (checked instanceof Promise || checked.issues !== undefined)
          throw new Error('The event of the bench is valid');
        text += `${JSON.stringify(checked.value)}\n`;
        events += 1;
      }
      writeSync(handle, text);
      fdatasyncSync(handle);
    }
    return (events / (performance.now() - begin)) * 1_000;
  } finally {
    closeSync(handle);
    rmSync(file, { force: true });
  }
}

/**
 * Events a second that node:sqlite alone reaches with rows and one unique index of identities, `batch` of them in each synced
 * transaction: no validation, no ids, no JSON, no streams.
 */
export function sqliteAppendRate(file: string, batch: number, seconds = 1): number {
  const remove = () => {
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true });
  };
  remove();
  const database = new DatabaseSync(file);
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    database.exec(
      'CREATE TABLE events (position INTEGER PRIMARY KEY, stream TEXT, version INTEGER, id TEXT, data TEXT)',
    );
    database.exec('CREATE UNIQUE INDEX events_by_id ON events (id)');
    const insert = database.prepare('INSERT INTO events VALUES (?, ?, ?, ?, ?)');
    const texts = Array.from({ length: batch }, (_, n) => rawEvent(n).toString());
    let events = 0;
    const begin = performance.now();
    const end = begin + seconds * 1_000;
    while (performance.now() < end) {
      database.exec('BEGIN IMMEDIATE');
      for (const text of texts) {
        events += 1;
        insert.run(events, `order-${events % 20_000}`, 1, `019ac0de-${events.toString().padStart(28, '0')}`, text);
      }
      database.exec('COMMIT');
    }
    return (events / (performance.now() - begin)) * 1_000;
  } finally {
    database.close();
    remove();
  }
}

/**
 * Streams a second that node:sqlite alone reads and folds, of `events` events each that were written in turns: rows and one index, what is read is
 * parsed as JSON, and a total is taken.
 */
export function sqliteFoldRate(file: string, streams: number, events: number): number {
  const remove = () => {
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true });
  };
  remove();
  const database = new DatabaseSync(file);
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA cache_size = -65536');
    database.exec('CREATE TABLE events (position INTEGER PRIMARY KEY, stream TEXT, version INTEGER, data TEXT)');
    database.exec('CREATE UNIQUE INDEX events_by_stream ON events (stream, version)');
    const insert = database.prepare('INSERT INTO events (stream, version, data) VALUES (?, ?, ?)');
    database.exec('BEGIN');
    for (let version = 1; version <= events; version += 1)
      for (let stream = 0; stream < streams; stream += 1)
        insert.run(`order-s${stream}`, version, JSON.stringify(orderNumber(stream)));
    database.exec('COMMIT');
    const read = database.prepare('SELECT version, data FROM events WHERE stream = ? ORDER BY version');
    read.setReturnArrays(true);
    let total = 0;
    const begin = performance.now();
    for (let stream = 0; stream < streams; stream += 1)
      for (const row of read.all(`order-s${stream}`) as unknown as readonly (readonly [number, string])[])
        total += (JSON.parse(row[1]) as { readonly total: number }).total;
    const seconds = (performance.now() - begin) / 1_000;
    if (!(total > 0)) throw new Error(`expected a total of ${streams} streams, found ${total}`);
    return streams / seconds;
  } finally {
    database.close();
    remove();
  }
}
