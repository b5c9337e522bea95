/** The words of a name that is written in camel, kebab, snake or dotted case, in lower case: `orderID`, `order_id`, `order.id`. */
export function wordsOf(name: string): string[] {
  return name
    .replaceAll(/(\p{Ll}|\d)(\p{Lu})/gu, '$1 $2')
    .replaceAll(/(\p{Lu})(\p{Lu}\p{Ll})/gu, '$1 $2')
    .split(/[^\p{L}\d]+/u)
    .filter((word) => word !== '')
    .map((word) => word.toLowerCase());
}

/** An event type as its segments of words; a version at the end says nothing of what happened. */
export function segmentsOf(type: string): string[][] {
  const segments = type
    .split(/[./:]/)
    .map(wordsOf)
    .filter((words) => words.length > 0);
  while (segments.length > 1 && /^v?\d+$/.test(segments.at(-1)?.join('') ?? '')) segments.pop();
  const last = segments.at(-1);
  if (last !== undefined && last.length > 1 && /^v\d+$/.test(last.at(-1) ?? '')) last.pop();
  return segments;
}

/** Whether one list of words is in another one, in its order and without others in between. */
export function containsWords(words: readonly string[], part: readonly string[]): boolean {
  return words.some((_, start) => part.every((word, index) => words[start + index] === word));
}

export function camel(words: readonly string[]): string {
  return words.map((word, index) => (index === 0 ? word : `${word.charAt(0).toUpperCase()}${word.slice(1)}`)).join('');
}
