/**
 * The name of an event type and version in a document that takes letters, digits, `.`, `-` and `_` only: `shop.order.placed.v1`.
 *
 * Guarantee No two have one name, and a name never depends on what else there is: every other character is written as `_x2f_`, and so is
 *           an underscore that would look like the beginning of that.
 * Source    AsyncAPI 3.0.0, Components Object
 */
export function messageKey(type: string, version: number): string {
  return `${safeName(type)}.v${version}`;
}

export function safeName(text: string): string {
  return text.replaceAll(
    /_(?=x)|[^A-Za-z0-9._-]/gu,
    (character) => `_x${(character.codePointAt(0) ?? 0).toString(16)}_`,
  );
}
