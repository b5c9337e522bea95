import { defineEvent } from 'thereupon';
import { z } from 'zod';

/** Something happened to a thing; `n` counts what happened to it. */
export const Happened = defineEvent({
  type: 'test.thing.happened',
  stream: (data) => `thing-${data.thing}`,
  schema: z.object({ thing: z.string(), n: z.number() }),
});

export const Answered = defineEvent({
  type: 'test.thing.answered',
  stream: (data) => `answer-${data.thing}`,
  schema: z.object({ thing: z.string(), n: z.number() }),
});
