import { expect, test } from 'vitest';
import { z } from 'zod';
import { memory } from '../backends/memory/memory.ts';
import { defineEvent } from '../event/define-event.ts';
import { createEnvironment } from '../system/environment.ts';
import { fact } from './decision.ts';
import { defineCommand } from './define-command.ts';
import { defineDecider } from './define-decider.ts';
import { Snapshots } from './snapshots.ts';
import { StreamStates } from './stream-states.ts';

const Noted = defineEvent({ type: 'notes.note.added', schema: z.object({ text: z.string() }) });
const Add = defineCommand({ name: 'notes.add', schema: Noted.schema, stream: () => 'note-1' });
const { own, name } = defineDecider({
  name: 'note',
  initial: () => '',
  evolve: [[Noted, (text, { data }) => text + data.text]],
  decide: [[Add, (_text, { data }) => fact(Noted, data)]],
});

test('states in memory count what they have come to take, not what they took when they were loaded (G10)', async () => {
  if (own === undefined) throw new Error('a decider of one stream has streams of its own');
  const store = await memory().open(createEnvironment());
  const states = new StreamStates(store.log, new Snapshots(store.rows), {
    maxBytes: 20_000,
    nowMs: () => 0,
    types: new Map(),
  });
  const load = async (stream: string) => {
    const of = { decider: name, own, stream };
    return { of, entry: await states.load(of, true) };
  };
  const [first, second] = [await load('note-1'), await load('note-2')];
  expect(states.kept(first.of)).toBe(first.entry);
  for (const { entry } of [first, second])
    states.advance(entry, { version: 1, state: 'x'.repeat(15_000), last: undefined });
  expect(states.kept(first.of)).toBeUndefined();
  expect(states.kept(second.of)).toBe(second.entry);
  states.advance(second.entry, { version: 2, state: 'x'.repeat(30_000), last: undefined });
  expect(states.kept(second.of)).toBeUndefined();
  await store.close();
});
