import { z } from 'zod';
import { NotFound } from '../../index.ts';
import type { BuildOptions, Position } from '../../index.ts';
import { rebuildDocument } from '../rebuild-document.ts';
import { answer } from '../reply.ts';
import { route } from '../route.ts';

const position = z.strictObject({ position: z.int().min(0) });
const time = z.strictObject({ time: z.union([z.iso.datetime({ offset: true }), z.iso.date()]) });

const OPTIONS = z
  .strictObject({
    from: z.union([z.literal('beginning'), position, time]).optional(),
    to: z.union([position, time]).optional(),
    dryRun: z.boolean().optional(),
    onFailure: z.enum(['park', 'fail']).optional(),
  })
  .optional()
  .meta({
    description:
      'nothing, or {"from": "beginning" | {"position": number} | {"time": RFC 3339 timestamp or date}, "to": of a dry run a position or a time, "dryRun": boolean, "onFailure": "park" | "fail"}',
  });

const STATUS = { description: 'How it stands.', content: { 'application/json': 'Rebuild' } };

const beginRebuild = route({
  method: 'POST',
  path: '/rebuilds/{view}',
  operation: 'beginRebuild',
  tag: 'views',
  summary: 'Build the rows of a view anew beside those that serve, and switch them in one step',
  description:
    'Answers when it has begun, and goes on by itself, also after a crash. A dry run compares the rows and throws them away. Where a build has failed, it goes on: what failed of it is tried again.',
  body: OPTIONS,
  answers: { 202: STATUS },
  async handle({ system, parameter, body }) {
    const rebuild = await system.views.rebuild(parameter('view'), optionsOf(body));
    return answer(rebuildDocument(await rebuild.status()), { status: 202 });
  },
});

const getRebuild = route({
  method: 'GET',
  path: '/rebuilds/{view}',
  operation: 'getRebuild',
  tag: 'views',
  summary: 'How the build of a view stands, or how the last one ended',
  answers: { 200: STATUS },
  async handle({ system, parameter }) {
    const view = parameter('view');
    const status = await system.views.rebuildStatus(view);
    if (status === undefined) throw new NotFound('rebuild of view', view);
    return answer(rebuildDocument(status));
  },
});

const cancelRebuild = route({
  method: 'DELETE',
  path: '/rebuilds/{view}',
  operation: 'cancelRebuild',
  tag: 'views',
  summary: 'Throw away what was built; the view stays as it is',
  answers: { 200: STATUS },
  async handle({ system, parameter }) {
    return answer(rebuildDocument(await system.views.cancelRebuild(parameter('view'))));
  },
});

/** Beside `/views/{name}/{key}`, so that no key of a row is hidden. */
export const rebuildRoutes = [beginRebuild, getRebuild, cancelRebuild];

function optionsOf(body: z.infer<typeof OPTIONS>): BuildOptions {
  const { from, to, dryRun, onFailure } = body ?? {};
  return {
    ...(from === undefined ? {} : { from: from === 'beginning' ? from : placeOf(from) }),
    ...(to === undefined ? {} : { to: placeOf(to) }),
    ...(dryRun === undefined ? {} : { dryRun }),
    ...(onFailure === undefined ? {} : { onFailure }),
  };
}

function placeOf(
  given: z.infer<typeof position> | z.infer<typeof time>,
): { readonly position: Position } | { readonly time: string } {
  return 'time' in given ? given : { position: given.position as Position };
}
