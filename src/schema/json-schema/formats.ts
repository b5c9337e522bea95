import { createRequire } from 'node:module';
import type { Format } from 'ajv';
import { isUri, isUriReference } from '../../event/cloudevents-uri.ts';
import { timestampMs } from '../../event/timestamp.ts';

type IsOne = (data: unknown) => boolean;

/** Where ajv-formats takes what is none, or refuses what is one. */
const OWN: Readonly<Record<string, (text: string) => boolean>> = {
  'date-time': (text) => timestampMs(text) !== undefined,
  duration: (text) => DURATION.test(text),
  uri: isUri,
  'uri-reference': isUriReference,
  uuid: (text) => /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/i.test(text),
};

/** RFC 3339, appendix A. */
const DURATION =
  /^P(?:\d+W|(?=.)(?:\d+Y(?:\d+M(?:\d+D)?)?|\d+M(?:\d+D)?|\d+D)?(?:T(?:\d+H(?:\d+M(?:\d+S)?)?|\d+M(?:\d+S)?|\d+S))?)$/;

let others: Readonly<Record<string, Format>> | undefined;

/** Undefined for a format that nobody knows: it is a remark. */
export function formatNamed(name: string): IsOne | undefined {
  if (Object.hasOwn(OWN, name)) return ofText(OWN[name] ?? (() => true));
  others ??= (createRequire(import.meta.url)('ajv-formats/dist/formats.js') as { fullFormats: Record<string, Format> })
    .fullFormats;
  const format = Object.hasOwn(others, name) ? others[name] : undefined;
  if (format instanceof RegExp) return ofText((text) => format.test(text));
  if (typeof format === 'function') return ofText(format);
  if (typeof format !== 'object') return undefined;
  const { type, validate } = format as {
    readonly type?: string;
    readonly validate: RegExp | ((data: never) => boolean);
  };
  const test =
    validate instanceof RegExp ? (text: string) => validate.test(text) : (validate as (data: unknown) => boolean);
  return type === 'number' ? (data) => typeof data !== 'number' || (test as IsOne)(data) : ofText(test);
}

function ofText(test: (text: string) => boolean): IsOne {
  return (data) => typeof data !== 'string' || test(data);
}
