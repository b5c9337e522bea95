import { readFileSync } from 'node:fs';
import path from 'node:path';
import * as face from 'thereupon';
import { describeValue } from '../src/system/values.ts';
import { describe, expect, it } from 'vitest';

/** One of each exported error, made as the system makes it. */
const samples: Readonly<Record<string, face.ThereuponError>> = {
  AttemptTimeout: new face.AttemptTimeout('mailer', 30_000),
  BatchRefused: new face.BatchRefused([{ index: 0, error: new face.UnknownEventType('a.b') }]),
  CapabilityMissing: new face.CapabilityMissing('schedules', 'durable', 'memory'),
  ClaimLost: new face.ClaimLost('mailer', 7),
  Closed: new face.Closed('the system'),
  CommandContentConflict: new face.CommandContentConflict('17', 'shop.place-order', 'shop.cancel-order'),
  CommandContested: new face.CommandContested('shop.place-order', 10, undefined),
  CommandDataInvalid: new face.CommandDataInvalid('shop.place-order', [
    { path: 'data.total', message: 'expected number' },
  ]),
  ConditionFailed: new face.ConditionFailed({ claim: 0, position: 17 }),
  DecisionInvalid: new face.DecisionInvalid('order', 'shop.place-order', new Error('no fact')),
  EventContentConflict: new face.EventContentConflict({ source: '/shop', id: '17', position: 3, differs: ['data'] }),
  EventDataInvalid: new face.EventDataInvalid('shop.order.placed', 1, [
    { path: 'data.total', message: 'expected number' },
  ]),
  HistoryIncomplete: new face.HistoryIncomplete('order-17', 5),
  HistoryShortened: new face.HistoryShortened('held', ['account']),
  SnapshotsNeeded: new face.SnapshotsNeeded('account', ['account-a']),
  InvalidDefinition: new face.InvalidDefinition('event x', 'no schema'),
  InvalidEvent: new face.InvalidEvent({ attribute: 'id', expected: 'a string', found: 1 }),
  InvalidInput: new face.InvalidInput({ path: 'limit', expected: '1 to 10', found: 11 }),
  InvalidPattern: new face.InvalidPattern({ path: 'data.total', expected: 'a list', found: '1' }),
  LimitExceeded: new face.LimitExceeded('events in a batch', 10, 11),
  LoopStopped: new face.LoopStopped('echo', 'depth', '32 reactions in a row'),
  NotFound: new face.NotFound('consumer', 'mailer', ['other']),
  SealedDataInvalid: new face.SealedDataInvalid({ what: 'event /shop 17 of shop.order.placed', place: 'email' }),
  StatementRefused: new face.StatementRefused('INSERT INTO\n  view_sales VALUES (1)', 'no such table: view_sales'),
  StoreDefect: new face.StoreDefect('app.db', 'no such table'),
  StoreHeld: new face.StoreHeld('app.db', 'process 17'),
  StoreReadOnly: new face.StoreReadOnly('app.db'),
  StoreUnavailable: new face.StoreUnavailable('app.db', 'disk full'),
  StoreUnusable: new face.StoreUnusable('app.db', 'not a store'),
  StreamDeleted: new face.StreamDeleted('order-17'),
  StreamVersionConflict: new face.StreamVersionConflict('order-42', 3, 5),
  SystemFull: new face.SystemFull('the queue of writes', 50),
  TerminalError: new face.TerminalError('no such customer'),
  UnknownCommand: new face.UnknownCommand('shop.place-order', []),
  UpcastFailed: new face.UpcastFailed(
    { type: 'shop.order.placed', from: 1, to: 2, position: 17 },
    { cause: new Error('no total') },
  ),
  UnknownEventType: new face.UnknownEventType('a.b'),
  UnsupportedContent: new face.UnsupportedContent('text/csv', 'a form of CloudEvents'),
  WrongState: new face.WrongState('consumer a is running'),
};

const exported = Object.entries(face)
  .filter(([, value]) => typeof value === 'function' && value.prototype instanceof face.ThereuponError)
  .map(([name]) => name);

const documented = readFileSync(path.resolve(import.meta.dirname, '../docs/errors.md'), 'utf8')
  .split('\n')
  .map((line) => /^\| `([a-z-]+)` \| `(\w+)` \| (\w+) \| (\w+) \| (.+) \|$/.exec(line))
  .filter((match) => match !== null)
  .map(([, code, name, retry, fault]) => ({ code, name, retry, fault }));

describe('errors', () => {
  it('are all looked at here', () => {
    expect(Object.keys(samples).sort()).toEqual([...exported].sort());
  });

  it('have a code of their own each', () => {
    const codes = Object.values(samples).map(({ code }) => code);
    expect(new Set(codes).size).toBe(codes.length);
  });

  it('are documented exactly as they are, each and no other', () => {
    const actual = Object.entries(samples).map(([name, { code, retry, fault }]) => ({ code, name, retry, fault }));
    const byCode = (left: { code: string | undefined }, right: { code: string | undefined }) =>
      String(left.code) < String(right.code) ? -1 : 1;
    expect(documented.sort(byCode)).toEqual(actual.sort(byCode));
  });

  it.each(Object.entries(samples))('%s carries its class as its name and a message', (name, error) => {
    expect(error.name).toBe(name);
    expect(error.message.length).toBeGreaterThan(10);
    expect(JSON.stringify(error.details())).not.toContain('stack');
  });
});

it('a promise that is refused is nobody’s: its failure ends no process', async () => {
  const unhandled: unknown[] = [];
  const listen = (reason: unknown) => void unhandled.push(reason);
  process.on('unhandledRejection', listen);
  try {
    expect(describeValue(Promise.reject(new Error('late')))).toBe('a promise');
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  } finally {
    process.off('unhandledRejection', listen);
  }
});
