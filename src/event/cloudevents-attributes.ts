import { MAX_KEY_LENGTH } from './stream-name.ts';
import { InvalidEvent } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import type { IncomingEvent } from './cloudevents-incoming.ts';
import { parseMediaType } from './cloudevents-media-type.ts';
import { isUri, isUriReference } from './cloudevents-uri.ts';
import type { AttributeValue } from './event.ts';
import { MAX_STREAM_NAME_LENGTH } from './stream-name.ts';
import { timestampMs } from './timestamp.ts';

/** CloudEvents advises at most 20 characters; longer names exist and do no harm. */
const MAX_NAME_LENGTH = 255;
const NAME = /^[a-z0-9]+$/;
const MIN_INTEGER = -2_147_483_648;
const MAX_INTEGER = 2_147_483_647;
/** Control characters, noncharacters, surrogates without their partner. Source: CloudEvents, type system, String. */
const DISALLOWED = /[\p{Cc}\p{Noncharacter_Code_Point}\p{Cs}]/u;

/** The log sets these itself. They arrive with an export or from another such system, and are not taken over. */
const SET_BY_THE_LOG: ReadonlySet<string> = new Set(['recordedtime', 'version', 'position']);
/** What the formats call the data; no attribute may have that name. */
const DATA_NAME = 'data';

/** Everything of an event but its data. */
export type IncomingAttributes = Omit<IncomingEvent, 'payload'>;
type TextAttribute = Exclude<keyof IncomingAttributes, 'extensions' | 'causationdepth'>;
/** Answers what is kept, or undefined when the value is not as `expected` says. */
interface Rule {
  readonly expected: string;
  readonly take: (value: unknown) => string | undefined;
}

const NON_EMPTY: Rule = {
  expected: 'a non-empty string',
  take: (value) => (typeof value === 'string' && value !== '' ? value : undefined),
};
const ANY_TEXT: Rule = { expected: 'a string', take: (value) => (typeof value === 'string' ? value : undefined) };
const TIMESTAMP = textRule(
  'an RFC 3339 timestamp with an offset, such as 2026-11-23T08:17:00Z',
  (text) => timestampMs(text) !== undefined,
);

const RULES: ReadonlyMap<string, Rule> = new Map<TextAttribute, Rule>([
  ['id', NON_EMPTY],
  [
    'source',
    textRule(
      'a non-empty URI-reference (RFC 3986; other characters percent-encoded)',
      (text) => text !== '' && isUriReference(text),
    ),
  ],
  ['type', NON_EMPTY],
  ['subject', NON_EMPTY],
  ['time', TIMESTAMP],
  ['datacontenttype', textRule('a media type, such as application/json', (text) => parseMediaType(text) !== undefined)],
  ['dataschema', textRule('an absolute URI (RFC 3986)', isUri)],
  [
    'stream',
    textRule(
      `a stream name of 1 to ${MAX_STREAM_NAME_LENGTH} characters`,
      (text) => text !== '' && text.length <= MAX_STREAM_NAME_LENGTH,
    ),
  ],
  ['correlationid', NON_EMPTY],
  ['causationid', NON_EMPTY],
  [
    'partitionkey',
    textRule(
      `a non-empty string of at most ${MAX_KEY_LENGTH} characters`,
      (text) => text !== '' && text.length <= MAX_KEY_LENGTH,
    ),
  ],
  // What they say is judged by continueTrace: a broken trace never stops an event.
  ['traceparent', ANY_TEXT],
  ['tracestate', ANY_TEXT],
  [
    'sequence',
    {
      expected: 'a non-empty string or an integer',
      take: (value) => (isInteger(value) ? String(value) : NON_EMPTY.take(value)),
    },
  ],
  ['expirytime', TIMESTAMP],
]);

/**
 * Checks the context attributes of an event and sorts them into named ones and extensions.
 *
 * Shape     `at` stands before attribute names in errors: `[2].` in a batch. A value of null or undefined counts as absent.
 * Errors    InvalidEvent
 * Source    CloudEvents 1.0.2, context attributes and type system
 */
export function checkAttributes(
  found: Iterable<readonly [name: string, value: unknown]>,
  at: string,
): IncomingAttributes {
  const named: { -readonly [Name in TextAttribute]?: string } = {};
  const extensions: Record<string, AttributeValue> = {};
  let specversion: unknown;
  let causationdepth: number | undefined;
  for (const [name, value] of found) {
    assertName(name, at);
    if (value === null || value === undefined || SET_BY_THE_LOG.has(name)) continue;
    const rule = RULES.get(name);
    if (rule !== undefined) named[name as TextAttribute] = checked(rule, value, at + name);
    else if (name === 'specversion') specversion = value;
    else if (name === 'causationdepth') causationdepth = checkedDepth(value, at + name);
    else extensions[name] = checkedExtension(value, at + name);
  }
  if (specversion !== '1.0')
    throw new InvalidEvent({ attribute: `${at}specversion`, expected: 'the string "1.0"', found: specversion });
  return {
    ...named,
    id: required(named.id, `${at}id`),
    source: required(named.source, `${at}source`),
    type: required(named.type, `${at}type`),
    ...(causationdepth === undefined ? {} : { causationdepth }),
    extensions,
  };
}

function textRule(expected: string, holds: (text: string) => boolean): Rule {
  return { expected, take: (value) => (typeof value === 'string' && holds(value) ? value : undefined) };
}

function required(value: string | undefined, attribute: string): string {
  if (value === undefined)
    throw new InvalidEvent({ attribute, expected: 'a non-empty string (the attribute is required)', found: undefined });
  return value;
}

function checked(rule: Rule, value: unknown, attribute: string): string {
  const taken = rule.take(value);
  if (taken === undefined) throw new InvalidEvent({ attribute, expected: rule.expected, found: value });
  return checkedText(taken, attribute);
}

function checkedText(text: string, attribute: string): string {
  if (DISALLOWED.test(text)) {
    throw new InvalidEvent({
      attribute,
      expected: 'text without control characters, noncharacters and lone surrogates',
      found: text,
    });
  }
  return text;
}

function checkedExtension(value: unknown, attribute: string): AttributeValue {
  if (typeof value === 'string') return checkedText(value, attribute);
  if (typeof value === 'boolean') return value;
  // + 0 turns -0, which JSON text cannot say back, into 0.
  if (isInteger(value)) return value + 0;
  throw new InvalidEvent({
    attribute,
    expected: 'a string, a boolean or an integer of 32 bits (other data belongs into data)',
    found: value,
  });
}

/** A number, or its digits where the protocol has only text. */
function checkedDepth(value: unknown, attribute: string): number {
  const depth = typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : value;
  if (isInteger(depth) && depth >= 0) return depth + 0;
  throw new InvalidEvent({ attribute, expected: 'an integer from 0', found: value });
}

function isInteger(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= MIN_INTEGER && value <= MAX_INTEGER;
}

function assertName(name: string, at: string): void {
  if (isName(name)) return;
  const shown = /^[\w.-]{1,64}$/.test(name) ? name : describeValue(name);
  const lower = name.toLowerCase();
  const hint =
    lower === 'expectedversion'
      ? '; what is claimed of a stream is an option of append'
      : isName(lower)
        ? `: write ${lower}`
        : '';
  throw new InvalidEvent({
    attribute: at + shown,
    expected: `a name of lower-case letters a-z and digits${hint}`,
    found: name,
  });
}

function isName(name: string): boolean {
  return NAME.test(name) && name.length <= MAX_NAME_LENGTH && name !== DATA_NAME;
}
