import type { StandardSchemaV1 } from '@standard-schema/spec';
import { InvalidDefinition } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import { assertSubject } from '../event/personal-fields.ts';
import { assertKnown, titleOf } from '../system/known-options.ts';

/** A request that may be refused: what it is called, and what it has to say. */
export interface CommandDefinition<Name extends string = string, Input = unknown, Data = unknown> {
  readonly kind: 'command';
  readonly name: Name;
  readonly summary: string | undefined;
  readonly schema: StandardSchemaV1<Input, Data>;
  /** Whether it says which stream decides. */
  readonly namesStream: boolean;
  /** Whether it says whose its data is, or that it is nobody's. */
  readonly saysPersonal: boolean;
  /** Whether it is somebody's. */
  readonly isPersonal: boolean;
  /** Whose its data is; undefined: it says nothing of anybody, or does not say. Errors: InvalidInput when that is no name. */
  subjectOf(data: Data): string | undefined;
  // A method, so that a command of one shape is a command of every wider shape.
  streamOf(data: Data): string | undefined;
}

/** The data that `decide` gets. */
export type CommandDataOf<Definition> =
  Definition extends CommandDefinition<string, infer _Input, infer Data> ? Data : never;
/** The data that whoever asks gives. */
export type CommandInputOf<Definition> =
  Definition extends CommandDefinition<string, infer Input, infer _Data> ? Input : never;

export interface CommandOptions<Name extends string, Schema extends StandardSchemaV1> {
  /** What is asked for, as a literal: `'shop.place-order'`. */
  readonly name: Name;
  readonly schema: Schema;
  /** One sentence for the catalog. */
  readonly summary?: string;
  /** The entity that decides: `order-17`. Not of commands that are decided across several streams. */
  readonly stream?: (data: StandardSchemaV1.InferOutput<Schema>) => string;
  /**
   * Whose its data is, where its decider has to do with events that have personal fields: with a key of theirs the digest is made by which a
   * repetition is known, and what refusals say is sealed. `'none'`: nothing in it is personal.
   */
  readonly personal?: 'none' | { readonly subject: (data: StandardSchemaV1.InferOutput<Schema>) => string };
}

const COMMAND_OPTIONS = 'name schema summary stream personal'.split(' ');
/** As of event types. */
const COMMAND_NAME = /^[^\s\p{Cc}]{1,255}$/u;

/**
 * Declares a command.
 *
 * Guarantee The name is a literal: a rename in code renames no command that was executed.
 * Errors    InvalidDefinition
 */
export function defineCommand<const Name extends string, Schema extends StandardSchemaV1>(
  options: CommandOptions<Name, Schema>,
): CommandDefinition<Name, StandardSchemaV1.InferInput<Schema>, StandardSchemaV1.InferOutput<Schema>> {
  const title = titleOf('command', options);
  assertKnown(title, options, COMMAND_OPTIONS);
  if (typeof options.name !== 'string' || !COMMAND_NAME.test(options.name))
    throw new InvalidDefinition(
      title,
      'name must be 1 to 255 characters without white space, such as shop.place-order',
    );
  const standard = (options.schema as { '~standard'?: { version?: unknown; validate?: unknown } } | undefined)?.[
    '~standard'
  ];
  if (standard?.version !== 1 || typeof standard.validate !== 'function')
    throw new InvalidDefinition(
      title,
      `schema must be a Standard Schema (zod, valibot, arktype ...), found ${describeValue(options.schema)}`,
    );
  const { stream } = options;
  if (stream !== undefined && typeof stream !== 'function')
    throw new InvalidDefinition(title, `stream must be a function of the data, found ${describeValue(stream)}`);
  const subjectOf = subjectReader(title, options.personal);
  return {
    kind: 'command',
    name: options.name,
    summary: options.summary,
    schema: options.schema,
    namesStream: stream !== undefined,
    saysPersonal: options.personal !== undefined,
    isPersonal: typeof options.personal === 'object',
    subjectOf,
    streamOf(data) {
      if (stream === undefined) return undefined;
      let name: unknown;
      try {
        name = stream(data);
      } catch (error) {
        throw new InvalidDefinition(title, `its stream function threw: ${(error as Error).message}`, { cause: error });
      }
      if (typeof name !== 'string')
        throw new InvalidDefinition(title, `its stream function must give a string, found ${describeValue(name)}`);
      return name;
    },
  };
}

function subjectReader(title: string, given: unknown): (data: unknown) => string | undefined {
  if (given === undefined || given === 'none') return () => undefined;
  if (typeof given !== 'object' || given === null)
    throw new InvalidDefinition(title, `personal must be 'none' or { subject }, found ${describeValue(given)}`);
  assertKnown(title, given, ['subject'], 'personal.');
  const { subject } = given as { readonly subject: unknown };
  if (typeof subject !== 'function') throw new InvalidDefinition(title, 'personal.subject must be a function');
  return (data) => {
    const name: unknown = (subject as (of: unknown) => unknown)(data);
    assertSubject(name, `${title}: personal.subject`);
    return name;
  };
}
