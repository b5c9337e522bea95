import { z } from 'zod';
import { InvalidInput } from '../../index.ts';
import type { ConsumerStatus, Position, ReplayFrom } from '../../index.ts';
import { answer, empty } from '../reply.ts';
import type { Reply } from '../reply.ts';
import { route } from '../route.ts';
import type { ConsumerDocument, ErrorDocument } from '../schemas.ts';
import { isoTime } from '../iso-time.ts';
import { rebuildDocument } from '../rebuild-document.ts';
import type { ServedSystem } from '../served-system.ts';

const CONSUMER = {
  200: { description: 'The consumer as it stands now.', content: { 'application/json': 'Consumer' } },
};

const listConsumers = route({
  method: 'GET',
  path: '/consumers',
  operation: 'listConsumers',
  tag: 'consumers',
  summary: 'List consumers, projections and automations, with lag, state and last error',
  answers: { 200: { description: 'By name.', content: { 'application/json': 'ConsumerList' } } },
  async handle({ system }) {
    return answer({ consumers: (await system.consumers.list()).map(consumerDocument) });
  },
});

const getConsumer = route({
  method: 'GET',
  path: '/consumers/{name}',
  operation: 'getConsumer',
  tag: 'consumers',
  summary: 'Look at one consumer',
  answers: CONSUMER,
  handle: ({ system, parameter }) => standing(system, parameter('name')),
});

const listHeld = route({
  method: 'GET',
  path: '/consumers/{name}/held',
  operation: 'listHeld',
  tag: 'consumers',
  summary: 'What a consumer holds back until others have come, or time has',
  answers: { 200: { description: 'By key, 100 at most.', content: { 'application/json': 'HeldList' } } },
  async handle({ system, parameter }) {
    return answer({ held: await system.consumers.held(parameter('name')) });
  },
});

const pauseConsumer = route({
  method: 'POST',
  path: '/consumers/{name}/pause',
  operation: 'pauseConsumer',
  tag: 'consumers',
  summary: 'Stop handing events to a consumer',
  description: 'Attempts under way finish first. The pause outlives the process.',
  body: z
    .strictObject({ reason: z.string().min(1).max(1_000).optional() })
    .optional()
    .meta({ description: 'an object with a reason, or nothing' }),
  answers: CONSUMER,
  async handle({ system, parameter, body }) {
    await system.consumers.pause(parameter('name'), body?.reason);
    return standing(system, parameter('name'));
  },
});

const resumeConsumer = route({
  method: 'POST',
  path: '/consumers/{name}/resume',
  operation: 'resumeConsumer',
  tag: 'consumers',
  summary: 'Go on after a pause',
  answers: CONSUMER,
  async handle({ system, parameter }) {
    await system.consumers.resume(parameter('name'));
    return standing(system, parameter('name'));
  },
});

const replayConsumer = route({
  method: 'POST',
  path: '/consumers/{name}/replay',
  operation: 'replayConsumer',
  tag: 'consumers',
  summary: 'Let this consumer, and no other, handle events again',
  description:
    'From the beginning, after a position, or from what was recorded at a time on. What it publishes again is not recorded twice. A consumer that keeps state is replayed from the beginning only.',
  body: z
    .union([
      z.strictObject({ from: z.literal('beginning') }),
      z.strictObject({ position: z.int().min(0) }),
      z.strictObject({ time: z.union([z.iso.datetime({ offset: true }), z.iso.date()]) }),
    ])
    .describe('{"from": "beginning"}, {"position": number} or {"time": RFC 3339 timestamp or date}'),
  answers: CONSUMER,
  async handle({ system, parameter, body }) {
    await system.consumers.replay(parameter('name'), await placeOf(system, body));
    return standing(system, parameter('name'));
  },
});

const forgetConsumer = route({
  method: 'DELETE',
  path: '/consumers/{name}',
  operation: 'forgetConsumer',
  tag: 'consumers',
  summary: 'Forget a consumer that no definition runs any more',
  description: 'With its checkpoint and its dead letters; retention then waits for it no longer.',
  answers: { 204: { description: 'Forgotten.' } },
  async handle({ system, parameter }) {
    await system.consumers.remove(parameter('name'));
    return empty(204);
  },
});

export const consumerRoutes = [
  listConsumers,
  getConsumer,
  listHeld,
  pauseConsumer,
  resumeConsumer,
  replayConsumer,
  forgetConsumer,
];

async function standing(system: ServedSystem, name: string): Promise<Reply> {
  return answer(consumerDocument(await system.consumers.status(name)));
}

async function placeOf(
  system: ServedSystem,
  body: { from: 'beginning' } | { position: number } | { time: string },
): Promise<ReplayFrom> {
  if ('from' in body) return body.from;
  if ('time' in body) return body;
  const head = await system.events.head();
  if (body.position > head)
    throw new InvalidInput({
      path: 'body.position',
      expected: `a position up to the head of the log, ${head}`,
      found: body.position,
    });
  return { position: body.position as Position };
}

function consumerDocument(status: ConsumerStatus): ConsumerDocument {
  const { lastHandledMs, lastError, ...figures } = status.figures;
  const { build, time } = status;
  return {
    ...status,
    build: build && rebuildDocument(build),
    time: time && { watermark: isoTime(time.watermarkMs), timers: time.timers, held: time.held },
    figures: {
      ...figures,
      lastHandledTime: isoTime(lastHandledMs),
      lastError:
        lastError === undefined
          ? undefined
          : { time: isoTime(lastError.atMs), eventId: lastError.eventId, error: errorDocument(lastError.error) },
    },
  };
}

/** Without the stack: it is in the log of the server. */
export function errorDocument({ name, message, code, cause }: ErrorDocument): ErrorDocument {
  return { name, message, code, cause: cause === undefined ? undefined : errorDocument(cause) };
}
