import { InvalidInput } from '../errors.ts';
import type { RareAttributes } from './event.ts';

/** Longer ones are refused: they are the key of an index. */
export const MAX_TAG_LENGTH = 256;
/** An event with more would be in more places of an index than anybody asks for. */
const MAX_TAGS = 32;

/** White space parts tags; control characters and lone surrogates are mistakes. */
const TAG = /^[^\s\p{Cc}\p{Cs}]+$/u;

const NONE: readonly string[] = [];

/**
 * What an event concerns beside its stream, by which it can be found: attribute `tags`, parted by spaces. What a foreign producer puts there
 * that can be no tag is none.
 */
export function tagsOf(event: { readonly attributes: RareAttributes | undefined }): readonly string[] {
  const text = event.attributes?.['tags'];
  if (typeof text !== 'string') return NONE;
  return [...new Set(text.split(' '))].filter(isTag).slice(0, MAX_TAGS);
}

/**
 * The attribute for these tags, in their order, each once. Undefined: there is none.
 *
 * Errors    InvalidInput names the one that cannot be one.
 */
export function tagsAttribute(tags: readonly string[], path = 'tags'): string | undefined {
  assertTags(tags, path);
  return tags.length === 0 ? undefined : [...new Set(tags)].join(' ');
}

export function assertTags(tags: unknown, path: string): asserts tags is readonly string[] {
  if (!Array.isArray(tags) || tags.length > MAX_TAGS)
    throw new InvalidInput({ path, expected: `a list of at most ${MAX_TAGS} tags`, found: tags });
  for (const [index, tag] of tags.entries()) {
    if (isTag(tag)) continue;
    const expected = `a tag of 1 to ${MAX_TAG_LENGTH} characters without white space, such as customer:ada`;
    throw new InvalidInput({ path: `${path}[${index}]`, expected, found: tag });
  }
}

function isTag(tag: unknown): boolean {
  return typeof tag === 'string' && tag.length <= MAX_TAG_LENGTH && TAG.test(tag);
}
