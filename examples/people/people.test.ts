import { given, simulate, testSystem } from 'thereupon/testing';
import { describe, expect, test } from 'vitest';
import { AssignManager, Hire, Leave, Move, OpenDepartment, Promote } from './commands.ts';
import { department, employee } from './employee.ts';
import {
  AccessGranted,
  AccessRevoked,
  DepartmentOpened,
  Hired,
  Left,
  ManagerAssigned,
  Moved,
  Promoted,
} from './events.ts';
import { personnelActs } from './generator.ts';
import { accessRights, orgChart, salaryBands } from './projections.ts';
import { departure, placement, reporting } from './staff.ts';
import people from './thereupon.config.ts';

const { store: _store, feed: _feed, ...program } = people;
const on = (day: string) => ({ time: new Date(day) });

const salesOpened = [DepartmentOpened, { departmentId: 'sales', name: 'Sales' }] as const;
const ada = { employeeId: 'ada', name: 'Ada', departmentId: 'sales', grade: 2, salaryCents: 4_000_000 };
const ben = { employeeId: 'ben', name: 'Ben', departmentId: 'sales', grade: 6, salaryCents: 9_000_000 };
const adaHired = [Hired, ada, on('2024-01-01')] as const;
const benHired = [Hired, ben, on('2024-01-01')] as const;
const adaReportsToBen = [
  ManagerAssigned,
  { employeeId: 'ada', fromManagerId: null, managerId: 'ben' },
  on('2024-02-01'),
] as const;
const adaLeft = [Left, { employeeId: 'ada', managerId: 'ben', salaryCents: 4_000_000 }, on('2024-12-31')] as const;

describe('somebody is hired', () => {
  const hire = { ...ada, on: '2024-01-01' };

  test('into a department', () => given(placement, salesOpened).when(Hire, hire).then([Hired, ada]));

  test('that has to be there', () => given(placement).when(Hire, hire).thenRefused('no-such-department'));

  test('once, also when they have left', async () => {
    await given(placement, salesOpened, adaHired).when(Hire, hire).thenRefused('hired-before');
    await given(placement, salesOpened, adaHired, adaLeft).when(Hire, hire).thenRefused('hired-before');
  });
});

describe('an employee is promoted', () => {
  const promote = { employeeId: 'ada', grade: 3, salaryCents: 5_000_000, on: '2024-06-01' };
  const adaPromoted = { employeeId: 'ada', fromGrade: 2, grade: 3, fromSalaryCents: 4_000_000, salaryCents: 5_000_000 };

  test('to a higher grade', async () => {
    await given(employee, adaHired).when(Promote, promote).then([Promoted, adaPromoted]);
    await given(employee, adaHired).when(Promote, promote).thenState({
      status: 'employed',
      name: 'Ada',
      departmentId: 'sales',
      managerId: null,
      grade: 3,
      salaryCents: 5_000_000,
      since: '2024-06-01',
    });
    await given(employee, adaHired)
      .when(Promote, { ...promote, grade: 2 })
      .thenRefused('not-higher');
  });

  test('while they work here, and not for days that are over', async () => {
    await given(employee).when(Promote, promote).thenRefused('not-employed');
    await given(employee, adaHired, adaLeft).when(Promote, promote).thenRefused('has-left');
    await given(employee, adaHired)
      .when(Promote, { ...promote, on: '2023-12-31' })
      .thenRefused('too-early');
    await given(employee, adaHired)
      .when(Promote, { ...promote, on: '2024-01-01' })
      .then([Promoted, adaPromoted]);
  });
});

describe('an employee moves', () => {
  const move = { employeeId: 'ada', departmentId: 'support', on: '2024-06-01' };
  const supportOpened = [DepartmentOpened, { departmentId: 'support', name: 'Support' }] as const;

  test('to another department, which is there', async () => {
    await given(placement, salesOpened, supportOpened, adaHired)
      .when(Move, move)
      .then([Moved, { employeeId: 'ada', fromDepartmentId: 'sales', departmentId: 'support' }]);
    await given(placement, salesOpened, adaHired).when(Move, move).thenRefused('no-such-department');
    await given(placement, salesOpened, adaHired)
      .when(Move, { ...move, departmentId: 'sales' })
      .thenRefused('same-department');
  });

  test('into one that was opened once', async () => {
    const open = { departmentId: 'sales', name: 'Sales', on: '2020-01-01' };
    await given(department).when(OpenDepartment, open).then(salesOpened);
    await given(department, salesOpened).when(OpenDepartment, open).thenRefused('is-open');
  });
});

