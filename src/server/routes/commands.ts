import { z } from 'zod';
import { InvalidInput, StreamVersionConflict, UnknownCommand, assertActor, decodeHeaderValue } from '../../index.ts';
import type { Actor, CommandOutcome } from '../../index.ts';
import { callerOf, reasonOf } from '../caller.ts';
import { claimedVersion } from '../expected-version.ts';
import { problem, problemOf, problemReply } from '../problem.ts';
import { answer } from '../reply.ts';
import type { Reply } from '../reply.ts';
import { route } from '../route.ts';
import type { RouteRequest } from '../route.ts';

const listCommands = route({
  method: 'GET',
  path: '/commands',
  operation: 'listCommands',
  tag: 'commands',
  summary: 'List the commands that can be executed, and who decides them',
  answers: {
    200: { description: 'In the order of the program.', content: { 'application/json': 'CommandList' } },
  },
  handle({ system }) {
    return answer({ commands: system.deciders.commands() });
  },
});

const executeCommand = route({
  method: 'POST',
  path: '/commands/{name}',
  operation: 'executeCommand',
  tag: 'commands',
  summary: 'Execute a command: it is decided, and what comes of it is recorded',
  description:
    'The body is the data of the command. Answered only when the outcome is durable, also a refusal. The same command again, under the same id, has the first outcome and records nothing.',
  body: z.unknown().describe('the data of the command, as JSON'),
  requestHeaders: {
    'Thereupon-Command-Id':
      'The id of the command. Give one to make a repetition harmless; without, each request is a command of its own.',
    'Idempotency-Key':
      'As `Thereupon-Command-Id`: 1 to 2,048 bytes, in quotes (a string of RFC 9651) or without, which is the same key. Where both are given they have to agree.',
    'Thereupon-Correlation-Id': 'The conversation that the command belongs to. Default: its own id.',
    'ce-authtype':
      'Who gives the command, as in events: `user`, `app_user`, `service_account`, `api_key`, `system`, `unauthenticated` or `unknown`. Default: `api_key`, where the request carries one.',
    'ce-authid': 'Which one of these.',
    'Thereupon-Reason': 'Why, percent-encoded as `ce-` headers are: kept with the outcome and the facts.',
    'Thereupon-Expected-Version':
      'The version that the stream of the command must have: a number, `none`, `exists` or `any`; else 409.',
    'If-Match':
      'As `Thereupon-Expected-Version`, with the `ETag` of the stream: `"5"`, or `*`; else 412. Where both are given they have to agree.',
  },
  answers: {
    200: {
      description: 'Accepted, and nothing new was recorded: it came to no facts, or is a repetition.',
      content: { 'application/json': 'CommandOutcome' },
      headers: { ETag: 'The version of the stream, in quotes.' },
    },
    201: {
      description: 'Accepted, and its facts are recorded.',
      content: { 'application/json': 'CommandOutcome' },
      headers: { ETag: 'The version of the stream, in quotes.' },
    },
    409: { description: 'The id asked for something else before, or the stream is not at the expected version.' },
    412: { description: 'The stream is not at the version that `If-Match` names.' },
    422: { description: 'Refused (`command-refused`, with its `reason`), or the data does not fit the schema.' },
  },
  handle: execute,
});

export const commandRoutes = [listCommands, executeCommand];

async function execute(request: RouteRequest<unknown, unknown>): Promise<Reply> {
  const { system, parameter, body, header } = request;
  const name = parameter('name');
  const command = system.deciders.command(name);
  if (command === undefined)
    throw new UnknownCommand(
      name,
      system.deciders.list().flatMap(({ commands }) => commands.map((each) => each.name)),
    );
  const id = commandIdOf(header);
  const correlationid = header('thereupon-correlation-id');
  const expectedVersion = claimedVersion(request);
  if (!command.namesStream && expectedVersion !== undefined && expectedVersion !== 'any')
    throw new InvalidInput({
      path: header('if-match') === undefined ? 'Thereupon-Expected-Version' : 'If-Match',
      expected: `no claim: command ${name} is decided across several streams, which claims all of them itself`,
      found: header('if-match') ?? expectedVersion,
    });
  const named = actorOf(header);
  const actor = named ?? request.actor;
  const reason = reasonOf(header);
  const caller = callerOf(request, named !== undefined);
  try {
    return replyOf(
      await system.execute(command, body, {
        ...(id === undefined ? {} : { id }),
        ...(correlationid === undefined ? {} : { correlationid }),
        ...(actor === undefined ? {} : { actor }),
        ...(reason === undefined ? {} : { reason }),
        ...(caller === undefined ? {} : { caller }),
        ...(expectedVersion === undefined ? {} : { expectedVersion }),
      }),
    );
  } catch (error) {
    const conflict = header('if-match') !== undefined && error instanceof StreamVersionConflict;
    const document = conflict ? problemOf(error) : undefined;
    if (document === undefined) throw error;
    return problemReply({ ...document, status: 412 });
  }
}

function replyOf(outcome: CommandOutcome): Reply {
  const { version, duplicate, events } = outcome;
  const headers: Record<string, string> = version === undefined ? {} : { etag: `"${version}"` };
  if (outcome.accepted) return answer(outcome, { status: duplicate || events.length === 0 ? 200 : 201, headers });
  const { accepted: _no, message, ...fields } = outcome;
  return problemReply(problem('command-refused', message, fields), headers);
}

/** Errors: InvalidInput, InvalidEvent for one that cannot be decoded. */
function actorOf(header: (name: string) => string | undefined): Actor | undefined {
  const type = header('ce-authtype');
  const id = header('ce-authid');
  if (type === undefined && id === undefined) return undefined;
  const actor = { type, ...(id === undefined ? {} : { id: decodeHeaderValue(id, 'ce-authid') }) };
  assertActor(actor);
  return actor;
}

/** Errors: InvalidInput for a key that cannot be one, and where two headers say different things. */
function commandIdOf(header: (name: string) => string | undefined): string | undefined {
  const id = idOf('Thereupon-Command-Id', header('thereupon-command-id'));
  const key = idOf('Idempotency-Key', unquoted(header('idempotency-key')));
  if (id !== undefined && key !== undefined && id !== key)
    throw new InvalidInput({
      path: 'Idempotency-Key',
      expected: `the same as Thereupon-Command-Id, ${id}, or only one of the two`,
      found: key,
    });
  return id ?? key;
}

/** As of events. */
const MAX_ID_BYTES = 2_048;

function idOf(path: string, id: string | undefined): string | undefined {
  if (id === undefined || (id !== '' && Buffer.byteLength(id) <= MAX_ID_BYTES)) return id;
  throw new InvalidInput({ path, expected: `an id of 1 to ${MAX_ID_BYTES} bytes`, found: id });
}

/**
 * The text of a key that is said as a structured field has it, in quotes; one without quotes is the text itself. So both ways name one command.
 *
 * Source    draft-ietf-httpapi-idempotency-key-header; RFC 9651, section 3.3.3
 */
function unquoted(key: string | undefined): string | undefined {
  if (key?.startsWith('"') !== true) return key;
  if (/^"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"$/.test(key)) return key.slice(1, -1).replaceAll(/\\(["\\])/g, '$1');
  throw new InvalidInput({
    path: 'Idempotency-Key',
    expected: 'text without quotes, or one string in quotes, with \\" and \\\\ for what would end it',
    found: key,
  });
}
