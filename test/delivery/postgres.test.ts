import { serverOfThisFile } from '../postgres/medium.ts';
import { enrolInDelivery } from './bind.ts';

enrolInDelivery('postgres', serverOfThisFile({ eventsPerPartition: 20_000 }));
