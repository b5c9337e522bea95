import type { CommandOutcome, System } from 'thereupon';
import { AssignManager, Hire, Leave, Move, OpenDepartment, Promote } from './commands.ts';

/** Something that the personnel department does, under an id: however often it is done, it is one thing. */
export type PersonnelAct = (system: Pick<System, 'execute'>, id: string) => Promise<CommandOutcome>;

const DEPARTMENTS = ['Sales', 'Support', 'Workshop', 'Accounts'] as const;
const FIRST = [
  'Ada',
  'Ben',
  'Chidi',
  'Dora',
  'Emil',
  'Fatma',
  'Goran',
  'Hana',
  'Ines',
  'Jonas',
  'Kofi',
  'Lena',
] as const;
const LAST = ['Abel', 'Brandt', 'Castro', 'Diallo', 'Ek', 'Fischer', 'Gruber', 'Horn', 'Ivanova', 'Jansen'] as const;
const DAY_MS = 86_400_000;
const FULL_HOUSE = 60;

interface Person {
  readonly employeeId: string;
  readonly grade: number;
}

/**
 * What happens in a company, for ever, from one day to another. Not all of it can be done: some are to leave who have reports, or to move to
 * where they are. The same seed gives the same history; ids begin with `office`.
 */
export function* personnelActs(
  seed: number,
  office: string,
  firstDay = '2020-01-01',
): Generator<PersonnelAct, never, undefined> {
  const random = mulberry32(seed);
  const below = (bound: number) => Math.floor(random() * bound);
  const oneOf = <Item>(items: readonly [Item, ...Item[]] | readonly Item[]): Item => items[below(items.length)] as Item;
  const departmentOf = (name: string) => `${office}-${name.toLowerCase()}`;
  const staff: Person[] = [];
  let dayMs = Date.parse(firstDay);
  const today = () => new Date(dayMs).toISOString().slice(0, 10);

  for (const name of DEPARTMENTS) {
    const data = { departmentId: departmentOf(name), name, on: today() };
    yield (system, id) => system.execute(OpenDepartment, data, { id });
  }
  for (let number = 1; ;) {
    dayMs += below(5) * DAY_MS;
    const on = today();
    const chance = random();
    if (staff.length < 5 || (chance < 0.3 && staff.length < FULL_HOUSE)) {
      const grade = 1 + below(4);
      const person = { employeeId: `${office}-${number}`, grade };
      number += 1;
      staff.push(person);
      const data = {
        ...person,
        name: `${oneOf(FIRST)} ${oneOf(LAST)}`,
        departmentId: departmentOf(oneOf(DEPARTMENTS)),
        salaryCents: salaryOf(grade),
        on,
      };
      yield (system, id) => system.execute(Hire, data, { id });
      continue;
    }
    const index = below(staff.length);
    const { employeeId, grade } = oneOf(staff.slice(index, index + 1));
    if (chance < 0.45) {
      const next = Math.min(grade + 1, 9);
      staff[index] = { employeeId, grade: next };
      yield (system, id) =>
        system.execute(Promote, { employeeId, grade: next, salaryCents: salaryOf(next), on }, { id });
    } else if (chance < 0.6) {
      const departmentId = departmentOf(oneOf(DEPARTMENTS));
      yield (system, id) => system.execute(Move, { employeeId, departmentId, on }, { id });
    } else if (chance < 0.8) {
      const { employeeId: managerId } = oneOf(staff);
      yield (system, id) => system.execute(AssignManager, { employeeId, managerId, on }, { id });
    } else {
      // Whether they may go is the decider's to say.
      yield async (system, id) => {
        const outcome = await system.execute(Leave, { employeeId, on }, { id });
        const place = staff.findIndex((person) => person.employeeId === employeeId);
        if (outcome.accepted && place !== -1) staff.splice(place, 1);
        return outcome;
      };
    }
  }
}

/** From 32,000 a year, a little more than the grade before each time. */
function salaryOf(grade: number): number {
  return 3_200_000 + (grade - 1) * 1_150_000;
}

function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
