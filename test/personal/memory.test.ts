import { memory } from '../../src/backends/memory/memory.ts';
import { forgettingOn } from './properties.ts';

forgettingOn(
  'memory',
  60,
  () => ({ factory: memory() }),
  () => async () => [],
);
