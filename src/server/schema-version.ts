import { asSealed, asStored } from '../index.ts';
import type { RecordedEvent } from '../index.ts';
import { choice, one } from './query.ts';

/** In which schema version events are given, and whether what is sealed in them is opened. */
export const SCHEMA_VERSION = {
  'schema-version': one(
    choice('current', 'stored'),
    '`current`, the default: older events in the version that the program knows, by its upcasters; `stored`: as they were recorded. `where` looks at the current one.',
  ),
  personal: one(
    choice('open', 'sealed'),
    '`open`, the default: personal values as they can be read; `sealed`: events that have some as they are stored, in the schema version of then.',
  ),
} as const;

type Asked = {
  readonly 'schema-version'?: 'current' | 'stored' | undefined;
  readonly personal?: 'open' | 'sealed' | undefined;
};

/** Events as a request asks for them. */
export function inVersion(query: Asked, events: readonly RecordedEvent[]): readonly RecordedEvent[] {
  const given = query['schema-version'] === 'stored' ? events.map(asStored) : events;
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
