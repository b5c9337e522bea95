import { isBareId, isTimestamp } from './field-kinds.ts';
import { DONE, isCommand, isPast, pastOf, singular, verbIn } from './english.ts';
import { camel, containsWords, wordsOf } from './names.ts';
import type { Design, DesignRule, Remark } from './rule.ts';

/** What may stand behind a verb: `signed-up`, `went-offline`. */
const PARTICLES = new Set(
  'up in out off on down back away over through around along by for again online offline early late twice'.split(' '),
);

/** Verbs that say what has become of something in the words behind them: `became-overdue`, `fell-below-minimum`. */
const BECAME = new Set(
  'became went fell rose ran came got turned was were dropped exceeded passed reached left entered missed crossed climbed stayed moved returned'.split(
    ' ',
  ),
);

/** What ties the words behind a verb to it: `admitted-to-ward`. Not `for`, which names who is to act. */
function isLink(word: string | undefined): boolean {
  return /^(?:to|from|into|onto|at|by|with|without|in|on|below|above|before|after|within|under|over|as)$/.test(
    word ?? '',
  );
}

/** The words of a type that say what happened: what is behind the last dot. */
function saying({ segments }: Design): readonly string[] {
  return segments.at(-1) ?? [];
}

/** Whether a type says that something has happened. */
export function isFact(design: Design): boolean {
  const words = [...saying(design)];
  // What will be sent, or is being sent, has not been sent.
  if (words.includes('be') || words.includes('being')) return false;
  if (words.slice(0, -1).some((word, index) => BECAME.has(word) || (isPast(word) && isLink(words[index + 1]))))
    return true;
  while (words.length > 1 && PARTICLES.has(words.at(-1) ?? '')) words.pop();
  return isPast(words.at(-1) ?? '');
}

/** What an event is about: the nouns in front of its verb. */
export function entityOf(design: Design): readonly string[] {
  const own = saying(design);
  const verb = isFact(design) ? undefined : commandOf(own);
  const nouns = own.filter((word) => word !== verb && !isPast(word) && !PARTICLES.has(word));
  if (nouns.length > 0) return nouns;
  const earlier = design.segments.slice(0, -1).toReversed();
  const found = earlier.map((words) => words.filter((word) => !isCommand(word))).find((words) => words.length > 0);
  return found ?? (own.length > 1 ? own.slice(0, 1) : ['thing']);
}

export function entityName(design: Design): string {
  const words = [...entityOf(design)];
  const last = words.pop() ?? 'thing';
  return camel([...words, singular(last)]);
}

/** The type as it could be called: the same thing, with what happened to it behind it. */
export function betterType(design: Design): string {
  const plain = withoutNoise(design);
  if (isFact(plain) && plain.segments.length + saying(plain).length > 2 && commandIn(plain) === undefined)
    return typeOf(plain.segments);
  const words = plain.segments.flat();
  const last = words.at(-1) ?? '';
  const verb = commandOf(words) ?? (DONE.has(last) ? undefined : verbIn(last));
  const done = verb === undefined ? DONE.get(last) : (DONE.get(verb) ?? pastOf(verb));
  if (done === undefined) return asState(plain, last);
  const isDropped = (word: string): boolean =>
    word === verb || isPast(word) || (word === last && (verb === undefined ? !KEPT.has(last) : verbIn(last) === verb));
  const kept = plain.segments
    .map((own) => own.filter((word) => !isDropped(word) && !PARTICLES.has(word)))
    .filter((own) => own.length > 0);
  const isAddressee = kept.flat().every((word) => isSystem(word)) && verb !== 'send';
  return typeOf([...(isAddressee ? [[thingOf(design)]] : kept), [done]]);
}

/** Things that are done by making them, so that they stay: `reading.taken`. */
const KEPT = new Set('reading measurement alert alarm'.split(' '));

const STATES = new Set(
  'low high overdue inactive active empty full available unavailable ready late down offline online open invalid valid visible public private dirty stale new old due complete'.split(
    ' ',
  ),
);

/** Of what is no verb at all: what it has become, or that it is another one now. */
function asState(plain: Design, last: string): string {
  const own = saying(plain).slice(0, -1);
  const front = [...plain.segments.slice(0, -1), ...(own.length > 0 ? [own] : [])];
  if (STATES.has(last)) return typeOf([...(front.length > 0 ? front : [[thingOf(plain)]]), ['became', last]]);
  if (plain.segments.flat().length < 2)
    return `${last === '' ? thingOf(plain) : last}.placed, ${last === '' ? thingOf(plain) : last}.cancelled: one for each thing that can happen`;
  return typeOf([...front, [last, 'changed']]);
}

