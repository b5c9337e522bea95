import { InvalidInput, NotFound } from '../../index.ts';
import type { ProjectionDefinition } from '../../index.ts';
import { awaitPosition } from '../await-position.ts';
import { choice, one, readQuery, text, wholeNumber } from '../query.ts';
import type { QueryOf } from '../query.ts';
import { answer, empty } from '../reply.ts';
import { route } from '../route.ts';
import type { Serving } from '../route.ts';
import { FILTERS, assertHeld, conditionsOf } from '../view-query.ts';
import type { ServedSystem } from '../served-system.ts';
import { wantsStream } from '../wants-stream.ts';

const AFTER_POSITION = {
  'after-position': one(
    wholeNumber(0),
    'Waits until the view has taken in what was published up to this position, for a limited time.',
  ),
} as const;

const PAGE = {
  order_by: one(text, 'A declared index. Default: by key.'),
  direction: one(choice('asc', 'desc'), 'With `order_by`.'),
  limit: one(wholeNumber(1, 1_000), 'Rows on a page. Default 100.'),
  after: one(text, '`next` of the page before.'),
  ...AFTER_POSITION,
} as const;

const listViews = route({
  method: 'GET',
  path: '/views',
  operation: 'listViews',
  tag: 'views',
  summary: 'List read models',
  answers: {
    200: {
      description:
        'Every view, with the events that it follows from, and the indexes to filter and sort by or the tables of its own in the database.',
      content: { 'application/json': 'ViewList' },
    },
  },
  handle({ system }) {
    const views = system.views.list().map(({ name, reaction, on, indexes, mode, version, tables }) => ({
      name,
      summary: reaction.summary,
      mode,
      version,
      events: on.map(({ type }) => type),
      indexes,
      tables: Object.values(tables),
    }));
    return answer({ views });
  },
});

const queryView = route({
  method: 'GET',
  path: '/views/{name}',
  operation: 'queryView',
  tag: 'views',
  summary: 'Filter, sort and page the rows of a read model',
  query: PAGE,
  openQuery: FILTERS,
  description:
    'With `Accept: text/event-stream` the answer is live: a message `result` with the rows, then messages `change` with those that are new or otherwise, the keys of those that are gone, and the keys of all in their order.',
  answers: {
    200: {
      description: 'Rows, by key or by `order_by`.',
      content: { 'application/json': 'ViewPage', 'text/event-stream': { type: 'string' } },
    },
  },
  async handle({ serving, system, parameter, search, header, headOnly }) {
    const view = viewOf(system, parameter('name'));
    const filters = [...search].filter(([name]) => !Object.hasOwn(PAGE, name));
    const query = readQuery(
      PAGE,
      new URLSearchParams([...search].filter(([name]) => Object.hasOwn(PAGE, name))),
    ) as QueryOf<typeof PAGE>;
    const { order_by: orderBy, direction, limit, after } = query;
    if (direction !== undefined && orderBy === undefined)
      throw new InvalidInput({ path: 'direction', expected: 'order_by with it', found: direction });
    if (orderBy !== undefined && !view.indexes.includes(orderBy)) {
      const declared = view.indexes.length === 0 ? 'none is declared' : `declared are ${view.indexes.join(', ')}`;
      const expected = `an index of view ${view.name} (${declared})`;
      throw new InvalidInput({ path: 'order_by', expected, found: orderBy });
    }
    await reached(serving, view, query['after-position']);
    const asked = async () => ({
      where: await conditionsOf(system, view, filters),
      ...(orderBy === undefined ? {} : { orderBy }),
      ...(direction === undefined ? {} : { direction }),
      ...(limit === undefined ? {} : { limit }),
      ...(after === undefined ? {} : { after }),
    });
    const first = await asked();
    const page = await system.views.query(view, first);
    if (page.items.length === 0) await assertHeld(system, view, first.where);
    if (!wantsStream(header('accept'))) return answer(page);
    if (headOnly) return empty(200, { 'content-type': 'text/event-stream' });
    // What a value means follows from what the index holds by then.
    const ask = async () => (await system.views.query(view, await asked())).items;
    const options = { view, identity: identityOf(search), ask };
    return serving.live.reply((signal) => serving.liveQueries.follow(serving, options, signal));
  },
});

const getRow = route({
  method: 'GET',
  path: '/views/{name}/{key}',
  operation: 'getViewRow',
  tag: 'views',
  summary: 'Read one row of a read model',
  description:
    'The key percent-encoded, also its slashes. With `Accept: text/event-stream` the answer is live, as that of the view: a message `result` with the row, or none where there is none yet, then messages `change`.',
  query: {
    ...AFTER_POSITION,
    position: one(wholeNumber(0), 'The row after this place in the log: made anew of the events up to there.'),
    at: one(text, 'The row at this instant (RFC 3339), or at the end of a date, in UTC.'),
    by: one(choice('event', 'recorded'), 'What `at` means: what had happened by then, or what was recorded.'),
  },
  answers: {
    200: {
      description: 'The row.',
      content: { 'application/json': 'ViewRow', 'text/event-stream': { type: 'string' } },
    },
  },
  async handle({ serving, system, parameter, query, header, headOnly }) {
    const view = viewOf(system, parameter('name'));
    const key = parameter('key');
    await reached(serving, view, query['after-position'], key);
    const { position, at, by } = query;
    if (wantsStream(header('accept'))) {
      const past = Object.entries({ position, at, by }).find(([, value]) => value !== undefined);
      if (past !== undefined)
        throw new InvalidInput({
          path: past[0],
          expected: 'no such parameter: a live row is that of now',
          found: past[1],
        });
      if (headOnly) return empty(200, { 'content-type': 'text/event-stream' });
      const ask = async () => {
        const present = await system.views.get(view, key);
        return present === undefined ? [] : [{ key, row: present }];
      };
      const options = { view, identity: JSON.stringify({ key }), ask };
      return serving.live.reply((signal) => serving.liveQueries.follow(serving, options, signal));
    }
    const row = await system.views.getAt(
      view,
      key,
      {
        ...(position === undefined ? {} : { position }),
        ...(at === undefined ? {} : { at }),
        ...(by === undefined ? {} : { by }),
      },
      serving.closing,
    );
    if (row === undefined) throw new NotFound(`row of view ${view.name}`, key);
    return answer({ key, row });
  },
});

export const viewRoutes = [listViews, queryView, getRow];

/** The same for queries that give the same rows. */
function identityOf(search: URLSearchParams): string {
  const sorted = new URLSearchParams(search);
  sorted.delete('after-position');
  sorted.sort();
  return sorted.toString();
}

function viewOf(system: ServedSystem, name: string): ProjectionDefinition {
  const views = system.views.list();
  const found = views.find((view) => view.name === name);
  if (found === undefined)
    throw new NotFound(
      'view',
      name,
      views.map((view) => view.name),
    );
  return found;
}

async function reached(
  serving: Serving,
  view: ProjectionDefinition,
  position: number | undefined,
  key?: string,
): Promise<void> {
  if (position !== undefined) await awaitPosition(serving, view.name, position, key === undefined ? {} : { key });
}
