import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from 'commander';
import { NotReached } from '../access/api.ts';
import type { Api, Query } from '../access/api.ts';
import type { AccessOptions } from '../access/connect.ts';
import { wholeNumber, withAccess, withSystem } from '../command.ts';
import { EXIT_OK } from '../failure.ts';
import { EventLines } from '../output/event-line.ts';
import type { EventJson } from '../output/event-line.ts';
import type { Terminal } from '../terminal.ts';
import { afterOption, queryOf, withSelection } from './selection.ts';
import type { SelectionOptions } from './selection.ts';

interface TailOptions extends AccessOptions, SelectionOptions {
  readonly after?: number;
  readonly last?: number;
  readonly follow: boolean;
}

interface EventPage {
  readonly events: readonly EventJson[];
  readonly next?: number;
}

/** After a broken connection it is tried again so soon, and then less and less often. */
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 5_000;

export function tailCommand(program: Command, terminal: Terminal, exit: (code: number) => void): void {
  withSelection(withAccess(program.command('tail')))
    .summary('show events as they are recorded')
    .description('Shows events as they are recorded, one a line; those that another event led to begin with ↳.')
    .option('--after <position>', 'show also what was recorded after this position, or from the beginning', afterOption)
    .option('-n, --last <count>', 'show the last events first', wholeNumber('--last', 1, 1_000))
    .option('--no-follow', 'end when everything that is there has been shown')
    .action(async (options: TailOptions) => {
      await withSystem(options, terminal, 'follow', ({ api }) => tail(api, options, terminal));
      exit(EXIT_OK);
    });
}

async function tail(api: Api, options: TailOptions, terminal: Terminal): Promise<void> {
  const lines = new EventLines(() => terminal.out);
  const show = (event: EventJson) =>
    terminal.write(`${options.json === true ? JSON.stringify(event) : lines.line(event)}\n`);
  const query = queryOf(options);
  let seen = options.after;
  if (options.last !== undefined) {
    const { events } = await api.get<EventPage>(
      '/events',
      { ...query, direction: 'backward', limit: options.last },
      terminal.signal,
    );
    for (const event of events.toReversed()) await show(event);
    seen = events[0]?.position ?? seen;
  }
  if (!options.follow) {
    if (options.last === undefined) await pages(api, { ...query, after: seen }, show, terminal.signal);
    return;
  }
  await follow(api, { query, after: seen, show, terminal });
}

async function pages(
  api: Api,
  query: Query,
  show: (event: EventJson) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  for (let after = query['after']; !signal.aborted;) {
    const page: EventPage = await api.get('/events', { ...query, after, limit: 1_000 }, signal);
    for (const event of page.events) await show(event);
    if (page.next === undefined) return;
    after = page.next;
  }
}

/** Follows until it is asked to stop; a connection that breaks is taken up again where it was. */
async function follow(
  api: Api,
  {
    query,
    after,
    show,
    terminal,
  }: { query: Query; after: number | undefined; show: (event: EventJson) => Promise<void>; terminal: Terminal },
): Promise<void> {
  const { signal } = terminal;
  let seen = after;
  let delayMs = FIRST_RETRY_MS;
  let connected = false;
  while (!signal.aborted) {
    try {
      for await (const event of api.follow({ ...query, after: seen }, signal)) {
        seen = event.position;
        delayMs = FIRST_RETRY_MS;
        await show(event);
      }
      connected = true;
    } catch (error) {
      if (signal.aborted) return;
      const broken = error instanceof NotReached ? connected || seen !== after : error instanceof TypeError;
      if (!broken) throw error;
      connected = true;
    }
    if (signal.aborted) return;
    terminal.note(`the connection to ${api.where} ended; trying again\n`);
    await wait(delayMs, undefined, { signal }).catch(() => undefined);
    delayMs = Math.min(delayMs * 2, LONGEST_RETRY_MS);
  }
}
