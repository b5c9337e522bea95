import { one, text } from '../query.ts';
import { answer } from '../reply.ts';
import { route } from '../route.ts';

const SOURCE = {
  source: one(text, 'Of the event, where events of several sources have the id.'),
} as const;

const getCauses = route({
  method: 'GET',
  path: '/events/{id}/causes',
  operation: 'getCauses',
  tag: 'why',
  summary: 'What led to an event: the chain of events, reactions and commands',
  query: SOURCE,
  answers: {
    200: { description: 'From the direct cause to the first.', content: { 'application/json': 'Causes' } },
  },
  async handle({ system, parameter, query }) {
    return answer(await system.explanations.causes(await system.explanations.event(parameter('id'), query.source)));
  },
});

const getEffects = route({
  method: 'GET',
  path: '/events/{id}/effects',
  operation: 'getEffects',
  tag: 'why',
  summary: 'What an event led to, as a tree',
  query: SOURCE,
  answers: { 200: { description: 'Of its conversation.', content: { 'application/json': 'Effects' } } },
  async handle({ system, parameter, query }) {
    return answer(await system.explanations.effects(await system.explanations.event(parameter('id'), query.source)));
  },
});

const getOutcome = route({
  method: 'GET',
  path: '/outcomes/{id}',
  operation: 'getOutcome',
  tag: 'why',
  summary: 'What came of a command, by its id, who gave it, and what led to it',
  answers: { 200: { description: 'Accepted or refused.', content: { 'application/json': 'CommandCauses' } } },
  async handle({ system, parameter }) {
    return answer(await system.explanations.command(parameter('id')));
  },
});

const getRowCauses = route({
  method: 'GET',
  path: '/views/{name}/{key}/causes',
  operation: 'getRowCauses',
  tag: 'why',
  summary: 'Which events made a row, and what led to the last of them',
  description: 'Reads the events of the view from the beginning.',
  answers: { 200: { description: 'The last events, newest first.', content: { 'application/json': 'RowCauses' } } },
  async handle({ serving, system, parameter }) {
    return answer(await system.explanations.row(parameter('name'), parameter('key'), serving.closing));
  },
});

const getWhyNot = route({
  method: 'GET',
  path: '/consumers/{name}/why-not/{id}',
  operation: 'getWhyNot',
  tag: 'why',
  summary: 'What kept a consumer from acting on an event, or that it did',
  query: SOURCE,
  answers: { 200: { description: 'The verdict, with reasons.', content: { 'application/json': 'WhyNot' } } },
  async handle({ system, parameter, query }) {
    const event = await system.explanations.event(parameter('id'), query.source);
    return answer(await system.explanations.whyNot(parameter('name'), event));
  },
});

const getRun = route({
  method: 'GET',
  path: '/consumers/{name}/runs/{id}',
  operation: 'getRun',
  tag: 'why',
  summary: 'What came of the handling of one event by one reaction, and what led to it',
  query: SOURCE,
  answers: { 200: { description: 'The verdict, and the chain of causes.', content: { 'application/json': 'Run' } } },
  async handle({ system, parameter, query }) {
    // Whose run it is comes before which: both may be unknown.
    await system.consumers.status(parameter('name'));
    const event = await system.explanations.event(parameter('id'), query.source);
    return answer(await system.explanations.run(parameter('name'), event));
  },
});

export const whyRoutes = [getCauses, getEffects, getOutcome, getRowCauses, getWhyNot, getRun];
