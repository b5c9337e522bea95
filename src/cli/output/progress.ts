import type { Terminal } from '../terminal.ts';
import { paintFor } from './text.ts';

const REDRAW_MS = 100;
/** Where nobody looks at a terminal, a line now and then is enough. */
const PLAIN_LINE_MS = 5_000;
const BAR = 20;

/** A line that says how far something is: redrawn in place on a terminal, a line now and then elsewhere. */
export class Progress {
  readonly #terminal: Terminal;
  #lastMs: number;
  #drawn = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    this.#lastMs = terminal.now();
  }

  /** `done` from 0 to 1, or undefined when the whole is not known. */
  update(done: number | undefined, text: () => string): void {
    const nowMs = this.#terminal.now();
    const inPlace = this.#terminal.err.isTerminal;
    if (nowMs - this.#lastMs < (inPlace ? REDRAW_MS : PLAIN_LINE_MS)) return;
    this.#lastMs = nowMs;
    if (inPlace) {
      this.#terminal.note(`\r\u001b[K${barOf(done, this.#terminal)}${text()}`);
      this.#drawn = true;
    } else {
      this.#terminal.note(`${done === undefined ? '' : `${percent(done)}  `}${text()}\n`);
    }
  }

  /** A remark, above the bar. */
  note(text: string): void {
    this.clear();
    this.#terminal.note(`${text}\n`);
  }

  clear(): void {
    if (this.#drawn) this.#terminal.note('\r\u001b[K');
    this.#drawn = false;
  }
}

function barOf(done: number | undefined, terminal: Terminal): string {
  if (done === undefined) return '';
  const paint = paintFor(terminal.err);
  const full = Math.min(BAR, Math.floor(done * BAR));
  return `${paint('green', '━'.repeat(full))}${paint('dim', '─'.repeat(BAR - full))} ${percent(done)}  `;
}

function percent(done: number): string {
  return `${String(Math.floor(Math.min(1, done) * 100)).padStart(3)} %`;
}
