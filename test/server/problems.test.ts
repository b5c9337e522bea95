import { describe, expect, it } from 'vitest';
import * as thereupon from '../../src/index.ts';
import { ThereuponError } from '../../src/index.ts';
import type { Logger } from '../../src/index.ts';
import { createApp } from '../../src/server/index.ts';
import { ANSWERS, problemOf as asProblem, replyOf } from '../../src/server/problem.ts';
import * as refusals from '../../src/server/refusals.ts';
import { openApp, openShop, order, post, problemOf } from './shop.ts';

/** One of each, by its name. */
const SAMPLES: Readonly<Record<string, Error>> = {
  AttemptTimeout: new thereupon.AttemptTimeout('billing', 5),
  BatchRefused: new thereupon.BatchRefused([{ index: 2, error: new thereupon.UnknownEventType('x') }]),
  CapabilityMissing: new thereupon.CapabilityMissing('f', 'c', 'b'),
  ClaimLost: new thereupon.ClaimLost('billing', 1),
  Closed: new thereupon.Closed('the system'),
  CommandContentConflict: new thereupon.CommandContentConflict('1', 'a', 'b'),
  CommandContested: new thereupon.CommandContested('a', 10, undefined),
  CommandDataInvalid: new thereupon.CommandDataInvalid('a', [{ path: 'data', message: 'no' }]),
  ConditionFailed: new thereupon.ConditionFailed({ claim: 0, position: 3 }),
  EventContentConflict: new thereupon.EventContentConflict({ source: '/s', id: '1', position: 1, differs: ['data'] }),
  EventDataInvalid: new thereupon.EventDataInvalid('t', 1, [{ path: 'data', message: 'no' }]),
  HistoryIncomplete: new thereupon.HistoryIncomplete('order-1', 3),
  HistoryShortened: new thereupon.HistoryShortened('orders', ['order']),
  DecisionInvalid: new thereupon.DecisionInvalid('d', 'c', new Error('no fact')),
  InvalidDefinition: new thereupon.InvalidDefinition('d', 'r'),
  InvalidEvent: new thereupon.InvalidEvent({ attribute: 'id', expected: 'text', found: 1 }),
  InvalidInput: new thereupon.InvalidInput({ path: 'limit', expected: '1', found: 2 }),
  InvalidPattern: invalidPattern(),
  LimitExceeded: new thereupon.LimitExceeded('bytes', 1, 2),
  LoopStopped: new thereupon.LoopStopped('a', 'depth', 'too deep'),
  NotFound: new thereupon.NotFound('view', 'x', []),
  SealedDataInvalid: new thereupon.SealedDataInvalid({ what: 'event 1', place: 'email' }),
  SnapshotsNeeded: new thereupon.SnapshotsNeeded('order', ['order-1']),
  StatementRefused: new thereupon.StatementRefused('DELETE', 'no'),
  StoreDefect: new thereupon.StoreDefect('s', 'no such table'),
  StoreHeld: new thereupon.StoreHeld('s', 'process 1'),
  StoreReadOnly: new thereupon.StoreReadOnly('s'),
  StoreUnavailable: new thereupon.StoreUnavailable('s', 'disk full'),
  StoreUnusable: new thereupon.StoreUnusable('s', 'no store'),
  StreamDeleted: new thereupon.StreamDeleted('order-1'),
  StreamVersionConflict: new thereupon.StreamVersionConflict('order-1', 1, 2),
  SystemFull: new thereupon.SystemFull('the queue', 1_200),
  TerminalError: new thereupon.TerminalError('no'),
  UnknownCommand: new thereupon.UnknownCommand('x', ['a']),
  UnknownEventType: new thereupon.UnknownEventType('x'),
  UpcastFailed: new thereupon.UpcastFailed({ type: 'x', from: 1, to: 2, position: 3 }, { cause: new Error('no') }),
  UnsupportedContent: new thereupon.UnsupportedContent('a', 'b'),
  WrongState: new thereupon.WrongState('no'),
};

/** Defects are logged under a reference; callers do not learn what went wrong inside. */
const DEFECTS: ReadonlySet<string> = new Set(['StatementRefused', 'StoreDefect']);
const ANSWERED = Object.fromEntries(Object.entries(SAMPLES).filter(([name]) => !DEFECTS.has(name)));

const OWN: Readonly<Record<string, ThereuponError>> = {
  AddressUnavailable: new refusals.AddressUnavailable('127.0.0.1:1', new Error('no')),
  ForeignRequest: new refusals.ForeignRequest('Origin', 'https://x'),
  MethodNotAllowed: new refusals.MethodNotAllowed('PUT', '/events', ['GET']),
  RequestAborted: new refusals.RequestAborted(new Error('gone')),
  Unauthorized: new refusals.Unauthorized(false),
  UnsafeHost: new refusals.UnsafeHost('0.0.0.0'),
  ViewBehind: new refusals.ViewBehind('sales', { wanted: 2, position: 1, state: 'running' }),
};

