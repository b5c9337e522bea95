import type { z } from 'zod';
import { InvalidInput, LimitExceeded, SystemFull, UnsupportedContent } from '../index.ts';
import { RequestAborted } from './refusals.ts';

const LIMIT = 'request body in bytes';

/** Larger ones are counted while they come in: a slow sender takes no more room than for what has come. */
const SMALL_BYTES = 64 * 1_024;
/** A full budget is free again after so long. */
const RETRY_AFTER_MS = 1_000;

/** The room that the bodies of all requests under way share (G10). */
export class BodyBudget {
  readonly #maximum: number;
  #used = 0;

  constructor(maximum: number) {
    this.#maximum = maximum;
  }

  /** For one request. */
  share(): BodyShare {
    let taken = 0;
    return {
      take: (bytes) => {
        if (this.#used + bytes > this.#maximum && this.#used > taken)
          throw new SystemFull('the room for request bodies', RETRY_AFTER_MS);
        this.#used += bytes;
        taken += bytes;
      },
      release: () => {
        this.#used -= taken;
        taken = 0;
      },
    };
  }
}

export interface BodyShare {
  /** Errors: SystemFull when other requests have taken what there is. */
  take(bytes: number): void;
  /** The request is answered. */
  release(): void;
}

/**
 * The body of a request, counted while it comes in.
 *
 * Errors    LimitExceeded as soon as it is clear that the body is larger; SystemFull; RequestAborted when it ends early.
 */
export async function readBytes(request: Request, maximum: number, share: BodyShare): Promise<Uint8Array> {
  const length = request.headers.get('content-length');
  if (length !== null && !request.headers.has('transfer-encoding')) {
    if (Number(length) > maximum) throw new LimitExceeded(LIMIT, maximum, Number(length));
    if (Number(length) <= SMALL_BYTES) {
      share.take(Number(length));
      // The HTTP parser lets no more bytes through than were announced.
      return new Uint8Array(await request.arrayBuffer().catch(aborted));
    }
  }
  return request.body === null ? new Uint8Array() : readCounted(request.body, maximum, share);
}

async function readCounted(body: ReadableStream<Uint8Array>, maximum: number, share: BodyShare): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const reader = body.getReader();
  for (let size = 0; ;) {
    const { done, value } = await reader.read().catch(aborted);
    if (done) return Buffer.concat(chunks, size);
    size += value.length;
    try {
      if (size > maximum) throw new LimitExceeded(LIMIT, maximum, size);
      share.take(value.length);
    } catch (error) {
      reader.cancel().catch(() => undefined);
      throw error;
    }
    chunks.push(value);
  }
}

function aborted(error: unknown): never {
  throw new RequestAborted(error);
}

/**
 * A JSON body by its schema.
 *
 * Errors    UnsupportedContent, InvalidInput names the place in the body.
 */
export function parseBody<Body>(schema: z.ZodType<Body>, bytes: Uint8Array, contentType: string | undefined): Body {
  if (bytes.length > 0 && contentType !== undefined && !/^application\/json\s*(?:;|$)/i.test(contentType)) {
    throw new UnsupportedContent('Content-Type application/json', contentType.slice(0, 80));
  }
  const result = schema.safeParse(bytes.length === 0 ? undefined : parseJson(bytes));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const { at, message } =
    issue === undefined ? { at: [], message: 'another value' } : placeOf(issue, (place) => valueAt(bytes, place));
  const path = ['body', ...at.map(String)].join('.');
  const expected = schema.description ?? message;
  if (issue?.code === 'unrecognized_keys')
    throw new InvalidInput({ path, expected: `no members but those of: ${expected}`, found: issue.keys[0] });
  const isWhole = at.length === 0 || schema.description === undefined;
  throw new InvalidInput({
    path,
    expected: isWhole ? expected : `${message} (the body is ${expected})`,
    found: valueAt(bytes, at),
  });
}

type Issue = z.core.$ZodIssue;

/** Of what may be one of several, the place where that fails which fits furthest. */
function placeOf(
  issue: Issue,
  read: (path: readonly PropertyKey[]) => unknown,
): { readonly at: readonly PropertyKey[]; readonly message: string } {
  // What is not there, or not known, is that of another one.
  const isMeant = ({ path, code }: Issue) =>
    path.length > 0 && code !== 'unrecognized_keys' && read([...issue.path, ...path]) !== undefined;
  const inner = issue.code === 'invalid_union' ? issue.errors.flat().filter(isMeant) : [];
  const [deepest] = inner
    .sort((left, right) => right.path.length - left.path.length)
    .map((each) => placeOf(each, (path) => read([...issue.path, ...path])));
  if (deepest !== undefined) return { at: [...issue.path, ...deepest.at], message: deepest.message };
  const [same] =
    issue.code === 'invalid_union' ? issue.errors.flat().filter(({ code }) => code === 'invalid_format') : [];
  if (same !== undefined) return { at: issue.path, message: placeOf(same, read).message };
  const asked = /^Invalid input: expected (.*), received /.exec(issue.message)?.[1];
  const message = issue.message === 'Invalid input' ? 'something else' : issue.message.replace(/^Invalid /, 'a valid ');
  return { at: issue.path, message: asked ?? message };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new InvalidInput({
      path: 'body',
      expected: 'JSON in UTF-8',
      found: error instanceof Error ? error.message : undefined,
    });
  }
}

function valueAt(bytes: Uint8Array, path: readonly PropertyKey[]): unknown {
  let value = bytes.length === 0 ? undefined : parseJson(bytes);
  for (const key of path)
    value = typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined;
  return value;
}
