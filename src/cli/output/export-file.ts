import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { UsageError } from '../failure.ts';
import { placeOfFile } from './whole-file.ts';

/**
 * A file that appears whole: written beside its place and moved there at the end.
 *
 * States    closed → open (what an earlier run left is taken up) → finished (moved into its place), left (for another run) or discarded.
 * Guarantee A reader never sees a part. After a kill at any instant the next run takes up the last whole line.
 */
export class ExportFile {
  readonly #file: string;
  readonly #part: string;
  readonly #what: string;
  readonly #identity: string;
  #handle: FileHandle | undefined;

  /** `identity` says what is exported: only a part of the same is taken up. Errors: UsageError where it is no file that can be replaced. */
  static async at(file: string, identity: string): Promise<ExportFile> {
    const place = await placeOfFile(file);
    if (place.isReplaceable) return new ExportFile(place.file, identity);
    throw new UsageError(
      `--out: expected a file, found a folder, a device or a pipe: ${file}; without --out it is written to standard output`,
    );
  }

  private constructor(file: string, identity: string) {
    this.#file = file;
    this.#part = `${file}.part`;
    this.#what = `${file}.part.json`;
    this.#identity = createHash('sha256').update(identity).digest('hex');
  }

  /** What an earlier run has written: how many events, and the position of the last one. */
  async open(restart: boolean): Promise<{ events: number; position: number | undefined }> {
    await mkdir(path.dirname(this.#file), { recursive: true });
    const same = !restart && (await readFile(this.#what, 'utf8').catch(() => '')) === this.#identity;
    const written = same ? await wholeLines(this.#part) : { events: 0, bytes: 0, last: undefined };
    if (!same) await rm(this.#part, { force: true });
    await writeFile(this.#what, this.#identity);
    this.#handle = await open(this.#part, 'a');
    await this.#handle.truncate(written.bytes);
    const position =
      written.last === undefined ? undefined : (JSON.parse(written.last) as { position: number }).position;
    return { events: written.events, position };
  }

  async append(text: string): Promise<void> {
    await this.#handle?.appendFile(text);
  }

  async finish(): Promise<void> {
    await this.#handle?.sync();
    await this.leave();
    await rename(this.#part, this.#file);
    await rm(this.#what, { force: true });
  }

  async discard(): Promise<void> {
    await this.leave();
    await rm(this.#part, { force: true });
    await rm(this.#what, { force: true });
  }

  async leave(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }
}

const LINE_FEED = 0x0a;

async function wholeLines(file: string): Promise<{ events: number; bytes: number; last: string | undefined }> {
  let events = 0;
  let bytes = 0;
  let last: string | undefined;
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of createReadStream(file)) {
      const buffer = Buffer.concat([rest, chunk as Buffer]);
      let start = 0;
      for (let end = buffer.indexOf(LINE_FEED); end !== -1; end = buffer.indexOf(LINE_FEED, start)) {
        last = buffer.toString('utf8', start, end);
        events += 1;
        start = end + 1;
      }
      bytes += start;
      rest = buffer.subarray(start);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return { events, bytes, last };
}
