import { defineDecider, fact, refuse } from 'thereupon';
import type { Decision } from 'thereupon';
import { OpenDepartment, Promote } from './commands.ts';
import { DepartmentOpened, Hired, Left, ManagerAssigned, Moved, Promoted } from './events.ts';

/** Somebody who works here. */
export interface Employed {
  readonly status: 'employed';
  readonly name: string;
  readonly departmentId: string;
  readonly managerId: string | null;
  readonly grade: number;
  readonly salaryCents: number;
  /** The day of the last change. */
  readonly since: string;
}

export type Employee =
  | { readonly status: 'unknown' }
  | Employed
  | { readonly status: 'left'; readonly name: string; readonly since: string };

/** On which day something took effect. */
const dayOf = ({ time }: { readonly time: string }): string => time.slice(0, 10);

/** Knows what somebody is here, and promotes them. */
export const employee = defineDecider({
  name: 'employee',
  summary: 'Who works here, where, as what, and for whom',
  initial: (): Employee => ({ status: 'unknown' }),
  evolve: [
    [
      Hired,
      (_nobody, event) => {
        const { name, departmentId, grade, salaryCents } = event.data;
        return { status: 'employed', name, departmentId, managerId: null, grade, salaryCents, since: dayOf(event) };
      },
    ],
    [
      Promoted,
      (person, event) => {
        const { grade, salaryCents } = event.data;
        return changed(person, { grade, salaryCents, since: dayOf(event) });
      },
    ],
    [Moved, (person, event) => changed(person, { departmentId: event.data.departmentId, since: dayOf(event) })],
    [ManagerAssigned, (person, event) => changed(person, { managerId: event.data.managerId, since: dayOf(event) })],
    [
      Left,
      (person, event) =>
        person.status === 'employed' ? { status: 'left', name: person.name, since: dayOf(event) } : person,
    ],
  ],
  publishes: [Promoted],
  decide: [
    [
      Promote,
      (person, { data: { employeeId, grade, salaryCents, on } }) =>
        whileEmployed(person, on, ({ name, grade: fromGrade, salaryCents: fromSalaryCents }) => {
          if (grade <= fromGrade)
            return refuse('not-higher', `${name} has grade ${fromGrade} already`, { details: { grade: fromGrade } });
          return fact(Promoted, { employeeId, fromGrade, grade, fromSalaryCents, salaryCents }, from(on));
        }),
    ],
  ],
});

export const department = defineDecider({
  name: 'department',
  summary: 'Which departments there are',
  initial: () => ({ isOpen: false }),
  evolve: [[DepartmentOpened, () => ({ isOpen: true })]],
  decide: [
    [
      OpenDepartment,
      ({ isOpen }, { data: { on, ...data } }) =>
        isOpen ? refuse('is-open', `${data.name} is open already`) : fact(DepartmentOpened, data, from(on)),
    ],
  ],
});

/** Decides for those who work here, and not for days before their last change: history is added to, and not rewritten. */
export function whileEmployed(person: Employee, on: string, decide: (employed: Employed) => Decision): Decision {
  if (person.status === 'unknown') return refuse('not-employed', 'nobody of that name works here');
  if (person.status === 'left') return refuse('has-left', `${person.name} left on ${person.since}`);
  if (on < person.since)
    return refuse('too-early', `something else changed for ${person.name} on ${person.since}`, {
      details: { since: person.since },
    });
  return decide(person);
}

/** From the beginning of a day. */
export function from(on: string): { readonly time: Date } {
  return { time: new Date(on) };
}

function changed(person: Employee, changes: Partial<Employed>): Employee {
  return person.status === 'employed' ? { ...person, ...changes } : person;
}
