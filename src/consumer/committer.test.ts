import { expect, test } from 'vitest';
import { createEnvironment } from '../system/environment.ts';
import { createVirtualClock } from '../testing/virtual-clock.ts';
import { Committer } from './committer.ts';

/** When commits of a consumer that reads a history begin, where events come to their end at these times. */
async function commitsOf(
  events: readonly { readonly atMs: number; readonly outside: boolean }[],
  isPatient: boolean,
): Promise<readonly number[]> {
  const clock = createVirtualClock({ startMs: 0 });
  const begun: number[] = [];
  const committer = new Committer({
    consumer: 'c',
    unitOfWork: {
      async commit() {
        begun.push(clock.now());
        return { ok: true, appends: [] };
      },
    },
    environment: createEnvironment({ clock }),
    isPatient,
    isBuild: false,
    careful: false,
    storedForm: undefined,
    snapshot: () => ({ checkpoint: undefined, lease: undefined, told: undefined }),
    catchingUp: () => true,
    committed() {},
    refused: ({ refusal }) => expect.unreachable(JSON.stringify(refusal)),
    failed: (error) => expect.unreachable(String(error)),
    outage: (error) => expect.unreachable(String(error)),
  });
  // The first commit comes soon in any case.
  committer.settled(false);
  await clock.advanceTo(10);
  for (const { atMs, outside } of events) {
    await clock.advanceTo(atMs);
    committer.settled(true, undefined, outside);
  }
  await clock.advanceTo(10_000);
  committer.stop();
  return begun.slice(1);
}

const every100Ms = Array.from({ length: 15 }, (_, index) => ({ atMs: 100 * (index + 1), outside: false }));

test('of a history, what is only kept of keys waits for company; what a handler may have done beyond the store does not, lest a crash lets it do much again (G6)', async () => {
  expect(await commitsOf(every100Ms, true)).toEqual([2_010]);
  expect(
    await commitsOf(
      every100Ms.map((event) => ({ ...event, outside: event.atMs === 700 })),
      true,
    ),
  ).toEqual([710, 2_710]);
  const all = await commitsOf(
    every100Ms.map((event) => ({ ...event, outside: true })),
    true,
  );
  expect(all).toEqual(every100Ms.map(({ atMs }) => atMs + 10));
  expect(await commitsOf(every100Ms, false)).toEqual(all);
});
