import type { Route } from './route.ts';
import { catalogRoutes } from './routes/catalog.ts';
import { chainRoutes } from './routes/chain.ts';
import { commandRoutes } from './routes/commands.ts';
import { consumerRoutes } from './routes/consumers.ts';
import { deadLetterRoutes } from './routes/dead-letters.ts';
import { healthRoutes } from './routes/health.ts';
import { publishEvents } from './routes/publish-events.ts';
import { readRoutes } from './routes/read-events.ts';
import { rebuildRoutes } from './routes/rebuilds.ts';
import { streamRoutes } from './routes/streams.ts';
import { subjectRoutes } from './routes/subjects.ts';
import { whyRoutes } from './routes/why.ts';
import { viewRoutes } from './routes/views.ts';

/** Everything that is served, in the order of the document. */
export const ROUTES: readonly Route[] = [
  publishEvents,
  // Before the routes with names in these places.
  ...whyRoutes,
  ...readRoutes,
  ...streamRoutes,
  ...commandRoutes,
  ...consumerRoutes,
  ...deadLetterRoutes,
  ...viewRoutes,
  ...rebuildRoutes,
  ...subjectRoutes,
  ...chainRoutes,
  ...catalogRoutes,
  ...healthRoutes,
];
