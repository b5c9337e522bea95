import { defineEvent } from 'thereupon';
import { z } from 'zod';

const id = z.string().min(1);
const grade = z.int().min(1).max(9);
/** A year, in whole cents. */
const salaryCents = z.int().positive();

const employee = (data: { employeeId: string }) => `employee-${data.employeeId}`;
const access = (data: { employeeId: string }) => `access-${data.employeeId}`;

// When something takes effect is the time of its event: what somebody was on a day is asked of the stream, as of that day.

export const DepartmentOpened = defineEvent({
  type: 'people.department.opened',
  summary: 'A department was opened',
  stream: (data) => `department-${data.departmentId}`,
  schema: z.object({ departmentId: id, name: z.string() }),
});

export const Hired = defineEvent({
  type: 'people.employee.hired',
  summary: 'Somebody began to work here',
  stream: employee,
  schema: z.object({ employeeId: id, name: z.string().min(1), departmentId: id, grade, salaryCents }),
});

export const Promoted = defineEvent({
  type: 'people.employee.promoted',
  summary: 'An employee rose to a higher grade',
  stream: employee,
  schema: z.object({ employeeId: id, fromGrade: grade, grade, fromSalaryCents: salaryCents, salaryCents }),
});

export const Moved = defineEvent({
  type: 'people.employee.moved',
  summary: 'An employee went to another department',
  stream: employee,
  schema: z.object({ employeeId: id, fromDepartmentId: id, departmentId: id }),
});

export const ManagerAssigned = defineEvent({
  type: 'people.manager.assigned',
  summary: 'An employee reports to somebody from now on',
  stream: employee,
  schema: z.object({ employeeId: id, fromManagerId: id.nullable(), managerId: id }),
  // Of both: who had a report has one less.
  tags: ({ managerId, fromManagerId }) => tagsOf(managerId, fromManagerId),
});

export const Left = defineEvent({
  type: 'people.employee.left',
  summary: 'An employee does not work here any more',
  stream: employee,
  schema: z.object({ employeeId: id, managerId: id.nullable(), salaryCents }),
  tags: ({ managerId }) => tagsOf(managerId),
});

export const AccessGranted = defineEvent({
  type: 'people.access.granted',
  summary: 'An employee may see what belongs to their grade',
  stream: access,
  schema: z.object({ employeeId: id, area: z.string() }),
});

export const AccessRevoked = defineEvent({
  type: 'people.access.revoked',
  summary: 'Somebody who left may see nothing any more',
  stream: access,
  schema: z.object({ employeeId: id }),
});

/** What everything about the reports of a manager has in common, whose streams it is in. */
export function tagsOf(...managers: readonly (string | null)[]): readonly string[] {
  return managers.filter((manager) => manager !== null).map((manager) => `manager:${manager}`);
}
