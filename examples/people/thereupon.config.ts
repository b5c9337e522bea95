import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { defineConfig, ThereuponError } from 'thereupon';
import { grantAccess, revokeAccess } from './automations.ts';
import { department, employee } from './employee.ts';
import { personnelActs } from './generator.ts';
import { accessRights, orgChart, salaryBands } from './projections.ts';
import { departure, placement, reporting } from './staff.ts';

const DO_AGAIN_MS = 1_000;

export default defineConfig({
  store: './data/people.db',
  source: '/people',
  deciders: [department, employee, placement, reporting, departure],
  automations: [grantAccess, revokeAccess],
  projections: [orgChart, salaryBands, accessRights],
  // Who has left may see nothing any more: whose access it is says it all.
  design: { types: { 'people.access.revoked': { context: 'off' } } },

  /** The personnel department: `rate` commands a second. Those that are refused are outcomes like others. */
  async feed({ system, rate, signal }) {
    // The store may have been fed before, and other processes may feed it too: each run has an office of its own.
    const acts = personnelActs(Date.now(), randomUUID().slice(0, 4));
    while (!signal.aborted) {
      const act = acts.next().value;
      // However often it is said, it is one command.
      const id = randomUUID();
      await untilDone(() => act(system, id), signal);
      await wait(1_000 / rate, undefined, { signal }).catch(() => undefined);
    }
  },
});

/** A store that cannot be reached for a while does not end the feed: the command is said again until it is decided. */
async function untilDone(say: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await say();
      return;
    } catch (error) {
      if (!(error instanceof ThereuponError) || error.retry === 'never') throw error;
      await wait(DO_AGAIN_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}
