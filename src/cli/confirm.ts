import type { Terminal } from './terminal.ts';

/** An answer is no longer than this. */
const MAX_ANSWER_BYTES = 1_024;

/** Whether whoever sits at the terminal types yes. */
export async function isYes(terminal: Terminal): Promise<boolean> {
  let said = '';
  for await (const bytes of terminal.input()) {
    said += Buffer.from(bytes).toString('utf8');
    if (said.includes('\n') || said.length > MAX_ANSWER_BYTES) break;
  }
  return said.trim().toLowerCase() === 'yes';
}
