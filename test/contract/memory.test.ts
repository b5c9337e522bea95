import { memory } from '../../src/backends/memory/memory.ts';
import { enrol, enrolInComparison } from './bind.ts';

enrol('memory', () => ({ factory: memory() }));
enrolInComparison('memory', () => ({ factory: memory() }), { runs: 20 });
