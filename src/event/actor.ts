import { InvalidInput } from '../errors.ts';

/** What a principal may be. Source: CloudEvents, auth context extension, `authtype` */
export const ACTOR_TYPES = [
  'app_user',
  'user',
  'service_account',
  'api_key',
  'system',
  'unauthenticated',
  'unknown',
] as const;

/**
 * On whose behalf a fact came about: kept with it as the attributes `authtype` and `authid`.
 *
 * Source    CloudEvents, auth context extension
 */
export interface Actor {
  /** `app_user`: of the application; `user`: a person with an account of the organisation. */
  readonly type: (typeof ACTOR_TYPES)[number];
  /** Which one: stable, and nothing secret. */
  readonly id?: string;
}

const MAX_ID_LENGTH = 1_024;
/** Source: CloudEvents, type system, String */
const DISALLOWED = /[\p{Cc}\p{Noncharacter_Code_Point}\p{Cs}]/u;
const EXPECTED = `{ type, id }, with a type of ${ACTOR_TYPES.join(', ')}`;

/** Errors: InvalidInput. */
export function assertActor(actor: unknown): asserts actor is Actor {
  const given = (typeof actor === 'object' ? actor : null) as Readonly<Record<string, unknown>> | null;
  if (given === null) throw new InvalidInput({ path: 'actor', expected: EXPECTED, found: actor });
  for (const name of Object.keys(given))
    if (name !== 'type' && name !== 'id')
      throw new InvalidInput({ path: `actor.${name}`, expected: EXPECTED, found: given[name] });
  const { type, id } = given;
  if (!(ACTOR_TYPES as readonly unknown[]).includes(type))
    throw new InvalidInput({ path: 'actor.type', expected: `one of ${ACTOR_TYPES.join(', ')}`, found: type });
  const fits =
    id === undefined || (typeof id === 'string' && id !== '' && id.length <= MAX_ID_LENGTH && !DISALLOWED.test(id));
  if (!fits)
    throw new InvalidInput({
      path: 'actor.id',
      expected: `1 to ${MAX_ID_LENGTH} characters, none of them a control character`,
      found: id,
    });
}

/** As the attributes of an event. */
export function actorAttributes({ type, id }: Actor): { readonly authtype: string; readonly authid?: string } {
  return id === undefined ? { authtype: type } : { authtype: type, authid: id };
}
