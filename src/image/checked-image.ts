import { InvalidInput } from '../errors.ts';
import { RECORDS } from './image-record.ts';
import { CONTENT_KINDS, IMAGE_FORMAT } from './store-image.ts';
import type { ContentKind, ImageCounts, ImageKind, ImageRecord, RecordOf } from './store-image.ts';

/** Takes records of one kind after the other. `end` is called when all are known to be there. */
export type ImageWriter = {
  readonly [Kind in ImageKind]: (records: readonly RecordOf<Kind>[]) => void | Promise<void>;
};

/**
 * Hands the records of an image to a writer, in runs of one kind, each checked and whole: members that JSON left out are there, undefined.
 *
 * Guarantee `end` is handed over only when kinds and positions came in their order, and as many records as it says.
 * Errors    InvalidInput names the number of the record, which is that of its line in a file; what the records or the writer throw.
 */
export async function writeImage(
  records: AsyncIterable<readonly unknown[]>,
  writer: ImageWriter,
): Promise<ImageCounts> {
  const check = new ImageCheck();
  for await (const page of records) {
    let run: ImageRecord[] = [];
    for (const given of page) {
      const record = check.next(given);
      if (run[0] !== undefined && run[0].kind !== record.kind) {
        await handOver(writer, run);
        run = [];
      }
      run.push(record);
    }
    await handOver(writer, run);
  }
  return check.end();
}

async function handOver(writer: ImageWriter, run: readonly ImageRecord[]): Promise<void> {
  const [first] = run;
  if (first === undefined) return;
  const write = writer[first.kind] as (records: readonly ImageRecord[]) => void | Promise<void>;
  await write.call(writer, run);
}

const ORDER: readonly ImageKind[] = ['head', ...(Object.keys(CONTENT_KINDS) as ContentKind[]), 'end'];

/** Goes along with an image: knows what has come, and what may come next. */
class ImageCheck {
  readonly #counts = Object.fromEntries(Object.keys(CONTENT_KINDS).map((kind) => [kind, 0])) as Record<
    ContentKind,
    number
  >;
  #number = 0;
  #kind: ImageKind | undefined;
  #head = 0;
  #last = 0;

  next(given: unknown): ImageRecord {
    this.#number += 1;
    const path = `record ${this.#number} of the image`;
    const kind = (given as { kind?: unknown } | null | undefined)?.kind as ImageKind;
    if (this.#kind === 'end') throw new InvalidInput({ path, expected: 'nothing after the last record', found: given });
    if (!ORDER.includes(kind))
      throw new InvalidInput({ path: `${path}, kind`, expected: `one of ${ORDER.join(', ')}`, found: kind });
    this.#follow(kind, path);
    if (kind === 'head') assertFormat(given, path);
    const record = RECORDS[kind](given, `${path} (${kind})`);
    this.#count(record, path);
    return record;
  }

  end(): ImageCounts {
    if (this.#kind !== 'end')
      throw new InvalidInput({
        path: 'the image',
        expected: 'a last record that says how many there are; it is cut off',
        found: this.#kind === undefined ? undefined : `${this.#number} records, the last one of kind ${this.#kind}`,
      });
    return this.#counts;
  }

  #follow(kind: ImageKind, path: string): void {
    const before = this.#kind;
    const isFirst = before === undefined;
    const inOrder = isFirst ? kind === 'head' : kind !== 'head' && ORDER.indexOf(kind) >= ORDER.indexOf(before);
    if (!inOrder)
      throw new InvalidInput({
        path: `${path}, kind`,
        expected: isFirst ? 'head' : `not before ${before}`,
        found: kind,
      });
    if (kind !== before) this.#last = 0;
    this.#kind = kind;
  }

  #count(record: ImageRecord, path: string): void {
    if (record.kind === 'head') this.#head = record.position;
    else if (record.kind === 'end') this.#compare(record.counts, path);
    else this.#counts[record.kind] += 1;
    if (record.kind !== 'event' && record.kind !== 'removed') return;
    if (record.position <= this.#last || record.position > this.#head)
      throw new InvalidInput({
        path: `${path}, position`,
        expected: `above ${this.#last}, at most ${this.#head}`,
        found: record.position,
      });
    this.#last = record.position;
  }

  #compare(counts: ImageCounts, path: string): void {
    for (const kind of Object.keys(CONTENT_KINDS) as ContentKind[])
      if (counts[kind] !== this.#counts[kind])
        throw new InvalidInput({
          path: `${path}, counts.${kind}`,
          expected: `${this.#counts[kind]}, as many as there are`,
          found: counts[kind],
        });
  }
}

/** Before anything else of it is understood. */
function assertFormat(given: unknown, path: string): void {
  const { format } = given as { format?: unknown };
  if (format === IMAGE_FORMAT) return;
  const expected = `${IMAGE_FORMAT}, which is what this version of thereupon reads`;
  throw new InvalidInput({ path: `${path}, format`, expected, found: format });
}
