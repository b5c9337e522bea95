import { z } from 'zod';
import { defineEvent } from '../../src/event/define-event.ts';

export const Registered = defineEvent({
  type: 'shop.customer.registered',
  stream: ({ customer }) => customer,
  schema: z.object({ customer: z.string(), email: z.string() }),
  personal: { subject: ({ customer }) => customer, fields: ['email'] },
});
