// oxlint-disable-next-line no-control-regex -- the whole ASCII range is meant
const ASCII = /^[\u0000-\u007f]*$/;

/**
 * Brings a text to the form in which texts that differ only in case are equal.
 *
 * Shape     One code point in, one code point out, so that a prefix of a text folds to a prefix of the folded text.
 * Guarantee Independent of the locale.
 */
export function foldCase(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  let folded = '';
  for (const character of text) folded += foldCharacter(character);
  return folded;
}

function foldCharacter(character: string): string {
  // Upper first: it joins letters with two small forms (σ, ς), which lower case alone keeps apart.
  const upper = character.toUpperCase();
  const lower = isOneCharacter(upper) ? upper.toLowerCase() : character.toLowerCase();
  return isOneCharacter(lower) ? lower : character;
}

function isOneCharacter(text: string): boolean {
  return text.length === 1 || (text.length === 2 && text.codePointAt(0) !== text.charCodeAt(0));
}
