import assert from 'node:assert/strict';
import type { CommandOutcome, System } from 'thereupon';
import { describe, test } from 'vitest';
import { testSharedText } from '../time/shared-text.ts';
import {
  career,
  careerIn,
  changes,
  decades,
  isRole,
  noticeChanges,
  people,
  StartLeading,
  StopLeading,
  TakeRole,
  types,
} from './careers.ts';
import type { Career } from './careers.ts';
import { anew, linesOf, onEveryStore, questions } from './histories.ts';
import type { Line } from './histories.ts';

const program = {
  deciders: [career],
  automations: [noticeChanges],
  projections: [people, types, decades, changes],
};
const DAY_MS = 86_400_000;

interface Answers {
  readonly events: number;
  readonly people: number;
  readonly 'by type': Readonly<Record<string, number>>;
  readonly 'events a decade': Readonly<Record<string, number>>;
  readonly [count: string]: unknown;
}

/** The table, told as commands; each has the number of its line as its id. */
function tell(system: System, lines: readonly Line[], from = 0): Promise<readonly CommandOutcome[]> {
  return Promise.all(
    lines.map((line, index) => {
      const {
        date: on = '',
        person_id: person = '',
        to_role: to = '',
        from_role: left = '',
        unit = '',
        party = '',
      } = line;
      const options = { id: `line ${from + index}` };
      if (isRole(line)) return system.execute(TakeRole, { on, person, role: to, unit, party }, options);
      return line['event'] === 'leadership.started'
        ? system.execute(StartLeading, { on, person, role: to }, options)
        : system.execute(StopLeading, { on, person, role: left }, options);
    }),
  );
}

async function rowsOf(system: System): Promise<ReadonlyMap<string, Career>> {
  const { items } = await system.views.query(people, { limit: 1_000 });
  return new Map(
    items.map(({ key, row: { role, unit, party, terms, leads } }) => [key, { role, unit, party, terms, leads }]),
  );
}

async function countsIn(system: System, view: typeof decades): Promise<Readonly<Record<string, number>>> {
  const { items } = await system.views.query(view, { limit: 1_000 });
  return Object.fromEntries(items.map(({ key, row }) => [key, row]));
}

describe('careers of elected people since 1789, as streams', () => {
  testSharedText(['promotions-congress/career-events.csv', 'promotions-congress/answers.json'], (csv, text) => {
    const lines = linesOf(csv);
    const answers = JSON.parse(text) as Answers;
    const byPerson = Map.groupBy(lines, ({ person_id: person = '' }) => person);
    const timesOf = new Map(
      [...byPerson].map(([person, own]) => [person, own.map(({ date = '' }) => Date.parse(date))]),
    );
    const dated = questions(timesOf, 250, 1789);
    const fold = (person: string, holds: (line: Line, index: number) => boolean) =>
      careerIn((byPerson.get(person) ?? []).filter(holds));
    const dateOf = (ms: number) => new Date(ms).toISOString().slice(0, 10);

    onEveryStore((newStore) => {
      test('what is known of them follows: what their events are, who was promoted, and how often', async () => {
        using store = newStore();
        await using system = await anew(store, program);
        const outcomes = await tell(system, lines);
        assert.ok(outcomes.every((outcome) => outcome.accepted));
        await system.settled();
        const noticed = await countsIn(system, changes);
        const atLeast = async (index: string, value: number) =>
          (await system.views.query(people, { where: [{ index, op: '>=', value }], limit: 1_000 })).items.length;
        assert.deepEqual(
          {
            events: outcomes.reduce((sum, { events }) => sum + events.length, 0),
            people: await system.views.count(people),
            'by type': await countsIn(system, types),
            'people with at least 2 leadership roles started': await atLeast('led', 2),
            'promoted Representative -> Senator': noticed['Representative -> Senator'],
            'promoted Vice President -> President': noticed['Vice President -> President'],
            'people with at least 5 terms': await atLeast('terms', 5),
            'events a decade': await countsIn(system, decades),
          },
          answers,
        );
        assert.equal(Object.keys(noticed).length, 2);
      });

      test('told again, nothing comes of it', async () => {
        using store = newStore();
        {
          await using system = await anew(store, program);
          await tell(system, lines);
          await system.settled();
        }
        await using system = await anew(store, program);
        const again = await tell(system, lines.slice(-500), lines.length - 500);
        assert.ok(again.every(({ duplicate }) => duplicate));
        await system.settled();
        assert.deepEqual(await countsIn(system, decades), answers['events a decade']);
      });

      test('what somebody was on any date, at any version, with and without snapshots', async () => {
        using store = newStore();
        {
          await using system = await anew(store, program);
          await tell(system, lines);
        }
        await using system = await anew(store, program);
        const ask = async () => {
          for (const { entity: person, atMs } of dated) {
            const at = dateOf(atMs);
            const { state } = await system.deciders.state(career, `career-${person}`, { at });
            assert.deepEqual(
              state,
              fold(person, ({ date = '' }) => date <= at),
              `${person} at ${at}`,
            );
          }
          for (const [person, own] of byPerson) {
            const version = own.length >> 1;
            const past = await system.deciders.state(career, `career-${person}`, { version });
            assert.deepEqual(
              past.state,
              fold(person, (_line, index) => index < version),
              `${person} v${version}`,
            );
            const present = await system.deciders.state(career, `career-${person}`);
            assert.deepEqual([present.state, present.version], [careerIn(own), own.length], person);
          }
        };
        assert.ok(dated.filter(({ atMs }) => atMs < 0).length >= 5);
        await ask();
        assert.ok((await system.deciders.countSnapshots(career)) > 100);
        await system.deciders.dropSnapshots();
        await ask();
      });

      test('the row of a person is the state of that day, whenever one asks for it', async () => {
        using store = newStore();
        await using system = await anew(store, program);
        const days = ['1869-03-04', '1969-12-31', '1995-01-03', '2017-01-02', '2026-12-31'];
        const rows = new Map<string, ReadonlyMap<string, Career>>();
        let told = 0;
        for (const day of days) {
          const until = lines.filter(({ date = '' }) => date <= day).length;
          await tell(system, lines.slice(told, until), told);
          told = until;
          await system.settled();
          rows.set(day, await rowsOf(system));
        }
        assert.equal(told, answers.events);
        for (const [day, then] of rows) {
          assert.ok(then.size > 0);
          for (const [person, row] of then) {
            const { state } = await system.deciders.state(career, `career-${person}`, { at: day });
            assert.deepEqual(state, row, `${person} at ${day}`);
          }
        }
      });

      test('two dates differ by what happened between them', async () => {
        using store = newStore();
        await using system = await anew(store, program);
        await tell(system, lines);
        const promoted = lines.filter(({ event }) => event === 'promoted');
        for (const { person_id: person = '', date = '', from_role: from = '', to_role: to = '' } of promoted) {
          const eve = dateOf(Date.parse(date) - DAY_MS);
          const { differences } = await system.deciders.difference(
            career,
            `career-${person}`,
            { at: eve },
            { at: date },
          );
          const role = differences.find(({ path }) => path === '/role');
          assert.deepEqual([role?.before, role?.after], [from, to], `${person} on ${date}`);
        }
        assert.equal(promoted.length, answers['by type']['promoted']);
      });
    });
  });
});