/** The verb of a command; words that are things as well only where there is no other. */
function commandOf(words: readonly string[]): string | undefined {
  const commands = words.filter(isCommand);
  return commands.find((word) => !isSystem(word) && !THINGS_TOO.has(word)) ?? commands[0];
}

const THINGS_TOO = new Set(
  'email push charge check display change request issue score track fire return download upload export import copy process queue index document start stop'.split(
    ' ',
  ),
);

function isSystem(word: string): boolean {
  return SYSTEMS.has(word) || CHANNELS.has(word);
}

/** Without whom it is for, and without words that every event could have. */
function withoutNoise(design: Design): Design {
  const flat = design.segments.flat();
  const addressed = flat.findIndex(
    (word, index) => index > 0 && /^(?:for|to)$/.test(word) && isPast(flat[index - 1] ?? ''),
  );
  let left = addressed === -1 ? Number.POSITIVE_INFINITY : addressed;
  const segments = design.segments
    .map((own) => own.filter((word) => left-- > 0 && !NOISE.has(word)))
    .filter((own) => own.length > 0);
  if (
    segments
      .flat()
      .some((word, index, all) => index === 0 && all.length > 2 && isCommand(word) && isPast(all.at(-1) ?? ''))
  )
    return {
      ...design,
      segments: segments.map((own) => own.filter((word) => !isPast(word))).filter((own) => own.length > 0),
    };
  return { ...design, segments };
}

const NOISE = new Set('event events command commands cmd message todo please will shall be being is are'.split(' '));

function typeOf(segments: readonly (readonly string[])[]): string {
  return segments.map((own) => own.join('-')).join('.');
}

/** What an event is about by its data, where its type does not say. */
function thingOf({ fields = [] }: Design): string {
  const id = fields.find(({ words, depth }) => depth === 1 && words.length > 1 && words.at(-1) === 'id');
  return id?.words.slice(0, -1).join('-') ?? 'order';
}

export const pastTense: DesignRule<'past-tense'> = {
  code: 'past-tense',
  severity: 'error',
  remarks(design) {
    if (isFact(design)) return [];
    const last = saying(design).at(-1) ?? '';
    return [
      {
        place: 'type',
        reason: `"${last}" does not say that something has happened; an event is a fact, and its type ends with a verb in the past.`,
        example: betterType(design),
      },
    ];
  },
};

export const businessFact: DesignRule<'business-fact'> = {
  code: 'business-fact',
  severity: 'error',
  remarks(design) {
    const command = commandIn(design);
    if (command === undefined) return [];
    return [
      {
        place: 'type',
        reason: `"${command}" tells somebody what to do, so whoever publishes it has to know who that is; an event says what happened, and whoever wants to acts on it.`,
        example: `${betterType(design)}, published by whoever did it`,
      },
    ];
  },
};

function commandIn(design: Design): string | undefined {
  const { segments } = design;
  const words = segments.flat();
  const named = words.find((word) => /^(?:commands?|cmd|please|todo)$/.test(word));
  if (named !== undefined) return named;
  if (isFact(design)) {
    // A command in the clothes of a fact: `send-email-requested`. That a customer requested a refund is a fact.
    const own = saying(design);
    const isAsked = /^(?:requested|triggered|commanded|instructed|ordered|initiated)$/.test(own.at(-1) ?? '');
    return isAsked && own.length > 2 && isCommand(own[0] ?? '') ? own[0] : undefined;
  }
  const ends = segments.flatMap((own) => [own[0] ?? '', own.at(-1) ?? '']);
  return ends.find(isCommand);
}

/** Systems that act on events. Facts may be about what goes through them (`email.sent`), commands are named after them (`email.notify`). */
export const SYSTEMS = new Set(
  (
    'crm erp slack salesforce hubspot mailchimp sendgrid twilio zendesk jira sap marketo intercom kafka rabbitmq datadog grafana elasticsearch solr dwh datawarehouse bigquery snowflake redshift netsuite quickbooks xero pipedrive zapier ' +
    'discord telegram whatsapp notion airtable'
  ).split(' '),
);

