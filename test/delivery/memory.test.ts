import { memory } from '../../src/backends/memory/memory.ts';
import { enrolInDelivery } from './bind.ts';

enrolInDelivery('memory', () => ({ factory: memory() }));
