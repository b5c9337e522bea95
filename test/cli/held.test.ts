import { defineAutomation, defineEvent, open } from 'thereupon';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { runProgram } from '../../src/cli/program.ts';
import { memoryTerminal } from './memory-terminal.ts';
import { scratchFolder } from './spawn-cli.ts';

it('says of whom it is not known what he holds back, where no configuration defines him', async () => {
  using folder = scratchFolder();
  const store = folder.file('held.db');
  const Read = defineEvent({ type: 'meter.read', schema: z.object({ meter: z.string() }), stream: () => 'meters' });
  {
    const patient = defineAutomation({
      name: 'patient',
      on: Read,
      inTime: { disorder: '1h', idle: 'never' },
      run() {},
    });
    await using system = await open({ store, events: [Read], automations: [patient] });
    await system.publish(Read, { meter: 'a' });
    await system.settled();
    expect(await system.consumers.held('patient')).toMatchObject([{ key: 'meters', events: 1 }]);
  }
  const all = memoryTerminal({ cwd: folder.path });
  expect(await runProgram(['consumers', 'held', '--store', store], all)).toBe(0);
  expect(all.stderr()).toMatch(/not known here: what patient may hold back; --config names/);
  expect(all.stderr()).not.toMatch(/nothing is held back/);
  const one = memoryTerminal({ cwd: folder.path });
  expect(await runProgram(['consumers', 'held', 'patient', '--store', store], one)).toBe(1);
  expect(one.stderr()).toMatch(/consumer patient is not defined here/);
});
