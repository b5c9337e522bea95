import { InvalidInput } from '../errors.ts';

/** Longer names are refused: they are the key of an index. */
export const MAX_STREAM_NAME_LENGTH = 512;
/** Longest ordering key, which by default is the stream, in characters. */
export const MAX_KEY_LENGTH = 512;

/** Streams of this category hold what the system reports of itself (G11); consumers get them only when they ask for them. */
export const SYSTEM_CATEGORY = 'thereupon';

/** The part of a stream name before its first `-`: `order-42` belongs to `order`; a name without one is its own category. */
export function categoryOf(stream: string): string {
  const dash = stream.indexOf('-');
  return dash === -1 ? stream : stream.slice(0, dash);
}

export function assertStreamName(stream: unknown, path = 'stream'): asserts stream is string {
  if (
    typeof stream !== 'string' ||
    stream.length === 0 ||
    stream.length > MAX_STREAM_NAME_LENGTH ||
    !stream.isWellFormed()
  ) {
    throw new InvalidInput({
      path,
      expected: `a stream name of 1 to ${MAX_STREAM_NAME_LENGTH} characters, without lone surrogates`,
      found: stream,
    });
  }
}
