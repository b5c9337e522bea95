import type { Field } from './fields.ts';

const IDS = new Set('id ids uuid guid ulid key number no ref reference sku ean isbn identifier urn uri'.split(' '));

/** What says which one, and something about it besides. */
const TELLING_IDS = new Set(
  'code iban bic vin imei iccid handle slug login username email hash token serial plate barcode'.split(' '),
);

/** Words that end like an id and are none. */
const NO_IDS = new Set(
  'paid valid void invalid grid bid prepaid unpaid kid fluid solid rapid hybrid android covid'.split(' '),
);

export function isText({ types }: Field): boolean {
  return types.has('string') || types.size === 0;
}

/** Whether a property says when. */
export function isTimestamp({ words, nodes, types }: Field): boolean {
  if (nodes.some(({ format }) => typeof format === 'string' && /^(?:date|date-time|time)$/.test(format))) return true;
  const mayBe = types.size === 0 || ['string', 'integer', 'number'].some((type) => types.has(type));
  return mayBe && /^(?:at|timestamp|datetime|date|time)$/.test(words.at(-1) ?? '');
}

/** Whether a property says which one and nothing else, by its name or its form. */
export function isBareId(field: Field): boolean {
  const last = field.words.at(-1) ?? '';
  if (field.nodes.some(({ format }) => format === 'uuid')) return true;
  if (!(isText(field) || field.types.has('integer')) || isTimestamp(field)) return false;
  return IDS.has(last) || (last.endsWith('id') && !NO_IDS.has(last));
}

/** Whether a property says which one. */
export function isId(field: Field): boolean {
  return isBareId(field) || (isText(field) && !isTimestamp(field) && TELLING_IDS.has(field.words.at(-1) ?? ''));
}
