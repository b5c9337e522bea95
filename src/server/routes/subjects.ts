import { answer } from '../reply.ts';
import { route } from '../route.ts';

const forgetSubject = route({
  method: 'DELETE',
  path: '/subjects/{subject}',
  operation: 'forgetSubject',
  tag: 'subjects',
  summary: 'Forget a person: delete the keys of their personal fields',
  description:
    'These fields read as erased from then on, in the log, in views, states and dead letters; events, their order and their counts stay. It cannot be undone. `keys` is 0 where nothing was sealed for such a person, or all of it is forgotten already.',
  answers: { 200: { description: 'Forgotten.', content: { 'application/json': 'Forgotten' } } },
  async handle({ system, parameter }) {
    const subject = parameter('subject');
    return answer({ subject, ...(await system.forget(subject)) });
  },
});

export const subjectRoutes = [forgetSubject];
