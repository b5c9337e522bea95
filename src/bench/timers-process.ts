/** Holds open timers in a process of its own: `timers-process.ts {"place":…,"fire":…}`. */
import { measureTimers } from './timers.ts';
import type { TimersTask } from './timers.ts';

const task = JSON.parse(process.argv[2] ?? '{}') as TimersTask;
process.stdout.write(JSON.stringify(await measureTimers(task)));
