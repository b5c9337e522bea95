import { defineCommand } from 'thereupon';
import { z } from 'zod';

const id = z.string().min(1);
/** From which day on: `2026-03-01`. */
const on = z.iso.date();
const grade = z.int().min(1).max(9);
const salaryCents = z.int().positive();

export const OpenDepartment = defineCommand({
  name: 'people.open-department',
  summary: 'Opens a department',
  stream: (data) => `department-${data.departmentId}`,
  schema: z.object({ departmentId: id, name: z.string(), on }),
});

export const Hire = defineCommand({
  name: 'people.hire',
  summary: 'Hires somebody into a department',
  schema: z.object({ employeeId: id, name: z.string().min(1), departmentId: id, grade, salaryCents, on }),
});

export const Promote = defineCommand({
  name: 'people.promote',
  summary: 'Raises an employee to a higher grade',
  stream: (data) => `employee-${data.employeeId}`,
  schema: z.object({ employeeId: id, grade, salaryCents, on }),
});

export const Move = defineCommand({
  name: 'people.move',
  summary: 'Moves an employee to another department',
  schema: z.object({ employeeId: id, departmentId: id, on }),
});

export const AssignManager = defineCommand({
  name: 'people.assign-manager',
  summary: 'Says to whom an employee reports',
  schema: z.object({ employeeId: id, managerId: id, on }),
});

export const Leave = defineCommand({
  name: 'people.leave',
  summary: 'Ends the work of an employee',
  schema: z.object({ employeeId: id, on }),
});
