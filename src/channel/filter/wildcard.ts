/** The literal pieces between the wildcards of a pattern: `a*b*` is `['a', 'b', '']`; one piece means no wildcard. */
export type Wildcard = readonly string[];

/**
 * The most wildcards in one text. EventBridge refuses a text when its automaton would be in too many states at once;
 * its measure is not published, its answers agree with this count, and a count can be explained.
 */
export const MAX_WILDCARDS = 5;

/** Why a text is not a wildcard pattern, in the words of {@link InvalidPattern}: what was expected instead. */
export type WildcardFault = { readonly expected: string };

/**
 * Reads a wildcard text: `*` stands for any run of characters, `\*` and `\\` for themselves.
 *
 * Source EventBridge user guide, "Wildcard matching"; event-ruler README.
 */
export function parseWildcard(text: string): Wildcard | WildcardFault {
  const pieces: string[] = [];
  let piece = '';
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === '\\') {
      const escaped = text.charAt(at + 1);
      if (escaped !== '*' && escaped !== '\\') return { expected: `\\* or \\\\ after the backslash at ${at}` };
      piece += escaped;
      at += 1;
    } else if (character === '*') {
      if (text.charAt(at + 1) === '*') return { expected: `no consecutive wildcards (at ${at})` };
      pieces.push(piece);
      piece = '';
    } else {
      piece += character;
    }
  }
  pieces.push(piece);
  if (pieces.length - 1 > MAX_WILDCARDS) return { expected: `at most ${MAX_WILDCARDS} wildcards (limit wildcards)` };
  return pieces;
}

/** Whether the whole text fits. Takes the leftmost place for every piece, so it never goes back. */
export function matchesWildcard(pieces: Wildcard, text: string): boolean {
  const head = pieces[0] ?? '';
  if (pieces.length === 1) return text === head;
  const tail = pieces[pieces.length - 1] ?? '';
  const end = text.length - tail.length;
  if (end < head.length || !text.startsWith(head) || !text.endsWith(tail)) return false;
  let from = head.length;
  for (let at = 1; at < pieces.length - 1; at += 1) {
    const piece = pieces[at] ?? '';
    const found = text.indexOf(piece, from);
    if (found === -1) return false;
    from = found + piece.length;
  }
  return from <= end;
}
