import { InvalidDefinition, InvalidInput, open } from '../../index.ts';
import type { Config, System, SystemOptions } from '../../index.ts';
import { CommandFailed } from '../failure.ts';

/** Opens the system of a program. What its definitions do wrong is said with the file that they stand in. */
export async function openProgram(
  program: { readonly config: Config; readonly file: string | undefined },
  more: Partial<SystemOptions> = {},
): Promise<System> {
  try {
    return await open({ ...program.config, ...more });
  } catch (error) {
    const misused = error instanceof InvalidDefinition || error instanceof InvalidInput;
    if (!misused || program.file === undefined) throw error;
    throw new CommandFailed(`configuration ${program.file}: ${error.message}`, { cause: error });
  }
}
