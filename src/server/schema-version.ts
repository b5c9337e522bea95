import { asSealed, asStored, asVersion, InvalidInput } from '../index.ts';
import type { RecordedEvent } from '../index.ts';
import { choice, one, wholeNumber } from './query.ts';
import type { Kind } from './query.ts';

type Version = 'current' | 'stored' | number;

const VERSION: Kind<Version> = {
  schema: {
    anyOf: [
      { type: 'string', enum: ['current', 'stored'] },
      { type: 'integer', minimum: 1 },
    ],
  },
  expected: 'current, stored or the number of a version',
  parse: (given) => choice('current', 'stored').parse(given) ?? wholeNumber(1).parse(given),
};

/** In which schema version events are given, and whether what is sealed in them is opened. */
export const SCHEMA_VERSION = {
  'schema-version': one(
    VERSION,
    '`current`, the default: older events in the version that the program knows, by its upcasters; `stored`: as they were recorded; a number: in that version of their type, as far as upcasters lead up to it. `where` looks at the current one.',
  ),
  personal: one(
    choice('open', 'sealed'),
    '`open`, the default: personal values as they can be read; `sealed`: events that have some as they are stored, in the schema version of then.',
  ),
} as const;

type Asked = {
  readonly 'schema-version'?: Version | undefined;
  readonly personal?: 'open' | 'sealed' | undefined;
};

/** Errors: InvalidInput where events of several types would be asked for in one version. */
export function assertOfOneType({
  'schema-version': version,
  type,
}: Asked & { readonly type?: readonly string[] | undefined }): void {
  if (typeof version === 'number' && type?.length !== 1)
    throw new InvalidInput({ path: 'type', expected: `one type, of which version ${version} is meant`, found: type });
}

/** Events as a request asks for them. */
export function inVersion(query: Asked, events: readonly RecordedEvent[]): readonly RecordedEvent[] {
  const version = query['schema-version'] ?? 'current';
  const given =
    version === 'current'
      ? events
      : events.map((event) => (version === 'stored' ? asStored(event) : asVersion(event, version)));
  return query.personal === 'sealed' ? given.map(asSealed) : given;
}

/** As `inVersion`, of events that come. Errors: UpcastFailed at an event that cannot be read, in place of it. */
export async function* followedIn(
  query: Asked,
  events: AsyncGenerator<RecordedEvent, void, undefined>,
): AsyncGenerator<RecordedEvent, void, undefined> {
  for await (const event of events) {
    for (const given of inVersion(query, [event])) {
      void given.data;
      yield given;
    }
  }
}
