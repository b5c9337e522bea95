import type { JsonValue } from '../event/json.ts';
import { isList } from '../schema/schema-parts.ts';

/** Texts and names as TypeScript source. */

export function textLiteral(text: string): string {
  const escaped = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'");
  return `'${escaped}'`;
}

/** A name of a member, in a type. */
export function memberName(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : textLiteral(name);
}

/** What fits into a line stays in one. */
const LINE = 80;

/** A JSON value as an expression. */
export function valueLiteral(value: JsonValue, indent: string): string {
  if (typeof value === 'string') return textLiteral(value);
  if (typeof value !== 'object' || value === null) return String(value);
  const inner = `${indent}  `;
  const [open, close, parts] = isList(value)
    ? ['[', ']', value.map((each) => valueLiteral(each, inner))]
    : ['{', '}', Object.entries(value).map(([name, each]) => `${keyOf(name)}: ${valueLiteral(each, inner)}`)];
  const space = open === '{' && parts.length > 0 ? ' ' : '';
  const line = `${open}${space}${parts.join(', ')}${space}${close}`;
  if (line.length <= LINE && !line.includes('\n')) return line;
  return `${open}\n${parts.map((part) => `${inner}${part},\n`).join('')}${indent}${close}`;
}

/** As a plain name this one would set the prototype. */
function keyOf(name: string): string {
  return name === '__proto__' ? `['__proto__']` : memberName(name);
}

/** A comment above what it is about; nothing where there is nothing to say. */
export function commentOn(text: string | undefined, indent: string): string {
  const lines = (text ?? '')
    .replaceAll('*/', '*\\/')
    .split(/\r\n|[\n\r\u2028\u2029]/)
    .map((line) => line.trimEnd());
  while (lines[0] === '') lines.shift();
  while (lines.at(-1) === '') lines.pop();
  if (lines.length === 0) return '';
  if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`;
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}`.trimEnd()).join('\n')}\n${indent} */\n`;
}

/** Letters and digits that every compiler takes in a name: tables of Unicode differ, and each year has new scripts. */
const WORD = /(?:(?=[\p{L}\p{Nd}])[0-\u04ff\u3040-\u30ff\u4e00-\u9fa5\uac00-\ud7a3])+/gu;

/** `shop.large-order.noticed` → `ShopLargeOrderNoticed`. */
export function typeName(text: string): string {
  const words = text.match(WORD) ?? [];
  const name = words.map((word) => word.replace(/^./u, (first) => first.toUpperCase())).join('');
  return /^\p{L}/u.test(name) ? name : `Event${name}`;
}

/** Gives each thing a name that no other has. */
export class Names {
  readonly #taken: Set<string>;

  constructor(taken: readonly string[] = []) {
    this.#taken = new Set(taken);
  }

  take(wanted: string): string {
    let name = wanted;
    for (let number = 2; this.#taken.has(name); number += 1) name = `${wanted}_${number}`;
    this.#taken.add(name);
    return name;
  }
}
