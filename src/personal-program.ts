import { ownersOf } from './decider/parts.ts';
import { InvalidDefinition } from './errors.ts';
import type { EventDefinition } from './event/define-event.ts';
import { lateOf, retractionOf } from './event/derived-definitions.ts';
import type { PersonalTypes } from './event/event-opening.ts';
import type { PersonalFields } from './event/personal-fields.ts';
import type { KeyedState, Reaction } from './consumer/reaction.ts';
import type { DeciderDefinition } from './decider/define-decider.ts';

/** The personal fields of the events of a program, by type: of the current version, where several are defined. */
export function personalTypes(definitions: readonly EventDefinition[]): PersonalTypes {
  const types = new Map<string, PersonalFields>();
  const versions = new Map<string, number>();
  for (const definition of definitions) {
    const { personal, type, version } = definition;
    if (personal === undefined || (versions.get(type) ?? 0) > version) continue;
    versions.set(type, version);
    // Retractions and late events carry the data of their event.
    for (const each of [definition, retractionOf(definition), lateOf(definition)]) types.set(each.type, personal);
  }
  return types;
}

/**
 * Whoever keeps something of events with personal fields says what of that is personal.
 *
 * Errors    InvalidDefinition names the reaction or decider, and the event type.
 */
export function assertPersonalSaid(
  types: PersonalTypes,
  reactions: readonly Reaction[],
  deciders: readonly DeciderDefinition[],
): void {
  if (types.size === 0) return;
  for (const { kind, name, consumes, state, tables } of reactions) {
    const told = consumes?.find((each) => types.has(each));
    if (tables !== undefined && tables.personal === undefined && told !== undefined)
      throw new InvalidDefinition(
        `${kind} ${name}`,
        `takes ${told}, which has personal fields, into tables, which are not sealed; say that nothing personal is written there (personal: 'none'), or keep rows (defineProjection)`,
      );
    if (state === undefined || isSaid(state)) continue;
    // Whoever takes every event takes these.
    const type = consumes === undefined ? [...types.keys()][0] : consumes.find((each) => types.has(each));
    if (type === undefined) continue;
    throw unsaid(`${kind} ${name}`, type, kind);
  }
  for (const { name, on, publishes, commands } of deciders) {
    const definition = [...on, ...publishes].find((each) => types.has(each.type));
    const silent = commands.find(({ saysPersonal }) => !saysPersonal);
    if (definition === undefined || silent === undefined) continue;
    throw new InvalidDefinition(
      `command ${silent.name}`,
      `is decided by ${name} with ${definition.type}, which has personal fields; say whose its data is, so that the digest by which it is known again and what refusals of it say can be sealed (personal: { subject }), or that it is nobody's (personal: 'none')`,
    );
  }
  for (const { decider: name, on, own } of ownersOf(deciders)) {
    if (own.snapshot === undefined || own.personal !== undefined) continue;
    const definition = on.find((each) => types.has(each.type));
    if (definition !== undefined) throw unsaid(`decider ${name}`, definition.type, 'decider');
  }
}

function isSaid({ personal }: KeyedState): boolean {
  if (typeof personal !== 'object') return personal !== undefined;
  return !('isSaid' in personal) || personal.isSaid;
}

/** How each says it. */
const SAYS: Readonly<Record<string, string>> = {
  consumer: 'state.personal: { subject, fields }',
  automation: 'state.personal: { subject, fields }',
  monitor: 'personal: { subject }',
};

function unsaid(title: string, type: string, kind: string): InvalidDefinition {
  const [says = 'personal: { subject, fields }'] = [SAYS[kind]];
  const none = `${says.slice(0, says.indexOf(':'))}: 'none'`;
  return new InvalidDefinition(
    title,
    `keeps what it makes of ${type}, which has personal fields; say what of that is personal (${says}), or that nothing is (${none})`,
  );
}

/** Whether something of commands has to be sealed. */
export function hasPersonalCommands(deciders: readonly DeciderDefinition[] = []): boolean {
  return deciders.some(({ commands }) => commands.some(({ isPersonal }) => isPersonal));
}
