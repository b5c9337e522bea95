import type { Logger } from '../../index.ts';
import { clockTime } from '../output/event-line.ts';
import { paintFor, printable } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';

/** Warnings and errors as lines for a person at a terminal; everything below is left out. */
export function consoleLogger(terminal: Terminal, fields: Readonly<Record<string, unknown>> = {}): Logger {
  const line = (level: 'warn' | 'error') => (more: Readonly<Record<string, unknown>>, message: string) => {
    const paint = paintFor(terminal.err);
    const time = paint('dim', clockTime(new Date(terminal.now()).toISOString()));
    terminal.note(
      `${time}  ${paint(level === 'warn' ? 'yellow' : 'red', `  ! ${message}`)}  ${paint('dim', shown({ ...fields, ...more }))}\n`,
    );
  };
  return {
    debug() {},
    info() {},
    warn: line('warn'),
    error: line('error'),
    child: (more) => consoleLogger(terminal, { ...fields, ...more }),
  };
}

function shown(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields)
    .map(
      ([name, value]) =>
        `${name === 'err' ? '' : `${name}=`}${printable(name === 'err' ? errorText(value) : typeof value === 'string' ? value : JSON.stringify(value))}`,
    )
    .join(' ');
}

/** What went wrong in a line; where, the stored dead letter and the structured log know. */
function errorText(value: unknown): string {
  const { name, message } = (value ?? {}) as { readonly name?: unknown; readonly message?: unknown };
  if (typeof message !== 'string') return JSON.stringify(value) ?? String(value);
  return typeof name === 'string' && name !== 'Error' ? `${name}: ${message}` : message;
}
