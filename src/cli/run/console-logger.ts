import type { Logger } from '../../index.ts';
import { clockTime } from '../output/event-line.ts';
import { cut, paintFor, printable, widthOf } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';

/** Said by the live lines already, with what to do about it. */
const SAID_LIVE = /^the event was parked/;

/**
 * Warnings and errors as lines for a person at a terminal, cut to its width; everything below is left out.
 *
 * Shape     live: beside live lines, which say some of it better.
 */
export function consoleLogger(
  terminal: Terminal,
  live: boolean,
  fields: Readonly<Record<string, unknown>> = {},
): Logger {
  const line = (level: 'warn' | 'error') => (more: Readonly<Record<string, unknown>>, message: string) => {
    if (live && SAID_LIVE.test(message)) return;
    const { err } = terminal;
    const paint = paintFor(err);
    const time = clockTime(new Date(terminal.now()).toISOString());
    const what = `  ! ${message}`;
    const room = err.isTerminal ? err.columns - widthOf(time) - widthOf(what) - 4 : Number.POSITIVE_INFINITY;
    const details = shown({ ...fields, ...more });
    terminal.note(
      `${paint('dim', time)}  ${paint(level === 'warn' ? 'yellow' : 'red', what)}  ${paint('dim', room < details.length ? cut(details, Math.max(room, 20)) : details)}\n`,
    );
  };
  return {
    debug() {},
    info() {},
    warn: line('warn'),
    error: line('error'),
    child: (more) => consoleLogger(terminal, live, { ...fields, ...more }),
  };
}

function shown(fields: Readonly<Record<string, unknown>>): string {
  // What went wrong first: the rest may not fit.
  const { err, ...others } = fields;
  const ordered = err === undefined ? others : { consumer: fields['consumer'], err, ...others };
  return Object.entries(ordered)
    .filter(([, value]) => value !== undefined)
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
