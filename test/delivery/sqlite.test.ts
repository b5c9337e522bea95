import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sqlite } from '../../src/backends/sqlite/sqlite.ts';
import { enrolInDelivery } from './bind.ts';

enrolInDelivery('sqlite', () => {
  const folder = mkdtempSync(join(tmpdir(), 'thereupon-'));
  return { factory: sqlite(join(folder, 'store.db')), dispose: () => rmSync(folder, { recursive: true }) };
});
