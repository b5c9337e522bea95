import { defineDecider, fact, ofQuery, ofStream, refuse } from 'thereupon';
import { AssignManager, Hire, Leave, Move } from './commands.ts';
import { department, employee, from, whileEmployed } from './employee.ts';
import { Hired, Left, ManagerAssigned, Moved, tagsOf } from './events.ts';

interface OfEmployee {
  readonly employeeId: string;
}

const theEmployee = ofStream(employee, ({ employeeId }: OfEmployee) => `employee-${employeeId}`);

/** What concerns an employee and a department: both are as they were when it was decided, or it is decided again. */
export const placement = defineDecider({
  name: 'placement',
  summary: 'Hires into a department, and moves to another one',
  across: {
    person: theEmployee,
    place: ofStream(department, ({ departmentId }: { departmentId: string }) => `department-${departmentId}`),
  },
  publishes: [Hired, Moved],
  decide: [
    [
      Hire,
      ({ person, place }, { data: { on, ...data } }) => {
        if (person.status !== 'unknown') return refuse('hired-before', `${person.name} has been hired before`);
        if (!place.isOpen) return refuse('no-such-department');
        return fact(Hired, data, from(on));
      },
    ],
    [
      Move,
      ({ person, place }, { data: { employeeId, departmentId, on } }) =>
        whileEmployed(person, on, ({ name, departmentId: fromDepartmentId }) => {
          if (departmentId === fromDepartmentId) return refuse('same-department', `${name} is there already`);
          if (!place.isOpen) return refuse('no-such-department');
          return fact(Moved, { employeeId, fromDepartmentId, departmentId }, from(on));
        }),
    ],
  ],
});

/** Two employees at once: nobody is given a manager who leaves at the same moment. */
export const reporting = defineDecider({
  name: 'reporting',
  summary: 'Says who reports to whom',
  across: {
    person: theEmployee,
    manager: ofStream(employee, ({ managerId }: { managerId: string }) => `employee-${managerId}`),
  },
  publishes: [ManagerAssigned],
  decide: [
    [
      AssignManager,
      ({ person, manager }, { data: { employeeId, managerId, on } }) =>
        whileEmployed(person, on, ({ name, managerId: fromManagerId }) => {
          if (managerId === employeeId) return refuse('own-manager', `${name} cannot report to themselves`);
          if (managerId === fromManagerId) return undefined;
          if (manager.status !== 'employed') return refuse('no-such-manager');
          return fact(ManagerAssigned, { employeeId, fromManagerId, managerId }, from(on));
        }),
    ],
  ],
});

/** An employee, and whatever was said of their reports in the streams of these. */
export const departure = defineDecider({
  name: 'departure',
  summary: 'Lets those go who have no reports any more',
  across: {
    person: theEmployee,
    /** The manager of each who reports, or reported, to this employee. */
    managers: ofQuery({
      initial: (): Readonly<Record<string, string>> => ({}),
      evolve: [
        [ManagerAssigned, (managers, { data }) => ({ ...managers, [data.employeeId]: data.managerId })],
        [
          Left,
          (managers, { data }) => {
            const { [data.employeeId]: _left, ...others } = managers;
            return others;
          },
        ],
      ],
      tags: ({ employeeId }: OfEmployee) => tagsOf(employeeId),
    }),
  },
  publishes: [Left],
  decide: [
    [
      Leave,
      ({ person, managers }, { data: { employeeId, on } }) =>
        whileEmployed(person, on, ({ name, managerId, salaryCents }) => {
          const reports = Object.keys(managers).filter((report) => managers[report] === employeeId);
          if (reports.length > 0)
            return refuse('has-reports', `${reports.length} report to ${name}; assign them to somebody else first`, {
              details: { reports },
            });
          return fact(Left, { employeeId, managerId, salaryCents }, from(on));
        }),
    ],
  ],
});
