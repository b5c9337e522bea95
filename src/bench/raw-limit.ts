import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { rawEvent } from './shop-event.ts';

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
