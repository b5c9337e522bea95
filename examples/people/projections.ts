import { defineProjection } from 'thereupon';
import { AccessGranted, AccessRevoked, Hired, Left, ManagerAssigned, Moved, Promoted } from './events.ts';

type Place = { name: string; departmentId: string; managerId: string | null; grade: number };

/** A row a person: who is in a department, or reports to somebody, is one question to an index. */
export const orgChart = defineProjection({
  name: 'org-chart',
  summary: 'Who works here, in which department, for whom',
  key: (event) => event.data.employeeId,
  initial: (): Place => ({ name: '', departmentId: '', managerId: null, grade: 0 }),
  on: [
    [Hired, (row, { data: { name, departmentId, grade } }) => ({ ...row, name, departmentId, grade })],
    [Promoted, (row, { data: { grade } }) => ({ ...row, grade })],
    [Moved, (row, { data: { departmentId } }) => ({ ...row, departmentId })],
    [ManagerAssigned, (row, { data: { managerId } }) => ({ ...row, managerId })],
    [Left, () => undefined],
  ],
  indexes: {
    department: (row) => row.departmentId,
    manager: (row) => row.managerId,
    grade: (row) => row.grade,
  },
});

const BANDS = { junior: 4_500_000, middle: 7_000_000, senior: 10_000_000, head: Number.POSITIVE_INFINITY } as const;
type Band = keyof typeof BANDS;
type Counts = Readonly<Record<Band, number>>;

/** Up to 45,000, 70,000, 100,000 a year, and above. */
function bandOf(salaryCents: number): Band {
  const bands = Object.keys(BANDS) as Band[];
  return bands.find((band) => salaryCents <= BANDS[band]) ?? 'head';
}

function plus(counts: Counts, salaryCents: number, count: 1 | -1): Counts {
  const band = bandOf(salaryCents);
  return { ...counts, [band]: counts[band] + count };
}

/** One row: who rises from one band to another is never seen in both, or in none. */
export const salaryBands = defineProjection({
  name: 'salary-bands',
  summary: 'How many earn how much',
  key: () => 'everybody',
  initial: (): Counts => ({ junior: 0, middle: 0, senior: 0, head: 0 }),
  on: [
    [Hired, (row, { data }) => plus(row, data.salaryCents, 1)],
    [Promoted, (row, { data }) => plus(plus(row, data.fromSalaryCents, -1), data.salaryCents, 1)],
    [Left, (row, { data }) => plus(row, data.salaryCents, -1)],
  ],
});

type Access = { areas: readonly string[]; isRevoked: boolean };

/** What was revoked stays so: a grant that comes late, after an automation was stopped, opens nothing. */
export const accessRights = defineProjection({
  name: 'access-rights',
  summary: 'Who may see what',
  key: (event) => event.data.employeeId,
  initial: (): Access => ({ areas: [], isRevoked: false }),
  on: [
    [
      AccessGranted,
      (row, { data: { area } }) =>
        row.isRevoked || row.areas.includes(area) ? row : { ...row, areas: [...row.areas, area] },
    ],
    [AccessRevoked, () => ({ areas: [], isRevoked: true })],
  ],
});
