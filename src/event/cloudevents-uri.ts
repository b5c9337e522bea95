import { isIPv6 } from 'node:net';

/** Scheme, authority, path, query, fragment of anything (RFC 3986, appendix B); what each may hold is checked after it. */
const PARTS = /^(?:([^:/?#]+):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s;
const SCHEME = /^[a-z][a-z0-9+.-]*$/i;
const USER = /^[\w\-.~!$&'()*+,;=:%]*$/;
const HOST_AND_PORT = /^[\w\-.~!$&'()*+,;=%]*(?::\d*)?$/;
const BRACKETED_HOST_AND_PORT = /^\[([^\]]*)\](?::\d*)?$/;
const FUTURE_ADDRESS = /^v[0-9a-f]+\.[\w\-.~!$&'()*+,;=:]+$/i;
const PATH = /^[\w\-.~!$&'()*+,;=:@/%]*$/;
const QUERY_OR_FRAGMENT = /^[\w\-.~!$&'()*+,;=:@/?%]*$/;
const BROKEN_PERCENT = /%(?![0-9a-f]{2})/i;

/** True for a URI or a relative reference, the empty one included. Source: RFC 3986, section 4.1. */
export function isUriReference(text: string): boolean {
  const parts = PARTS.exec(text);
  if (parts === null || BROKEN_PERCENT.test(text)) return false;
  const [, scheme, authority, path = '', query = '', fragment = ''] = parts;
  if (scheme !== undefined && !SCHEME.test(scheme)) return false;
  if (scheme === undefined && authority === undefined && firstSegment(path).includes(':')) return false;
  if (authority !== undefined && !isAuthority(authority)) return false;
  return PATH.test(path) && QUERY_OR_FRAGMENT.test(query) && QUERY_OR_FRAGMENT.test(fragment);
}

/** True for a URI with a scheme. A fragment is accepted: it is how a schema inside a document is named. */
export function isUri(text: string): boolean {
  return PARTS.exec(text)?.[1] !== undefined && isUriReference(text);
}

function firstSegment(path: string): string {
  const slash = path.indexOf('/');
  return slash === -1 ? path : path.slice(0, slash);
}

function isAuthority(authority: string): boolean {
  const at = authority.lastIndexOf('@');
  if (at !== -1 && !USER.test(authority.slice(0, at))) return false;
  const hostAndPort = authority.slice(at + 1);
  if (!hostAndPort.startsWith('[')) return HOST_AND_PORT.test(hostAndPort);
  const address = BRACKETED_HOST_AND_PORT.exec(hostAndPort)?.[1];
  return address !== undefined && ((isIPv6(address) && !address.includes('%')) || FUTURE_ADDRESS.test(address));
}
