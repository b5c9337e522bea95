import { InvalidInput } from '../errors.ts';
import { position } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { assertTags } from '../event/tags.ts';
import { assertKnown, isOptions } from '../system/known-options.ts';
import type { EventQuery, QueryClaim } from './append-conditions.ts';
import { compilePattern } from './filter/compile.ts';
import { matches } from './filter/matches.ts';

/** Events that something rests on, whatever their streams. All that is given must hold; nothing given: every event. */
export interface Query {
  readonly types?: readonly string[];
  /** The event has all of them. */
  readonly tags?: readonly string[];
  /** An event pattern. */
  readonly where?: unknown;
}

/** A writer's condition: that no event of a query was recorded after a place. */
export interface Condition extends Query {
  /** The place up to which was read what the writer rests on. */
  readonly after: Position | number;
}

const QUERY = ['types', 'tags', 'where'];

/** A query that a caller gives: a member that nobody knows would ask for more than is meant. Errors: InvalidInput names it; as of `queryOf`. */
export function givenQuery(query: Query, path: string): EventQuery {
  const expected = `an object of ${QUERY.join(', ')}`;
  if (!isOptions(query)) throw new InvalidInput({ path, expected, found: query });
  for (const [name, found] of Object.entries(query))
    if (!QUERY.includes(name)) throw new InvalidInput({ path: `${path}.${name}`, expected, found });
  return queryOf(query, path);
}

/** Errors: InvalidInput names the place; InvalidPattern in `where`. */
export function queryOf({ types, tags, where }: Query, path: string): EventQuery {
  if (types !== undefined && !(Array.isArray(types) && types.every((type) => typeof type === 'string')))
    throw new InvalidInput({ path: `${path}.types`, expected: 'a list of event types', found: types });
  if (tags !== undefined) assertTags(tags, `${path}.tags`);
  const pattern = where === undefined ? undefined : compilePattern(where);
  return {
    ...(types === undefined ? {} : { types }),
    ...(tags === undefined ? {} : { tags }),
    ...(pattern === undefined ? {} : { matches: (event) => matches(pattern, (name) => event.attribute(name)) }),
  };
}

/** Errors: as of `queryOf`. */
export function claimOf(condition: Condition, index: number): QueryClaim {
  const path = `unless[${index}]`;
  assertKnown(path, condition, [...QUERY, 'after']);
  const { after } = condition;
  if (!Number.isSafeInteger(after) || after < 0)
    throw new InvalidInput({ path: `${path}.after`, expected: 'a position, from 0', found: after });
  return { ...queryOf(condition, path), after: position(after) };
}
