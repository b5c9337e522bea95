import { z } from 'zod';
import { InvalidInput } from '../../index.ts';
import type { DeadLetter, DeadLetterQuery, JsonValue } from '../../index.ts';
import { isoTime } from '../iso-time.ts';
import { one, text, wholeNumber } from '../query.ts';
import { answer } from '../reply.ts';
import { route } from '../route.ts';
import type { DeadLetterDocument } from '../schemas.ts';
import { errorDocument } from './consumers.ts';

const QUERY = {
  consumer: one(text, 'Only those of this consumer.'),
  key: one(text, 'Only those of this ordering key.'),
  type: one(text, 'Only events of this type.'),
  error: one(text, 'A code or name of the error.'),
} as const;

const RELEASED = {
  202: { description: 'They are tried again, as if for the first time.', content: { 'application/json': 'Released' } },
};
const DISCARDED = {
  200: {
    description: 'They are given up; the events that waited behind them go on.',
    content: { 'application/json': 'Discarded' },
  },
};

const query = {
  consumer: z.string().min(1).optional(),
  key: z.string().optional(),
  type: z.string().min(1).optional(),
  error: z.string().min(1).optional(),
  all: z.literal(true).optional().describe('Needed to mean all of them, when nothing else is given.'),
};
const reason = z.string().min(1).max(1_000).optional();

const listDeadLetters = route({
  method: 'GET',
  path: '/dead-letters',
  operation: 'listDeadLetters',
  tag: 'dead letters',
  summary: 'List events that consumers have set aside',
  query: {
    ...QUERY,
    after: one(text, '`next` of the page before.'),
    limit: one(wholeNumber(1, 500), 'Dead letters on a page. Default 100.'),
  },
  answers: { 200: { description: 'By consumer and position.', content: { 'application/json': 'DeadLetterPage' } } },
  async handle({ system, query: given }) {
    const { items, next } = await system.deadLetters.list(withoutUndefined(given));
    return answer({ items: items.map(letterDocument), next });
  },
});

const getDeadLetter = route({
  method: 'GET',
  path: '/dead-letters/{id}',
  operation: 'getDeadLetter',
  tag: 'dead letters',
  summary: 'Look at one dead letter',
  answers: { 200: { description: 'The dead letter.', content: { 'application/json': 'DeadLetter' } } },
  async handle({ system, parameter }) {
    return answer(letterDocument(await system.deadLetters.get(parameter('id'))));
  },
});

const retryDeadLetter = route({
  method: 'POST',
  path: '/dead-letters/{id}/retry',
  operation: 'retryDeadLetter',
  tag: 'dead letters',
  summary: 'Try one again, as it is or with other data',
  body: z
    .strictObject({
      data: z.unknown().optional().describe('In place of the event’s data. The event itself stays as it is.'),
    })
    .optional()
    .meta({ description: 'an object with data, or nothing' }),
  answers: RELEASED,
  async handle({ system, parameter, body }) {
    if (body?.data === undefined) await system.deadLetters.retry(parameter('id'));
    else await system.deadLetters.retryEdited(parameter('id'), body.data as JsonValue);
    return answer({ released: 1 }, { status: 202 });
  },
});

const discardDeadLetter = route({
  method: 'POST',
  path: '/dead-letters/{id}/discard',
  operation: 'discardDeadLetter',
  tag: 'dead letters',
  summary: 'Give one up',
  body: z.strictObject({ reason }).optional().meta({ description: 'an object with a reason, or nothing' }),
  answers: DISCARDED,
  async handle({ system, parameter, body }) {
    await system.deadLetters.discard(parameter('id'), body?.reason);
    return answer({ discarded: 1 });
  },
});

const retryDeadLetters = route({
  method: 'POST',
  path: '/dead-letters/retry',
  operation: 'retryDeadLetters',
  tag: 'dead letters',
  summary: 'Try all again that fit a query',
  body: z.strictObject(query).meta({ description: 'consumer, key, type, error, or {"all": true}' }),
  answers: RELEASED,
  async handle({ system, body }) {
    return answer({ released: await system.deadLetters.retryAll(chosen(body)) }, { status: 202 });
  },
});

const discardDeadLetters = route({
  method: 'POST',
  path: '/dead-letters/discard',
  operation: 'discardDeadLetters',
  tag: 'dead letters',
  summary: 'Give all up that fit a query',
  body: z
    .strictObject({ ...query, reason })
    .meta({ description: 'consumer, key, type, error, or {"all": true}; and a reason' }),
  answers: DISCARDED,
  async handle({ system, body: { reason: why, ...body } }) {
    return answer({ discarded: await system.deadLetters.discardAll(chosen(body), why) });
  },
});

export const deadLetterRoutes = [
  listDeadLetters,
  retryDeadLetters,
  discardDeadLetters,
  getDeadLetter,
  retryDeadLetter,
  discardDeadLetter,
];

/** A query that names nothing would mean everything: that has to be said. */
function chosen({ all, ...given }: z.infer<z.ZodObject<typeof query>>): DeadLetterQuery {
  const found = withoutUndefined(given);
  if (all === undefined && Object.keys(found).length === 0) {
    throw new InvalidInput({
      path: 'body',
      expected: 'consumer, key, type or error, or {"all": true} for all dead letters',
      found: 'none of them',
    });
  }
  return found;
}

type Given<Shape> = { [Name in keyof Shape]?: Exclude<Shape[Name], undefined> };

function withoutUndefined<Shape extends object>(shape: Shape): Given<Shape> {
  return Object.fromEntries(Object.entries(shape).filter(([, value]) => value !== undefined)) as Given<Shape>;
}

function letterDocument({ firstFailedMs, lastFailedMs, event, error, ...letter }: DeadLetter): DeadLetterDocument {
  return {
    ...letter,
    firstFailedTime: isoTime(firstFailedMs),
    lastFailedTime: isoTime(lastFailedMs),
    error: error === undefined ? undefined : errorDocument(error),
    event: event?.toJSON() as DeadLetterDocument['event'],
  };
}
