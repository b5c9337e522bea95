import { InvalidInput } from '../index.ts';
import type { ExpectedVersion } from '../index.ts';
import type { RouteRequest } from './route.ts';

/**
 * What a request claims of the stream that it is about: by `If-Match`, as an `ETag` says it, or in words of its own.
 *
 * Errors    InvalidInput, also where both are given and say different things.
 */
export function claimedVersion(request: Pick<RouteRequest<unknown, unknown>, 'header'>): ExpectedVersion | undefined {
  const match = request.header('if-match');
  const matched = match === undefined ? undefined : matchedVersion(match);
  const named = namedVersion(request.header('thereupon-expected-version'));
  if (matched !== undefined && named !== undefined && matched !== named)
    throw new InvalidInput({
      path: 'If-Match',
      expected: `the version that Thereupon-Expected-Version names, ${named}, or only one of the two`,
      found: match,
    });
  return matched ?? named;
}

function matchedVersion(match: string): ExpectedVersion {
  if (match === '*') return 'exists';
  // The tag of a stream that has lost its beginning names also where it begins now.
  const version = /^"(\d{1,15})(?:\.\d+)?"$/.exec(match)?.[1];
  if (version !== undefined) return Number(version);
  throw new InvalidInput({ path: 'If-Match', expected: 'one ETag of a stream, such as "5", or *', found: match });
}

function namedVersion(text: string | undefined): ExpectedVersion | undefined {
  if (text === undefined || text === 'none' || text === 'exists' || text === 'any') return text;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidInput({
    path: 'Thereupon-Expected-Version',
    expected: 'a whole number from 0, none, exists or any',
    found: text,
  });
}
