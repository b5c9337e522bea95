import { defineAutomation, defineCommand, defineDecider, defineEvent, defineProjection, fact, refuse } from 'thereupon';
import { z } from 'zod';
import type { Line } from './histories.ts';

const stream = ({ person }: { person: string }) => `career-${person}`;
const taken = z.object({ person: z.string(), role: z.string(), unit: z.string(), party: z.string() });
const leadership = z.object({ person: z.string(), role: z.string() });

export const Appointed = defineEvent({ type: 'career.appointed', schema: taken, stream });
export const Reelected = defineEvent({ type: 'career.reelected', schema: taken, stream });
export const Promoted = defineEvent({ type: 'career.promoted', schema: taken, stream });
export const LeadershipStarted = defineEvent({ type: 'career.leadership.started', schema: leadership, stream });
export const LeadershipEnded = defineEvent({ type: 'career.leadership.ended', schema: leadership, stream });
export const RoleChanged = defineEvent({
  type: 'career.role.changed',
  schema: z.object({ person: z.string(), from: z.string(), to: z.string() }),
  stream: ({ person }) => `noticed-${person}`,
});

/** What the table tells, without its opinion of what that is. */
export const TakeRole = defineCommand({ name: 'career.take-role', schema: taken.extend({ on: z.iso.date() }), stream });
export const StartLeading = defineCommand({
  name: 'career.start-leading',
  schema: leadership.extend({ on: z.iso.date() }),
  stream,
});
export const StopLeading = defineCommand({
  name: 'career.stop-leading',
  schema: leadership.extend({ on: z.iso.date() }),
  stream,
});

export interface Career {
  readonly role: string | null;
  readonly unit: string | null;
  readonly party: string | null;
  readonly terms: number;
  readonly leads: readonly string[];
}

type Taken = { readonly data: z.output<typeof taken> };
const nobody: Career = { role: null, unit: null, party: null, terms: 0, leads: [] };
const inRole = (career: Career, { data: { role, unit, party } }: Taken): Career => ({
  ...career,
  role,
  unit,
  party,
  terms: career.terms + 1,
});
const leading = (career: Career, { data }: { readonly data: { role: string } }): Career => ({
  ...career,
  leads: [...career.leads, data.role],
});
/** Who has had the same office twice gives up the earlier one first. */
const notLeading = (career: Career, { data }: { readonly data: { role: string } }): Career => ({
  ...career,
  leads: career.leads.toSpliced(career.leads.indexOf(data.role), 1),
});

/** Knows what it is to take a role from the roles before. */
export const career = defineDecider({
  name: 'career',
  initial: () => nobody,
  snapshot: { every: 3 },
  evolve: [
    [Appointed, inRole],
    [Reelected, inRole],
    [Promoted, inRole],
    [LeadershipStarted, leading],
    [LeadershipEnded, notLeading],
  ],
  decide: [
    [
      TakeRole,
      ({ role }, { data: { on, ...data } }) => {
        const event = role === null ? Appointed : role === data.role ? Reelected : Promoted;
        return fact(event, data, { time: new Date(on) });
      },
    ],
    [StartLeading, (_career, { data: { on, ...data } }) => fact(LeadershipStarted, data, { time: new Date(on) })],
    [
      StopLeading,
      ({ leads }, { data: { on, ...data } }) =>
        leads.includes(data.role) ? fact(LeadershipEnded, data, { time: new Date(on) }) : refuse('does-not-lead'),
    ],
  ],
});

/** Sees roles, and not what anybody called the event. */
export const noticeChanges = defineAutomation({
  name: 'notice-changed-roles',
  on: [Appointed, Reelected, Promoted],
  publishes: [RoleChanged],
  state: { initial: (): { role: string | null } => ({ role: null }) },
  async run({ event: { data }, state, publish }) {
    const { role } = state.get();
    if (role !== null && role !== data.role)
      await publish(RoleChanged, { person: data.person, from: role, to: data.role });
    state.set({ role: data.role });
  },
});

export const people = defineProjection({
  name: 'people',
  key: ({ data }) => data.person,
  initial: () => ({ ...nobody, led: 0 }),
  on: [
    [Appointed, (row, event) => ({ ...row, ...inRole(row, event) })],
    [Reelected, (row, event) => ({ ...row, ...inRole(row, event) })],
    [Promoted, (row, event) => ({ ...row, ...inRole(row, event) })],
    [LeadershipStarted, (row, event) => ({ ...row, ...leading(row, event), led: row.led + 1 })],
    [LeadershipEnded, (row, event) => ({ ...row, ...notLeading(row, event) })],
  ],
  indexes: { terms: ({ terms }) => terms, led: ({ led }) => led },
});

const plusOne = (count: number) => count + 1;

/** How many events there are for each of something that is known of them. */
function counts(name: string, key: (event: { type: string; time: string }) => string) {
  return defineProjection({
    name,
    key,
    initial: () => 0,
    on: [
      [Appointed, plusOne],
      [Reelected, plusOne],
      [Promoted, plusOne],
      [LeadershipStarted, plusOne],
      [LeadershipEnded, plusOne],
    ],
  });
}

export const types = counts('types', ({ type }) => type.slice('career.'.length));
export const decades = counts('decades', ({ time }) => `${time.slice(0, 3)}0`);

export const changes = defineProjection({
  name: 'changes',
  key: ({ data }) => `${data.from} -> ${data.to}`,
  initial: () => 0,
  on: [[RoleChanged, plusOne]],
});

export const isRole = ({ event }: Line): boolean => !event?.startsWith('leadership.');

/** Of a person's lines up to a date, without going from one to the next. */
export function careerIn(lines: readonly Line[]): Career {
  const roles = lines.filter(isRole);
  const last = roles.at(-1);
  const of = (kind: string, column: string) =>
    lines.filter(({ event }) => event === kind).map((line) => line[column] ?? '');
  const ended = of('leadership.ended', 'from_role');
  const leads = of('leadership.started', 'to_role').filter((role) => {
    const index = ended.indexOf(role);
    if (index !== -1) ended.splice(index, 1);
    return index === -1;
  });
  return {
    role: last?.['to_role'] ?? null,
    unit: last?.['unit'] ?? null,
    party: last?.['party'] ?? null,
    terms: roles.length,
    leads,
  };
}
