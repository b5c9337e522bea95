import assert from 'node:assert/strict';
import type { ProjectionDefinition, StoreFactory, System } from 'thereupon';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { testSharedText } from '../time/shared-text.ts';
import { activities, dataOf, fineIn, fines, RecordLine, years } from './fines.ts';
import type { Fine } from './fines.ts';
import { anew, linesOf, onEveryStore, questions } from './histories.ts';

const program = { deciders: [fines], projections: [activities, years] };

describe('road traffic fines, each an entity', () => {
  testSharedText(['log-road-fines/fines.csv', 'log-road-fines/answers.json'], (csv, text) => {
    const lines = linesOf(csv);
    const answers = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const byCase = Map.groupBy(lines, ({ case_id: id = '' }) => id);
    const timesOf = new Map([...byCase].map(([id, own]) => [id, own.map(({ time = '' }) => Date.parse(time))]));

    onEveryStore((newStore) => {
      let store: StoreFactory & Disposable;
      let system: System;
      let events = 0;

      beforeAll(async () => {
        store = newStore();
        const importing = await anew(store, program);
        const outcomes = await Promise.all(
          lines.map((line, index) => importing.execute(RecordLine, dataOf(line), { id: `line ${index}` })),
        );
        assert.deepEqual(
          outcomes.filter(({ accepted }) => !accepted),
          [],
        );
        events = outcomes.reduce((sum, outcome) => sum + outcome.events.length, 0);
        await importing.settled();
        await importing.close();
        system = await anew(store, program);
      });
      afterAll(async () => {
        await system.close();
        store[Symbol.dispose]();
      });

      const stateOf = async (id: string) => (await system.deciders.state(fines, `fine-${id}`)).state;
      const countsIn = async (view: ProjectionDefinition<number>) =>
        Object.fromEntries((await system.views.query(view)).items.map(({ key, row }) => [key, row]));

      test('add up to what is known of all of them', async () => {
        const states: Fine[] = [];
        for (const id of byCase.keys()) states.push(await stateOf(id));
        const many = (holds: (state: Fine) => boolean) => states.filter(holds).length;
        const found = {
          events,
          cases: states.length,
          'by activity': await countsIn(activities),
          'cases Add penalty then Send for Credit Collection': many(({ isCollected }) => isCollected),
          'fines created a calendar year': await countsIn(years),
          'several payments in one case': many(({ payments }) => payments > 1),
          'appeals to judge': states.reduce((sum, { appealsToJudge }) => sum + appealsToJudge, 0),
        };
        assert.deepEqual(found, Object.fromEntries(Object.keys(found).map((name) => [name, answers[name]])));
      });

      test('are at any instant what had happened to them by then', async () => {
        let empty = 0;
        for (const { entity, atMs } of questions(timesOf, 300, 270)) {
          const at = new Date(atMs);
          const { state, version } = await system.deciders.state(fines, `fine-${entity}`, { at });
          const before = (byCase.get(entity) ?? []).filter(({ time = '' }) => Date.parse(time) <= atMs);
          assert.deepEqual([state, version], [fineIn(before), before.length], `fine ${entity} at ${at.toISOString()}`);
          if (version === 0) empty += 1;
        }
        assert.ok(empty > 0 && empty < 100, `${empty} of the questions are of before the first event`);
      });

      test('cannot go on before they are created, nor be created again', async () => {
        const time = '2010-01-01T00:00:00Z';
        const early = await system.execute(RecordLine, { fine: 'new', activity: 'Payment', time, paidCents: 1 });
        const again = await system.execute(RecordLine, { fine: 'A15', activity: 'Create Fine', time, amountCents: 1 });
        assert.deepEqual(
          [early, again].map((outcome) => !outcome.accepted && outcome.reason),
          ['not-created', 'created-before'],
        );
      });
    });
  });
});
