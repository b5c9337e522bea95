import { ApiProblem, CommandFailed, UsageError } from '../failure.ts';
import type { EventJson } from '../output/event-line.ts';
import { sseMessages } from './sse.ts';

/** How requests reach a system: through the network, or straight into it. */
export type Transport = (path: string, init: RequestInit) => Promise<Response>;

export type Query = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/** The HTTP interface of a system, as commands use it. */
export class Api {
  /** What answers, in words. */
  readonly where: string;
  readonly #transport: Transport;

  constructor(where: string, transport: Transport) {
    this.where = where;
    this.#transport = transport;
  }

  async get<Answer>(path: string, query: Query = {}, signal?: AbortSignal): Promise<Answer> {
    return (await this.#ask('GET', path + searchOf(query), signal === undefined ? {} : { signal })) as Answer;
  }

  async post<Answer>(path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return (await this.#ask(
      'POST',
      path,
      body === undefined
        ? { headers }
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } },
    )) as Answer;
  }

  async delete<Answer = undefined>(path: string): Promise<Answer> {
    return (await this.#ask('DELETE', path, {})) as Answer;
  }

  /** Events in the CloudEvents JSON format: one, or a batch that is recorded whole or not at all. */
  async publish<Answer>(events: unknown): Promise<Answer> {
    const form = Array.isArray(events) ? 'application/cloudevents-batch+json' : 'application/cloudevents+json';
    return (await this.#ask('POST', '/events', {
      body: JSON.stringify(events),
      headers: { 'content-type': form },
    })) as Answer;
  }

  /** Events as they are recorded, until the connection ends. */
  async *follow(query: Query, signal: AbortSignal): AsyncGenerator<EventJson, void, undefined> {
    const response = await this.#transport(`/events${searchOf(query)}`, {
      headers: { accept: 'text/event-stream' },
      signal,
    });
    if (!response.ok || response.body === null) throw await problemOf(response);
    for await (const message of sseMessages(response.body)) yield JSON.parse(message) as EventJson;
  }

  async #ask(method: string, path: string, init: RequestInit): Promise<unknown> {
    const response = await this.#transport(path, { ...init, method });
    if (!response.ok) throw await problemOf(response);
    if (response.status === 204) return undefined;
    const text = await response.text();
    try {
      return JSON.parse(text);
    } catch {
      throw new CommandFailed(`${this.where} does not answer in JSON; is it a thereupon server?`);
    }
  }
}

/** A path from names that may hold anything. Errors: UsageError for what no address can say. */
export function pathOf(...names: readonly string[]): string {
  return names
    .map((name) => {
      // As a segment these are steps in the path, however they are written.
      if (name === '.' || name === '..' || name === '')
        throw new UsageError(`${JSON.stringify(name)} cannot be named in an address`);
      return `/${encodeURIComponent(name.toWellFormed())}`;
    })
    .join('');
}

/** Requests over the network. */
export function networkTransport(url: string, apiKey: string | undefined): Transport {
  let base: URL;
  try {
    base = new URL(url);
  } catch {
    throw new UsageError(`--url: expected an address such as http://127.0.0.1:4600, found ${JSON.stringify(url)}`);
  }
  if (base.protocol !== 'http:' && base.protocol !== 'https:')
    throw new UsageError(`--url: expected http or https, found ${base.protocol}`);
  const prefix = base.href.replace(/\/$/, '');
  return async (path, init) => {
    const headers = new Headers(init.headers);
    if (apiKey !== undefined) headers.set('authorization', `Bearer ${apiKey}`);
    try {
      return await fetch(`${prefix}${path}`, { ...init, headers });
    } catch (error) {
      if (init.signal?.aborted === true) throw error;
      throw new NotReached(
        `nothing answers at ${prefix} (${reasonOf(error)}); is it running, and is the address right?`,
        { cause: error },
      );
    }
  };
}

/** The request did not get through; another attempt may. */
export class NotReached extends CommandFailed {}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause as { code?: unknown; message?: unknown } | undefined) : undefined;
  return String(cause?.code ?? cause?.message ?? (error instanceof Error ? error.message : error));
}

function searchOf(query: Query): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    for (const each of Array.isArray(value) ? (value as readonly string[]) : [value as string | number])
      search.append(name, String(each));
  }
  return search.size === 0 ? '' : `?${search.toString()}`;
}

async function problemOf(response: Response): Promise<ApiProblem> {
  const text = await response.text().catch(() => '');
  const after = Number(response.headers.get('retry-after'));
  let problem: Record<string, unknown>;
  try {
    problem = JSON.parse(text) as Record<string, unknown>;
  } catch {
    problem = { detail: `the server answered ${response.status} ${response.statusText}: ${text.slice(0, 200)}` };
  }
  return new ApiProblem(response.status, problem, after > 0 ? after * 1_000 : undefined);
}
