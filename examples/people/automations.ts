import { defineAutomation } from 'thereupon';
import { AccessGranted, AccessRevoked, Hired, Left, Promoted } from './events.ts';

/** From which grade on somebody may see what. */
const AREAS = [
  { grade: 3, area: 'budgets' },
  { grade: 5, area: 'contracts' },
  { grade: 7, area: 'salaries' },
] as const;

/** An employee was promoted; thereupon access was granted to what the new grade opens. */
export const grantAccess = defineAutomation({
  name: 'grant-access',
  summary: 'Grants access to what a new grade opens',
  on: [Hired, Promoted],
  publishes: [AccessGranted],
  async run({ event: { type, data }, publish }) {
    const before = type === 'people.employee.promoted' ? data.fromGrade : 0;
    for (const { grade, area } of AREAS)
      if (before < grade && grade <= data.grade) await publish(AccessGranted, { employeeId: data.employeeId, area });
  },
});

/** An employee left; thereupon all access was revoked. */
export const revokeAccess = defineAutomation({
  name: 'revoke-access',
  summary: 'Revokes all access of those who leave',
  on: Left,
  publishes: [AccessRevoked],
  async run({ event, publish }) {
    await publish(AccessRevoked, { employeeId: event.data.employeeId });
  },
});
