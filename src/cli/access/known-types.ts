import { CommandFailed } from '../failure.ts';
import { printable } from '../output/text.ts';
import type { Connection } from './connect.ts';

/** Errors: CommandFailed for a type that must not be published without what defines it. */
export type TypeCheck = (type: string) => Promise<void>;

/**
 * Where a command opened a store without the configuration of its program: a type that has a schema there would be recorded unchecked, and
 * maybe in another stream; and beside programs that run, so would one whose schema only they may know.
 */
export function typeCheck({ system, isProgram }: Connection): TypeCheck {
  if (system === undefined) return async () => undefined;
  const passed = new Set<string>();
  return async (type) => {
    if (passed.has(type)) return;
    const { events } = await system.catalog();
    const known = events.filter((event) => event.type === type);
    if (!known.some(({ defined }) => defined)) {
      const expected =
        'give the configuration of the program (--config), or the address of a server of its own (--url)';
      if (known.length > 0 && !isProgram)
        throw new CommandFailed(
          `${printable(type)} has a schema in this store, and its definition, by which data is checked, is not known here; ${expected}`,
        );
      const others = (await system.consumers.list()).some(
        ({ state, kind }) => state === 'running' && kind !== 'system',
      );
      if (others)
        throw new CommandFailed(
          `programs run on this store, and what ${printable(type)} is to look like is not known here; ${expected}`,
        );
    }
    passed.add(type);
  };
}
