import { DecisionInvalid, InvalidDefinition, LimitExceeded, ThereuponError } from '../errors.ts';
import type { EncodedEvent } from '../event/event.ts';
import type { Publication, Publisher } from '../producer/publisher.ts';
import type { Asked } from './asked.ts';
import { decided } from './decision.ts';
import type { Refusal } from './decision.ts';
import type { DeciderDefinition } from './define-decider.ts';

/** A decision, ready for the log. */
export interface Made {
  readonly events: readonly EncodedEvent[];
  readonly refusal: Refusal | undefined;
}

/**
 * Asks the decider. At once where schemas answer at once.
 *
 * Shape     `streams`: the only ones that its facts may belong to; undefined: any.
 * Errors    DecisionInvalid where `decide` throws, or its facts cannot be recorded; LimitExceeded.
 */
export function make(
  publisher: Publisher,
  asked: Asked,
  state: unknown,
  streams: readonly string[] | undefined,
): Made | Promise<Made> {
  try {
    const made = makeAtOnce(publisher, asked, state, streams);
    return made instanceof Promise ? made.catch((error: unknown) => Promise.reject(blamed(asked, error))) : made;
  } catch (error) {
    throw blamed(asked, error);
  }
}

/** What would be the fault of a caller who publishes is that of the decider here; what is too large for the log may be the command. */
function blamed({ decider, command }: Asked, error: unknown): unknown {
  const isOfCaller = error instanceof ThereuponError && error.fault === 'caller' && !(error instanceof LimitExceeded);
  return isOfCaller ? new DecisionInvalid(decider.name, command.name, error) : error;
}

function makeAtOnce(
  publisher: Publisher,
  { decider, command, correlationid, circumstances }: Asked,
  state: unknown,
  streams: readonly string[] | undefined,
): Made | Promise<Made> {
  const { facts, refusal } = decided(decider.name, decision(decider, state, command));
  if (refusal !== undefined) publisher.assertRefusal(command.name, refusal);
  for (const fact of facts) assertDecided(decider, fact);
  const stream = decider.own === undefined ? undefined : streams?.[0];
  const admitted = publisher.admitDecided(facts, {
    commandId: command.id,
    correlationid,
    stream,
    actor: command.actor,
    circumstances,
  });
  const finish = (events: readonly EncodedEvent[]): Made => {
    if (streams !== undefined) for (const event of events) assertWithin(decider, event, streams);
    return { events, refusal };
  };
  return admitted instanceof Promise ? admitted.then(finish) : finish(admitted);
}

/** Errors: InvalidDefinition, with what it threw as the cause. */
function decision(decider: DeciderDefinition, state: unknown, command: Asked['command']): unknown {
  try {
    return decider.decide(state, command);
  } catch (error) {
    const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    throw new InvalidDefinition(`decider ${decider.name}`, `decide threw ${said}`, { cause: error });
  }
}

function assertDecided({ name, publishes }: DeciderDefinition, { event, options }: Publication): void {
  const title = `decider ${name}`;
  if (!publishes.includes(event))
    throw new InvalidDefinition(
      title,
      `decided a fact ${event.type}, which it does not name; add it to publishes, which names all that it decides: ${[...publishes, event].map((each) => each.type).join(', ')}`,
    );
  // What makes a repetition harmless is the id of the command. A fact that was known would leave a gap where others count on it.
  for (const own of ['id', 'causationid'] as const)
    if (options?.[own] !== undefined)
      throw new InvalidDefinition(
        title,
        `decided a fact ${event.type} with ${own === 'id' ? 'an id' : 'a causationid'} of its own, ${options[own]}; leave it out: it is the command that has the id`,
      );
}

function assertWithin({ name }: DeciderDefinition, event: EncodedEvent, streams: readonly string[]): void {
  if (streams.includes(event.stream)) return;
  throw new InvalidDefinition(
    `decider ${name}`,
    `decided a fact ${event.type} for stream ${event.stream}, which it was not decided on; expected ${streams.join(' or ')}`,
  );
}
