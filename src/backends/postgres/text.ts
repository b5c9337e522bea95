const NUL = '\u0000';
const ESCAPE = '\u0001';
const ESCAPED_NUL = '\u0001\u0001';
const ESCAPED_ESCAPE = '\u0001\u0002';

/**
 * Text as PostgreSQL can hold it: it has no NUL. U+0000 becomes U+0001 U+0001 and U+0001 becomes U+0001 U+0002, so that the order by
 * code point stays the same.
 */
export function toText(text: string): string {
  if (!text.includes(NUL) && !text.includes(ESCAPE)) return text;
  return text.replaceAll(ESCAPE, ESCAPED_ESCAPE).replaceAll(NUL, ESCAPED_NUL);
}

/** The text of `toText`, as it was. */
export function fromText(text: string): string {
  let given = '';
  let from = 0;
  for (let at = text.indexOf(ESCAPE); at >= 0; at = text.indexOf(ESCAPE, from)) {
    given += text.slice(from, at) + (text.startsWith(ESCAPED_NUL, at) ? NUL : ESCAPE);
    from = at + ESCAPED_NUL.length;
  }
  return from === 0 ? text : given + text.slice(from);
}

/** Below zero where the left one comes first: by code point, as the server orders text. */
export function compareText(left: string, right: string): number {
  return left === right ? 0 : Buffer.compare(Buffer.from(left), Buffer.from(right));
}
