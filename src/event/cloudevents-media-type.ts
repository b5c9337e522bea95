/** Longer ones are no content type that anybody means. */
const MAX_LENGTH = 2_048;
const ESSENCE = /^([!#$%&'*+\-.^_`|~\w]+\/[!#$%&'*+\-.^_`|~\w]+)/;
/** One `; name=value`; a `;` with nothing after it is tolerated, as HTTP does. */
const PARAMETER = /[ \t]*;[ \t]*(?:([!#$%&'*+\-.^_`|~\w]+)=([!#$%&'*+\-.^_`|~\w]+|"(?:[^"\\]|\\.)*"))?/y;

/** What a content type says, as far as codecs ask. */
export interface MediaType {
  /** `type/subtype` in lower case. */
  readonly essence: string;
  /** In lower case, without quotes. */
  readonly charset: string | undefined;
}

/** Undefined when the text is not a media type. Source: RFC 2046; RFC 9110, section 8.3.1. */
export function parseMediaType(text: string): MediaType | undefined {
  const essence = text.length > MAX_LENGTH ? undefined : ESSENCE.exec(text)?.[1];
  if (essence === undefined) return undefined;
  let charset: string | undefined;
  let end = essence.length;
  while (end < text.length) {
    PARAMETER.lastIndex = end;
    const parameter = PARAMETER.exec(text);
    if (parameter === null) return undefined;
    end = PARAMETER.lastIndex;
    if (parameter[1]?.toLowerCase() === 'charset') charset ??= unquote(parameter[2] ?? '').toLowerCase();
  }
  return { essence: essence.toLowerCase(), charset };
}

/** CloudEvents JSON format, 3.1.1: the subtype is `json` or ends in `+json`; no content type at all means JSON. */
export function isJsonType(media: MediaType | undefined): boolean {
  return media === undefined || /\/(?:json|.*\+json)$/.test(media.essence);
}

/** Bytes of such a type are kept as text when they are UTF-8: text, XML, and whatever declares that character set. */
export function isTextType(media: MediaType): boolean {
  return (media.charset === undefined && /^text\/|\/(?:xml|.*\+xml)$/.test(media.essence)) || isUtf8(media.charset);
}

/** US-ASCII is UTF-8. */
export function isUtf8(charset: string | undefined): boolean {
  return charset === 'utf-8' || charset === 'utf8' || charset === 'us-ascii' || charset === 'ascii';
}

function unquote(value: string): string {
  return value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value;
}
