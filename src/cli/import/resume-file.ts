import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import type { Terminal } from '../terminal.ts';
import type { Place } from './groups.ts';

/** What an import has done, so that the next one with the same input goes on there. */
export interface Progressed {
  readonly place: Place;
  readonly rows: number;
  readonly events: number;
  readonly recorded: number;
  readonly duplicates: number;
  readonly skipped: number;
  /** The last event that was acknowledged: a store without it is not the one that was written to. */
  readonly last?: { readonly source: string; readonly id: string };
}

/**
 * Remembers how far an import came, in a file that is gone when the import is done.
 *
 * Guarantee Replaced whole, and only after what it speaks of is durable in the store: a kill at any instant leaves a place from which
 *           nothing is missed. What is sent again is known to the store by its ids.
 */
export class ResumeFile {
  readonly path: string;
  readonly #identity: string;

  constructor(file: string, identity: string) {
    this.path = file;
    this.#identity = digest(identity);
  }

  /** Undefined when there is nothing to go on from: no file, or one that speaks of other input. */
  read(): Progressed | undefined {
    try {
      const found = JSON.parse(readFileSync(this.path, 'utf8')) as Progressed & { readonly identity?: unknown };
      return found.identity === this.#identity ? found : undefined;
    } catch {
      // Not there, or not from here: then the import begins at the beginning, which is always right.
      return undefined;
    }
  }

  write(progressed: Progressed): void {
    mkdirSync(path.dirname(this.path), { recursive: true });
    const next = `${this.path}.new`;
    writeFileSync(next, JSON.stringify({ identity: this.#identity, ...progressed }));
    renameSync(next, this.path);
  }

  remove(): void {
    rmSync(this.path, { force: true });
  }
}

/** Beside the store that the events go to, or in the user's state folder for a store on another machine. */
export function resumeFileFor(
  target: { readonly storeFile: string | undefined; readonly where: string },
  identity: string,
  { env }: Pick<Terminal, 'env'>,
): ResumeFile {
  const name = `import-${digest(`${target.storeFile ?? target.where}\n${identity}`).slice(0, 16)}.json`;
  const states = env['XDG_STATE_HOME'] ?? path.join(homedir(), '.local', 'state');
  const file = target.storeFile === undefined ? path.join(states, 'thereupon', name) : `${target.storeFile}.${name}`;
  return new ResumeFile(file, identity);
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
