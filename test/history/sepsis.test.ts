import assert from 'node:assert/strict';
import type { StoreFactory, System } from 'thereupon';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { testSharedText } from '../time/shared-text.ts';
import { anew, linesOf, onEveryStore, questions } from './histories.ts';
import { ActivityDone, CloseCase, days, patientIn, patients, publicationOf, ReadingTaken } from './sepsis.ts';
import type { Patient } from './sepsis.ts';

const program = { events: [ActivityDone, ReadingTaken], deciders: [patients], projections: [days] };

describe('cases of sepsis in a hospital, each an entity', () => {
  testSharedText(['log-sepsis/sepsis.csv', 'log-sepsis/answers.json'], (csv, text) => {
    const lines = linesOf(csv);
    const answers = JSON.parse(text) as Readonly<Record<string, number>>;
    const byCase = Map.groupBy(lines, ({ case_id: id = '' }) => id);
    const timesOf = new Map([...byCase].map(([id, own]) => [id, own.map(({ time = '' }) => Date.parse(time))]));

    onEveryStore((newStore) => {
      let store: StoreFactory & Disposable;
      let system: System<typeof ActivityDone | typeof ReadingTaken>;

      beforeAll(async () => {
        store = newStore();
        const publishing = await anew(store, program);
        const publications = lines.map(publicationOf);
        for (let start = 0; start < publications.length; start += 500)
          await publishing.publishAll(publications.slice(start, start + 500));
        await publishing.settled();
        await publishing.close();
        system = await anew(store, program);
      });
      afterAll(async () => {
        await system.close();
        store[Symbol.dispose]();
      });

      const states = async (): Promise<readonly Patient[]> => {
        const found: Patient[] = [];
        for (const id of byCase.keys()) found.push((await system.deciders.state(patients, `patient-${id}`)).state);
        return found;
      };

      test('add up to what is known of all of them', async () => {
        const all = await states();
        const sum = (of: (state: Patient) => number | boolean) =>
          all.reduce((total, state) => total + Number(of(state)), 0);
        const found = {
          'LacticAcid events': sum(({ lactic }) => lactic.readings),
          'LacticAcid readings > 2.0': sum(({ lactic }) => lactic.high),
          'cases with ER Sepsis Triage': sum(({ triagedMs }) => triagedMs !== null),
          'an IV Antibiotics within 60 min after the first triage (0 <= d <= 3600 s)': sum(
            ({ hadAntibioticsSoon }) => hadAntibioticsSoon,
          ),
          'no IV Antibiotics within 60 min after the first triage (absence)': sum(
            ({ triagedMs, hadAntibioticsSoon }) => triagedMs !== null && !hadAntibioticsSoon,
          ),
          'LacticAcid reading greater than the previous one of the same case (file order)': sum(
            ({ lactic }) => lactic.rises,
          ),
          'Return ER within 28 days after last release': sum(({ returnsWithin28Days }) => returnsWithin28Days),
          events: sum(({ activities }) => activities),
          cases: all.length,
          'tumbling 1-day windows (UTC) with at least one event': await system.views.count(days),
        };
        assert.deepEqual(found, Object.fromEntries(Object.keys(found).map((name) => [name, answers[name]])));
      });

      test('are at any instant what had happened to them by then', async () => {
        for (const { entity, atMs } of questions(timesOf, 300, 915)) {
          const at = new Date(atMs);
          const { state, version } = await system.deciders.state(patients, `patient-${entity}`, { at });
          const before = (byCase.get(entity) ?? []).filter(({ time = '' }) => Date.parse(time) <= atMs);
          assert.deepEqual([state, version], [patientIn(before), before.length], `${entity} at ${at.toISOString()}`);
        }
      });

      test('were not known at all before they were recorded, whenever it was that they happened', async () => {
        const { events } = await system.events.readStream('patient-I');
        const [first] = events;
        assert.ok(first);
        const earlier = new Date(Date.parse(first.recordedtime) - 1);
        const unknown = await system.deciders.state(patients, 'patient-I', { at: earlier, by: 'recorded' });
        assert.deepEqual([unknown.version, unknown.state], [0, patientIn([])]);
        const known = await system.deciders.state(patients, 'patient-I', { at: earlier });
        assert.deepEqual(known.state, patientIn(byCase.get('I') ?? []));
      });

      test('are decided on as they are: only who was released can be closed, once', async () => {
        const released = (await states()).filter(({ releasedMs }) => releasedMs !== null).length;
        const close = () => Promise.all([...byCase.keys()].map((patient) => system.execute(CloseCase, { patient })));
        const reasons = async () =>
          Map.groupBy(await close(), (outcome) => (outcome.accepted ? 'accepted' : outcome.reason));
        const first = await reasons();
        assert.equal(first.get('accepted')?.length, released);
        assert.equal(first.get('not-released')?.length, byCase.size - released);
        assert.deepEqual((await reasons()).get('closed')?.length, released);
        assert.ok(released > 0 && released < byCase.size);
      });
    });
  });
});
