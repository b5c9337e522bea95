import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** Everything that comes back for bytes written as they are, until the server ends the connection or `until` is in it. */
export async function exchange(url: string, bytes: string | Buffer, until?: string): Promise<string> {
  const socket = await openSocket(url);
  socket.write(bytes);
  let text = '';
  for await (const chunk of socket) {
    text += String(chunk);
    if (until !== undefined && text.includes(until)) break;
  }
  socket.destroy();
  return text;
}

export async function openSocket(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  // A server that refuses in the middle of a request may reset the connection after its answer.
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** One request with headers exactly as given: repeated, in order. */
export function send(
  url: string,
  options: { readonly headers: readonly (readonly [string, string])[]; readonly body: Uint8Array },
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        method: 'POST',
        headers: ['host', new URL(url).host, 'content-length', String(options.body.length), ...options.headers.flat()],
      },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (body += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
        response.on('error', reject);
      },
    );
    outgoing.on('error', reject);
    outgoing.end(options.body);
  });
}

export interface LiveEvent {
  readonly id: string;
  readonly event: { readonly id: string; readonly type: string; readonly position: number };
}

/** A live stream as a client sees it. */
export class LiveClient {
  readonly seen: LiveEvent[] = [];
  comments = 0;
  ended = false;
  readonly #leaving = new AbortController();
  readonly status: number;
  #waiting: (() => void)[] = [];

  private constructor(response: Response) {
    this.status = response.status;
    void this.#read(response);
  }

  static async open(url: string, headers: Record<string, string> = {}): Promise<LiveClient> {
    const leaving = new AbortController();
    const response = await fetch(url, { headers: { accept: 'text/event-stream', ...headers }, signal: leaving.signal });
    const client = new LiveClient(response);
    client.#leaving.signal.addEventListener('abort', () => leaving.abort());
    onTestFinished(() => client.leave());
    return client;
  }

  get lastId(): string {
    return this.seen.at(-1)?.id ?? '';
  }

  /** Breaks the connection. */
  leave(): void {
    this.#leaving.abort();
  }

  /** Resolves as soon as the condition holds; looked at whenever something came. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async #read(response: Response): Promise<void> {
    let text = '';
    try {
      for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        text += chunk;
        const frames = text.split('\n\n');
        text = frames.pop() ?? '';
        for (const frame of frames) this.#frame(frame);
        this.#wake();
      }
    } catch {
      // The connection broke, as it was meant to.
    }
    this.ended = true;
    this.#wake();
  }

  #frame(frame: string): void {
    if (frame.startsWith(':')) this.comments += 1;
    const id = /^id: (.*)$/m.exec(frame)?.[1];
    const data = /^data: (.*)$/m.exec(frame)?.[1];
    if (id !== undefined && data !== undefined) this.seen.push({ id, event: JSON.parse(data) as LiveEvent['event'] });
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