describe('an employee reports to somebody', () => {
  const assign = { employeeId: 'ada', managerId: 'ben', on: '2024-02-01' };

  test('else, who works here', async () => {
    await given(reporting, adaHired, benHired)
      .when(AssignManager, assign)
      .then([ManagerAssigned, { employeeId: 'ada', fromManagerId: null, managerId: 'ben' }]);
    await given(reporting, adaHired).when(AssignManager, assign).thenRefused('no-such-manager');
    await given(reporting, adaHired)
      .when(AssignManager, { ...assign, managerId: 'ada' })
      .thenRefused('own-manager');
  });

  test('and saying so again says nothing', () =>
    given(reporting, adaHired, benHired, adaReportsToBen).when(AssignManager, assign).thenNothing());
});

describe('an employee leaves', () => {
  const benLeft = [Left, { employeeId: 'ben', managerId: null, salaryCents: 9_000_000 }] as const;
  const leave = { employeeId: 'ben', on: '2025-01-01' };

  test('once', async () => {
    await given(departure, benHired).when(Leave, leave).then(benLeft);
    await given(departure, benHired, benLeft).when(Leave, leave).thenRefused('has-left');
  });

  test('when nobody reports to them any more', async () => {
    const history = [adaHired, benHired, adaReportsToBen] as const;
    const adaReportsToCleo = [ManagerAssigned, { employeeId: 'ada', fromManagerId: 'ben', managerId: 'cleo' }] as const;
    await given(departure, ...history)
      .when(Leave, leave)
      .thenRefused('has-reports');
    await given(departure, ...history, adaReportsToCleo)
      .when(Leave, leave)
      .then(benLeft);
    await given(departure, ...history, adaLeft)
      .when(Leave, leave)
      .then(benLeft);
  });
});

describe('what is known of all of them', () => {
  const promoted = [
    Promoted,
    { employeeId: 'ada', fromGrade: 2, grade: 3, fromSalaryCents: 4_000_000, salaryCents: 5_000_000 },
  ] as const;
  const moved = [Moved, { employeeId: 'ada', fromDepartmentId: 'sales', departmentId: 'support' }] as const;

  test('is who works where, for whom', async () => {
    await given(orgChart, adaHired, benHired, adaReportsToBen, promoted, moved).thenRows({
      ada: { name: 'Ada', departmentId: 'support', managerId: 'ben', grade: 3 },
      ben: { name: 'Ben', departmentId: 'sales', managerId: null, grade: 6 },
    });
    await given(orgChart, adaHired, adaLeft).thenNoRow('ada');
  });

  test('is how many earn how much', async () => {
    const nobody = { junior: 0, middle: 0, senior: 0, head: 0 };
    await given(salaryBands, adaHired, benHired).thenRow('everybody', { ...nobody, junior: 1, senior: 1 });
    await given(salaryBands, adaHired, benHired, promoted).thenRow('everybody', { ...nobody, middle: 1, senior: 1 });
    await given(salaryBands, adaHired, adaLeft).thenRow('everybody', nobody);
  });

  test('is who may see what, and what was revoked stays so', async () => {
    const granted = [AccessGranted, { employeeId: 'ada', area: 'budgets' }] as const;
    await given(accessRights, granted, granted).thenRow('ada', { areas: ['budgets'], isRevoked: false });
    await given(accessRights, [AccessRevoked, { employeeId: 'ada' }], granted).thenRow('ada', {
      areas: [],
      isRevoked: true,
    });
  });
});

