import { asStored } from '../index.ts';
import type { RecordedEvent } from '../index.ts';
import { choice, one } from './query.ts';

/** In which schema version events are given. */
export const SCHEMA_VERSION = {
  'schema-version': one(
    choice('current', 'stored'),
    '`current`, the default: older events in the version that the program knows, by its upcasters; `stored`: as they were recorded. `where` looks at the current one.',
  ),
} as const;

type Asked = { readonly 'schema-version'?: 'current' | 'stored' | undefined };

/** Events in the schema version that a request asks for. */
export function inVersion(query: Asked, events: readonly RecordedEvent[]): readonly RecordedEvent[] {
  return query['schema-version'] === 'stored' ? events.map(asStored) : events;
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