const CHANNELS = new Set(
  'email mail sms push webhook analytics bi dashboard frontend backend ui webapp search cache notifier mailer'.split(
    ' ',
  ),
);

export const consumerName: DesignRule<'consumer-name'> = {
  code: 'consumer-name',
  severity: 'error',
  remarks(design) {
    const consumer = knownConsumerIn(design) ?? systemIn(design);
    if (consumer === undefined) return [];
    return [
      {
        place: 'type',
        reason: `it is named after ${consumer}, one of those that may act on it; when another one wants the same fact, or that one goes, the name is wrong.`,
        example: `${withoutWords(design, wordsOf(consumer))}, which ${consumer} listens to`,
      },
    ];
  },
};

function knownConsumerIn(design: Design): string | undefined {
  const { event, segments } = design;
  const publishers = new Set(event.publishers);
  return (event.consumers ?? []).find((consumer) => {
    const words = wordsOf(consumer);
    if (words.length === 0 || publishers.has(consumer)) return false;
    if (words.length > 1) return containsWords(segments.flat(), words);
    // A single word may well be what both are about: stock, say.
    const isNamed = segments.some((own) => own.length === 1 && own[0] === words[0]);
    return isNamed && (!isFact(design) || SYSTEMS.has(words[0] ?? ''));
  });
}

function systemIn(design: Design): string | undefined {
  const words = design.segments.flat();
  const index = words.findIndex((word, at) => at > 0 && at < words.length - 1 && /^(?:for|to)$/.test(word));
  const addressee = words[index + 1];
  if (index > 0 && addressee !== undefined && isSystem(addressee)) return addressee;
  if (isFact(design)) return undefined;
  if (words[index] === 'for' && words.slice(0, index).some(isPast)) return addressee;
  return words.find((word, at) => SYSTEMS.has(word) || (at === 0 && CHANNELS.has(word) && words.length > 1));
}

function withoutWords(design: Design, unwanted: readonly string[]): string {
  const segments = design.segments
    .map((own) => own.filter((word) => !unwanted.includes(word)))
    .filter((own) => own.length > 0);
  const rest: Design = { ...design, segments };
  const nouns = segments.flat().filter((word) => !isCommand(word) && !NOISE.has(word));
  if (nouns.length === 0) return `${thingOf(design)}.placed, or what else happened`;
  return isFact(rest) ? typeOf(segments) : betterType(rest);
}

const GENERIC = new Set('updated changed modified edited altered'.split(' '));
const STORAGE = new Set('upserted inserted persisted saved'.split(' '));

export const genericChange: DesignRule<'generic-change'> = {
  code: 'generic-change',
  severity: 'warn',
  remarks(design): readonly Remark[] {
    const own = saying(design);
    const last = own.at(-1) ?? '';
    if (STORAGE.has(last)) {
      const reason = `"${last}" says what a database did, not what happened in the business.`;
      return [
        {
          place: 'type',
          reason,
          example: `${before(design)}.registered, when it is new, and a fact of its own for each change`,
        },
      ];
    }
    const subjects = subjectsOf(design);
    // Of `customer.address-changed` the words in front of the verb say what it is that changed.
    const isNamed = own.length > 2 || (own.length === 2 && design.segments.length > 1);
    if (!GENERIC.has(last) || isNamed || (design.fields !== undefined && subjects.length < 3)) return [];
    const [one, other] = subjects;
    return [
      {
        place: 'type',
        reason: `"${last}", of a whole ${entityName(design)}, does not say what happened: every reader has to compare the old with the new to find out whether it concerns them.`,
        example: `${before(design)}.${one ?? 'address'}-changed${other === undefined ? '' : `, ${before(design)}.${other}-changed`}, each with what it takes to act on it`,
      },
    ];
  },
};

/** What the data tells of, each once: an old price and a new one are one price. */
function subjectsOf({ fields = [] }: Design): readonly string[] {
  const own = fields.filter((field) => field.depth === 1 && !isBareId(field) && !isTimestamp(field));
  const names = own.map(({ words }) =>
    words.filter((word) => !/^(?:old|new|previous|current|before|after)$/.test(word)),
  );
  return [...new Set(names.map((words) => words.join('-')))];
}

/** The type without what happened. */
function before({ segments }: Design): string {
  const own = segments.at(-1)?.slice(0, -1) ?? [];
  return [...segments.slice(0, -1), ...(own.length === 0 ? [] : [own])].map((words) => words.join('-')).join('.');
}
