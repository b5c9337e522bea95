import { writeSync } from 'node:fs';
import type { AppendRequest } from '../../src/channel/event-log.ts';
import { sqlite } from '../../src/backends/sqlite/sqlite.ts';
import { open } from '../../src/open.ts';
import { interceptedFactory } from '../../src/testing/intercepted-store.ts';
import { Registered } from './finishing-program.ts';

/**
 * `node forgetting-child.ts <path> <how> <seed>`: publishes about people and forgets them, one after another, until it is killed; it tells who is
 * about to be forgotten. `between`: it kills itself when the third one's keys are deleted and nobody has been told.
 */
const [path = '', how = '', seed = ''] = process.argv.slice(2);
let reports = 0;
const store = interceptedFactory(sqlite(path), async (call) => {
  if (call.port === 'log' && call.method === 'append') {
    const { events } = call.input[0] as AppendRequest;
    if (events.some(({ type }) => type === 'thereupon.subject.forgotten')) reports += 1;
    if (how === 'between' && reports === 3) process.kill(process.pid, 'SIGKILL');
  }
  return call.proceed();
});
const system = await open({ store, events: [Registered], tamperEvidence: true });
for (let who = 0; ; who += 1) {
  const customer = `customer-${seed}-${who}`;
  await system.publish(Registered, { customer, email: `${customer}@x.org` });
  writeSync(1, `${JSON.stringify(customer)}\n`);
  await system.forget(customer);
}
