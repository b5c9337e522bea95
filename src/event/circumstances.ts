import { InvalidInput } from '../errors.ts';

/** Through what a request came: said by whoever takes requests of others, such as the server. */
export interface Caller {
  /** The name of the API key that it carried, where it names somebody else as its actor. Never the key. */
  readonly key?: string;
  /** The network address that it came from. It may tell who somebody is: keep it only where that is wanted. */
  readonly address?: string;
}

/**
 * How a fact or a command came about, beside on whose behalf: kept with it as the extension attributes `authkey`, `authaddress` and `authreason`. No
 * part of what it says: a repetition may have others.
 */
export interface Circumstances {
  /** Why, in words of whoever publishes it or gives it. */
  readonly reason?: string | undefined;
  readonly caller?: Caller | undefined;
}

const MAX_LENGTH = 1_024;
/** Source: CloudEvents, type system, String */
const DISALLOWED = /[\p{Cc}\p{Noncharacter_Code_Point}\p{Cs}]/u;

/** Errors: InvalidInput names the place. */
export function assertCircumstances({ reason, caller }: Circumstances): void {
  if (reason !== undefined) assertText('reason', reason);
  if (caller === undefined) return;
  if (typeof caller !== 'object' || (caller as Caller | null) === null)
    throw new InvalidInput({ path: 'caller', expected: '{ key, address }', found: caller });
  for (const [name, value] of Object.entries(caller)) {
    if (name !== 'key' && name !== 'address')
      throw new InvalidInput({ path: `caller.${name}`, expected: '{ key, address }', found: value });
    if (value !== undefined) assertText(`caller.${name}`, value);
  }
}

/** As the attributes of an event. */
export function circumstanceAttributes({ reason, caller = {} }: Circumstances): Readonly<Record<string, string>> {
  const { key, address } = caller;
  return {
    ...(key === undefined ? {} : { authkey: key }),
    ...(address === undefined ? {} : { authaddress: address }),
    ...(reason === undefined ? {} : { authreason: reason }),
  };
}

function assertText(path: string, text: unknown): void {
  if (typeof text === 'string' && text !== '' && text.length <= MAX_LENGTH && !DISALLOWED.test(text)) return;
  throw new InvalidInput({
    path,
    expected: `1 to ${MAX_LENGTH} characters, none of them a control character`,
    found: text,
  });
}