function invalidPattern(): Error {
  try {
    thereupon.compilePattern(5);
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('5 is no pattern');
}

function errorClasses(module: object): readonly string[] {
  return Object.entries(module)
    .filter(
      ([, value]) =>
        typeof value === 'function' &&
        value !== ThereuponError &&
        (value as { prototype?: unknown }).prototype instanceof Error,
    )
    .map(([name]) => name);
}

describe('every error that the package exports', () => {
  it('is known here, so that a new one cannot be forgotten', () => {
    expect(errorClasses(thereupon).toSorted()).toEqual(Object.keys(SAMPLES).toSorted());
    expect(errorClasses(refusals).toSorted()).toEqual(Object.keys(OWN).toSorted());
  });

  it.each(Object.entries({ ...ANSWERED, ...OWN }))('has a status and a problem document: %s', (_name, error) => {
    const problem = asProblem(error);
    expect(problem).toMatchObject({ type: `urn:thereupon:problem:${problem?.code}`, detail: error.message });
    expect(ANSWERS).toHaveProperty([problem?.code ?? '']);
    expect(problem?.status).toBe(ANSWERS[problem?.code ?? '']?.status);
    expect(JSON.stringify(problem)).not.toContain('"stack"');
  });

  it.each(Object.entries({ ...ANSWERED, ...OWN }))('keeps its fields beside those of RFC 9457: %s', (_name, error) => {
    if (!(error instanceof ThereuponError)) return;
    const fields = Object.keys(error.details());
    for (const taken of ['title', 'status', 'detail', 'instance', 'eventType']) expect(fields).not.toContain(taken);
    expect(asProblem(error)).toMatchObject({ code: error.code });
  });

  it.each(Object.entries(ANSWERED))('is answered as the caller’s fault only when it is: %s', (name, error) => {
    const status = asProblem(error)?.status ?? 0;
    // Thrown by the program itself, never because of a request.
    if (['CapabilityMissing', 'InvalidDefinition', 'TerminalError', 'Closed', 'UpcastFailed'].includes(name))
      return expect(status).toBeGreaterThanOrEqual(500);
    const fault = error instanceof ThereuponError ? error.fault : 'caller';
    return fault === 'caller' ? expect(status).toBeLessThan(500) : expect(status).toBeGreaterThanOrEqual(500);
  });

  it('has no status without an error', () => {
    const codes = [...Object.values(ANSWERED), ...Object.values(OWN)].map((error) => asProblem(error)?.code ?? '');
    expect(Object.keys(ANSWERS).toSorted()).toEqual([...codes, 'command-refused', 'internal', 'not-ready'].toSorted());
  });
});

describe('answers that are problems', () => {
  it('name a field of the error that RFC 9457 has taken already otherwise', () => {
    expect(asProblem(new thereupon.UnknownEventType('x'))).toMatchObject({
      type: 'urn:thereupon:problem:unknown-event-type',
      eventType: 'x',
    });
  });

  it('tell a producer when a full system has room again (G10)', async () => {
    const { environment } = await openShop();
    expect(replyOf(SAMPLES['SystemFull'], { environment })).toMatchObject({
      status: 503,
      headers: { 'retry-after': '2' },
    });
    expect(replyOf(SAMPLES['StoreUnavailable'], { environment })).toMatchObject({
      status: 503,
      headers: { 'retry-after': '5' },
    });
  });

  it('carry that hint to the client', async () => {
    const system = await openShop();
    const app = createApp({
      ...served(system),
      ingest: () => Promise.reject(new thereupon.SystemFull('the queue of writes', 250)),
    });
    const response = await post(app, order());
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await problemOf(response)).toMatchObject({ status: 503, code: 'system-full', retryAfterMs: 250 });
  });

  it('show nothing of a defect, which is in the log under the reference that they give', async () => {
    const logged: Readonly<Record<string, unknown>>[] = [];
    const system = await openShop();
    const logger: Logger = { ...system.environment.logger, error: (fields) => logged.push(fields) };
    const secret = new Error('password of /home/me is hunter2');
    const app = createApp({
      ...served(system),
      environment: { ...system.environment, logger },
      catalog: () => Promise.reject(secret),
    });
    const response = await app.request('/catalog');
    const text = await response.text();
    expect(response.status).toBe(500);
    expect(text).not.toMatch(/hunter2|home|stack|\.ts/);
    const { reference } = JSON.parse(text) as { reference: string };
    expect(logged).toEqual([{ err: secret, reference }]);
  });

  it.each(['/nothing', '/events/', '/EVENTS', '/consumers/a/b/c'])('say that there is no route %s', async (path) => {
    const { app } = await openApp();
    expect(await problemOf(app.request(path))).toMatchObject({ status: 404, code: 'not-found', kind: 'route' });
  });

  it.each([
    ['PUT', '/events', 'POST, GET'],
    ['OPTIONS', '/events', 'POST, GET'],
    ['DELETE', '/streams/order-1', 'GET'],
    ['GET', '/consumers/sales/pause', 'POST'],
    ['PATCH', '/consumers/sales', 'GET, DELETE'],
  ])('say what a route takes instead: %s %s', async (method, path, allow) => {
    const { app } = await openApp();
    const response = await app.request(path, { method });
    expect(response.headers.get('allow')).toBe(allow);
    expect(await problemOf(response)).toMatchObject({ status: 405, code: 'method-not-allowed' });
  });
});

/** What the interface needs of a system, as plain members. */
function served(system: Awaited<ReturnType<typeof openShop>>) {
  const { environment, consumers, deadLetters, deciders, events, explanations, integrity, views, readOnly } = system;
  return {
    environment,
    consumers,
    deadLetters,
    deciders,
    events,
    explanations,
    integrity,
    views,
    readOnly,
    announce: (url: string) => system.announce(url),
    catalog: () => system.catalog(),
    execute: system.execute.bind(system),
    forget: system.forget.bind(system),
    ingest: system.ingest.bind(system),
    pressure: () => system.pressure(),
  };
}
