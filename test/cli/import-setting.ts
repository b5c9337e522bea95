import { writeFileSync } from 'node:fs';
import { sqlite } from '../../src/backends/sqlite/sqlite.ts';
import { runProgram } from '../../src/cli/program.ts';
import { open } from '../../src/index.ts';
import type { EventPage, RecordedEvent } from '../../src/index.ts';
import { memoryTerminal } from './memory-terminal.ts';
import type { ScratchFolder } from './spawn-cli.ts';

export const MAPPING = {
  columns: { quantity: 'integer', price: { type: 'decimal', scale: 2 }, at: { type: 'date', zone: 'Z' } },
  events: [
    {
      id: 'line-{line}',
      source: '/orders',
      type: 'shop.line.added',
      subject: 'order-{order}',
      time: '{at}',
      data: { order: '{order}', quantity: '{quantity}', pence: '{price}', note: '{note}' },
    },
  ],
};
export const GROUPED = {
  columns: { quantity: 'integer' },
  group: { by: 'order', order: ['line'] },
  events: [
    {
      id: 'order-{order}',
      source: '/orders',
      type: 'shop.order.placed',
      subject: 'order-{order}',
      data: { lines: { $each: '{line}' }, quantity: { $sum: '{quantity}' } },
    },
  ],
};
export const HEADER = 'line,order,quantity,price,at,note\n';

export const row = (line: number, order = line % 50, quantity: string | number = 1) =>
  `${line},${order},${quantity},9.95,2011-01-01 10:00:00,\n`;
export const rows = (count: number) => Array.from({ length: count }, (_, index) => row(index + 1)).join('');

export function prepared(
  folder: ScratchFolder,
  files: Readonly<Record<string, string>>,
  mapping: unknown = MAPPING,
): void {
  writeFileSync(folder.file('mapping.json'), JSON.stringify(mapping));
  for (const [name, content] of Object.entries(files)) writeFileSync(folder.file(name), content);
}

export async function importing(folder: ScratchFolder, ...args: readonly string[]) {
  const terminal = memoryTerminal({ cwd: folder.path });
  const code = await runProgram(['import', '--store', 'events.db', '--json', ...args], terminal);
  const stdout = terminal.stdout();
  return {
    code,
    stdout,
    stderr: terminal.stderr().replace(/^\{"error":.*$/m, inWords),
    result: stdout === '' ? undefined : (JSON.parse(stdout) as Record<string, unknown>),
  };
}

/** A failure that was told as JSON. */
function inWords(line: string): string {
  return `error: ${(JSON.parse(line) as { error: { message: string } }).error.message}`;
}

export async function eventsIn(folder: ScratchFolder): Promise<readonly RecordedEvent[]> {
  await using system = await open({ store: sqlite(folder.file('events.db'), { readOnly: true }) });
  const events: RecordedEvent[] = [];
  for (let after: number | undefined = 0; after !== undefined;) {
    const page: EventPage = await system.events.read({ after, limit: 1_000 });
    events.push(...page.events);
    after = page.next;
  }
  return events;
}
