import { isBareId, isId, isText, isTimestamp } from './field-kinds.ts';
import type { Field } from './fields.ts';
import { containsWords, wordsOf } from './names.ts';
import { SYSTEMS, entityName } from './naming.ts';
import { singular } from './english.ts';
import type { Design, DesignRule, Remark } from './rule.ts';

/** What is often called by its own name alone: `invoice: 'A-17'`. */
const THINGS = new Set(
  (
    'account actor agent alarm answer application appointment article asset author bid booking box branch building buyer campaign car card cart case channel city claim client container contract course customer device document driver ' +
    'employee episode field file flight gateway group household incident instance invoice item job lead lecture line location machine member merchant meter mission node offer order organisation organization package parcel patient payment ' +
    'person player policy product project proposal quote record region repository request reservation resource room route seller sensor server service session ship shipment shop site stock store stream student subscription supplier ' +
    'team tenant ticket topic tournament train transaction trip user vehicle vendor vessel visit voucher ward worker'
  ).split(' '),
);

/** What is said about something, even where the event is called after it: `note: 'Please ring twice'`. */
const CONTENT = new Set('body comment content description message note remark review summary text title'.split(' '));

export const identity: DesignRule<'identity'> = {
  code: 'identity',
  severity: 'error',
  remarks(design) {
    const { fields, event, segments } = design;
    if (fields === undefined || !isObject(event.jsonSchema)) return [];
    const about = new Set(segments.flat().map(singular));
    const says = (field: Field): boolean => {
      if (
        !field.required ||
        field.repeated ||
        field.nodes.some((node) => node.enum !== undefined || node.const !== undefined)
      )
        return false;
      const last = singular(field.words.at(-1) ?? '');
      return (
        isId(field) ||
        (isText(field) && !isTimestamp(field) && !CONTENT.has(last) && (about.has(last) || THINGS.has(last)))
      );
    };
    if (fields.some(says)) return [];
    const id = `${entityName(design)}Id`;
    const optional = fields.find((field) => isId(field) && field.depth === 1);
    const found = optional === undefined ? 'no required property says' : `${optional.place} says, which may be absent,`;
    return [
      {
        place: 'data',
        reason: `${found} which ${entityName(design)} it is about, so nobody can tell two of them apart, keep them in order, or look one up.`,
        example: `{ ${optional?.name ?? id}: '${entityName(design)}-17', … } and required: ['${optional?.name ?? id}']`,
      },
    ];
  },
};

function isObject(schema: unknown): boolean {
  return typeof schema === 'object' && schema !== null && !Array.isArray(schema);
}

export const context: DesignRule<'context'> = {
  code: 'context',
  severity: 'error',
  remarks(design) {
    const leaves = (design.fields ?? []).filter(({ types }) => !types.has('object') && !types.has('array'));
    if (leaves.length === 0 || !leaves.every((field) => isBareId(field) || isTimestamp(field))) return [];
    if (leaves.some((field) => isBefore(field, leaves))) return [];
    const names = leaves.map(({ name }) => name).join(', ');
    const more = CONTEXT[entityName(design)] ?? `what the ${entityName(design)} is now, and what changed`;
    return [
      {
        place: 'data',
        reason: `it holds nothing but ids and times (${names}), so whoever reacts has to ask back, and gets what holds then instead of what held when it happened.`,
        example: `{ ${names}, … } with what others act on: ${more}`,
      },
    ];
  },
};

/** Which one it was before, beside which one it is now: that is the change, whole. */
function isBefore({ words: [first = '', ...what] }: Field, leaves: readonly Field[]): boolean {
  if (!/^(?:from|previous|former|old)$/.test(first)) return false;
  const named = what.join(' ');
  return leaves.some(({ words }) => [named, `to ${named}`, `new ${named}`].includes(words.join(' ')));
}

const CONTEXT: Readonly<Record<string, string>> = {
  order: 'customer, lines, totalCents',
  payment: 'amountCents, currency, method',
  invoice: 'customer, dueOn, totalCents',
  customer: 'name, country, since when',
  user: 'name, role, how they came',
  shipment: 'carrier, address, parcels',
};

const ACTS = new Set('send notify sync push forward trigger publish export should show display render'.split(' '));
const PLAIN = new Set(
  'at on date time id ids token count key amount limit address window reason status type level by from'.split(' '),
);

export const consumerField: DesignRule<'consumer-field'> = {
  code: 'consumer-field',
  severity: 'error',
  remarks(design) {
    return (design.fields ?? []).flatMap((field): Remark[] => {
      const consumer = consumerOf(field, design);
      if (consumer === undefined) return [];
      return [
        {
          place: field.place,
          reason: `"${field.name}" is there for ${consumer}; whoever publishes has to know what that one does, and every other reader has to wonder what it means.`,
          example: `${design.event.type} without ${field.name}: ${consumer} listens to it, and decides by itself from what happened`,
        },
      ];
    });
  },
};

/** Whom a property is there for. */
function consumerOf(field: Field, { event, segments }: Design): string | undefined {
  const { words, types } = field;
  const type = new Set(segments.flat());
  const [first = '', second = ''] = words;
  const isFlag = types.has('boolean');
  if (first === 'is' && second === 'for' && words.length > 2) return words.slice(2).join(' ');
  if (first === 'for' && isFlag && second !== '') return words.slice(1).join(' ');
  if (
    ACTS.has(first) &&
    second !== '' &&
    !PLAIN.has(words.at(-1) ?? '') &&
    (isFlag || first === 'send' || first === 'notify')
  )
    return ofAct(words);
  if (first === 'should' && isFlag && words.length > 2) return ofAct(words.slice(1));
  const system = words.find((word) => SYSTEMS.has(word) && !type.has(word));
  if (system !== undefined) return system;
  return (event.consumers ?? []).find((consumer) => {
    const name = wordsOf(consumer);
    if (name.length > 1) return containsWords(words, name);
    return (
      name.length === 1 &&
      words.length > 1 &&
      /^(?:is|for|to|needs|use|with|send|notify)$/.test(first) &&
      words.slice(1).includes(name[0] ?? '')
    );
  });
}

function ofAct(words: readonly string[]): string {
  const [verb = '', ...what] = words;
  const object = what.filter((word) => word !== 'to' && word !== 'in' && word !== 'on').join(' ');
  return SYSTEMS.has(what.at(-1) ?? '') ? (what.at(-1) ?? object) : `whoever is to ${verb} ${object}`;
}