describe('the program', () => {
  test('grants access to whom is promoted, and revokes it when they leave', async () => {
    await using office = await testSystem(program);
    await office.given(adaHired);
    await office
      .when(Promoted, { employeeId: 'ada', fromGrade: 2, grade: 6, fromSalaryCents: 4_000_000, salaryCents: 9_000_000 })
      .thereupon(
        [AccessGranted, { employeeId: 'ada', area: 'budgets' }],
        [AccessGranted, { employeeId: 'ada', area: 'contracts' }],
      );
    await office
      .when(Promoted, { employeeId: 'ada', fromGrade: 6, grade: 7, fromSalaryCents: 9_000_000, salaryCents: 9_900_000 })
      .thereupon([AccessGranted, { employeeId: 'ada', area: 'salaries' }]);
    await office.when(...adaLeft).thereupon([AccessRevoked, { employeeId: 'ada' }]);
  });

  test('knows what somebody was on any day', async () => {
    await using office = await testSystem(program);
    const { system } = office;
    await system.execute(OpenDepartment, { departmentId: 'sales', name: 'Sales', on: '2020-01-01' });
    await system.execute(Hire, { ...ada, on: '2024-01-01' });
    await system.execute(Promote, { employeeId: 'ada', grade: 3, salaryCents: 5_000_000, on: '2024-06-01' });
    await system.execute(Leave, { employeeId: 'ada', on: '2024-12-31' });

    const stream = 'employee-ada';
    const statusOn = async (at: string) => (await system.deciders.state(employee, stream, { at })).state.status;
    expect([await statusOn('2023-12-31'), await statusOn('2024-12-30'), await statusOn('2024-12-31')]).toEqual([
      'unknown',
      'employed',
      'left',
    ]);
    const raise = await system.deciders.difference(employee, stream, { at: '2024-05-31' }, { at: '2024-06-01' });
    expect(raise.differences).toContainEqual({ path: '/salaryCents', before: 4_000_000, after: 5_000_000 });
  });

  test('gives nobody a manager who leaves at the same moment', async () => {
    await using office = await testSystem(program);
    await office.given(adaHired, benHired);
    const [assigned, left] = await Promise.all([
      office.system.execute(AssignManager, { employeeId: 'ada', managerId: 'ben', on: '2024-06-01' }),
      office.system.execute(Leave, { employeeId: 'ben', on: '2024-06-01' }),
    ]);
    expect(assigned.accepted).toBe(!left.accepted);
  });

  test('has views that agree with its streams, whatever the personnel department asks for', async () => {
    await using office = await testSystem(program);
    const acts = personnelActs(7, 'x');
    const refused = new Set<string>();
    for (let number = 1; number <= 600; number += 1) {
      const outcome = await acts.next().value(office.system, `act ${number}`);
      if (!outcome.accepted) refused.add(outcome.reason);
    }
    await office.settled();

    const chart = await office.views.query(orgChart, { limit: 1_000 });
    const bands = await office.row(salaryBands, 'everybody');
    expect(chart.items.length).toBeGreaterThan(10);
    expect(Object.values(bands ?? {}).reduce((sum, count) => sum + count)).toBe(chart.items.length);
    for (const { key, row } of chart.items) {
      const { state } = await office.system.deciders.state(employee, `employee-${key}`);
      expect(state).toMatchObject({ status: 'employed', ...row });
      // Nobody reports to somebody who is gone.
      if (row.managerId !== null) expect(await office.row(orgChart, row.managerId)).toBeDefined();
    }
    for (const { data } of office.recorded(Left))
      expect(await office.row(accessRights, data.employeeId)).toEqual({ areas: [], isRevoked: true });
    expect(refused).toEqual(new Set(['not-higher', 'same-department', 'own-manager', 'has-reports']));
  });

  test('comes to the same when its events are told twice and its process dies', async () => {
    await using office = await testSystem(program);
    const acts = personnelActs(3, 'x');
    for (let number = 1; number <= 80; number += 1) await acts.next().value(office.system, `act ${number}`);
    const decided = [DepartmentOpened, Hired, Promoted, Moved, ManagerAssigned, Left];
    const events = office.recorded().flatMap(({ type, data, id, time }) => {
      const definition = decided.find((each) => each.type === type);
      return definition === undefined ? [] : [[definition, data, { id, time }] as const];
    });
    // What deciders record comes in its order.
    const { divergence, report } = await simulate(people, { events, runs: 25, faults: { reorder: 0, delay: 0 } });
    expect(divergence, report).toBeUndefined();
  });
});
