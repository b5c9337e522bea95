/** What a route answers with, before it is known whether it goes over a socket or to a caller in this process. */
export interface Reply {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | ReadableStream<Uint8Array> | null;
}

export interface ReplyOptions {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

const COMMON = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

/** An answer in JSON; `content-type` may be given more precisely. */
export function answer(value: unknown, options: ReplyOptions = {}): Reply {
  return {
    status: options.status ?? 200,
    headers: { 'content-type': 'application/json', ...COMMON, ...options.headers },
    body: JSON.stringify(value),
  };
}

/** An answer that is nothing but its head. */
export function empty(status: number, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, headers: { ...COMMON, ...headers }, body: null };
}

export function text(body: string | ReadableStream<Uint8Array>, headers: Readonly<Record<string, string>>): Reply {
  return { status: 200, headers: { ...COMMON, ...headers }, body };
}
