import { problem, problemReply } from '../problem.ts';
import { answer, text } from '../reply.ts';
import { route } from '../route.ts';
import { PAGE } from '../front-page.ts';

const healthz = route({
  method: 'GET',
  path: '/healthz',
  operation: 'getHealth',
  tag: 'operation',
  summary: 'Whether the process answers, and which it is',
  open: true,
  answers: { 200: { description: 'It does.', content: { 'application/json': 'Status' } } },
  handle: () => answer({ status: 'ok', pid: process.pid }),
});

const readyz = route({
  method: 'GET',
  path: '/readyz',
  operation: 'getReadiness',
  tag: 'operation',
  summary: 'Whether the store answers and takes what consumers commit',
  answers: { 200: { description: 'Ready.', content: { 'application/json': 'Status' } } },
  async handle({ serving, system }) {
    if (serving.closing.aborted) return problemReply(problem('not-ready', 'the server is shutting down'));
    await system.events.head();
    const stalled = (await system.consumers.list()).filter(({ state }) => state === 'stalled');
    if (stalled.length === 0) return answer({ status: 'ready' });
    const reasons = stalled.map(({ name, reason }) => `consumer ${name}: ${reason ?? 'stalled'}`);
    return problemReply(problem('not-ready', `the store does not take commits: ${reasons.join('; ')}`, { reasons }));
  },
});

const metrics = route({
  method: 'GET',
  path: '/metrics',
  operation: 'getMetrics',
  tag: 'operation',
  summary: 'Figures for Prometheus',
  answers: { 200: { description: 'The text format.', content: { 'text/plain': { type: 'string' } } } },
  async handle({ serving }) {
    const { text: figures, contentType } = await serving.metrics.exposition();
    return text(figures, { 'content-type': contentType });
  },
});

const frontPage = route({
  method: 'GET',
  path: '/',
  operation: 'getFrontPage',
  tag: 'operation',
  summary: 'What this is, for people',
  open: true,
  answers: { 200: { description: 'A page.', content: { 'text/html': { type: 'string' } } } },
  handle: () =>
    text(PAGE, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy':
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
    }),
});

export const healthRoutes = [healthz, readyz, metrics, frontPage];
