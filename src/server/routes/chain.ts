import { z } from 'zod';
import { answer } from '../reply.ts';
import { route } from '../route.ts';

const getChain = route({
  method: 'GET',
  path: '/chain',
  operation: 'getChain',
  tag: 'integrity',
  summary: 'Where the hash chain over the log has got to',
  answers: { 200: { description: 'Its head.', content: { 'application/json': 'ChainHead' } } },
  async handle({ system }) {
    return answer(await system.integrity.head());
  },
});

const verifyChain = route({
  method: 'POST',
  path: '/chain/verify',
  operation: 'verifyChain',
  tag: 'integrity',
  summary: 'Compare every event with the hash chain',
  description:
    'Names the first event that was altered, is missing or was inserted. Answers when it is through: a few seconds for each million events.',
  body: z
    .strictObject({
      signed: z
        .strictObject({ head: z.unknown(), publicKey: z.string() })
        .describe('A head that was signed before, and the public key, Ed25519 as PEM: the chain has to hold it.')
        .optional(),
    })
    .optional(),
  answers: { 200: { description: 'What was found.', content: { 'application/json': 'Verification' } } },
  async handle({ serving, system, body }) {
    const signed = body?.signed;
    return answer(
      await system.integrity.verify({ signal: serving.closing, ...(signed === undefined ? {} : { signed }) }),
    );
  },
});

export const chainRoutes = [getChain, verifyChain];
