/** A program that opens its store and closes it: `opens.ts <store>`. */
import { defineEvent, open } from 'thereupon';
import { z } from 'zod';

const Noticed = defineEvent({ type: 'test.thing.noticed', stream: () => 'things-1', schema: z.object({}) });
const system = await open({ store: process.argv[2] ?? '', events: [Noticed] });
await system.close();
