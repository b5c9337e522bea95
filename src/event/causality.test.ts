import { describe, expect, it } from 'vitest';
import { systemEvent, SYSTEM_EVENTS } from './system-events.ts';
import { computingFrom, currentCause, reactingTo } from './causality.ts';
import { position } from './position.ts';
import { recordedEvent } from './recorded-event.ts';
import { createEnvironment } from '../system/environment.ts';

const environment = createEnvironment();

function event(id: string) {
  const { id: _, ...rest } = systemEvent(environment, {
    type: SYSTEM_EVENTS.timePassed,
    about: 'causes',
    data: {},
    cause: undefined,
  });
  return recordedEvent({ ...rest, id, correlationid: id, position: position(1), version: 1, recordedMs: 0 });
}

const now = () => currentCause()?.id;

describe('the cause of what is published', () => {
  it('is the event that is computed from for as long as the call lasts, also within a reaction and around one', async () => {
    const later = await reactingTo(
      event('outer'),
      async () => {
        const inside = computingFrom(
          event('inner'),
          () => [now(), reactingTo(event('nested'), now, undefined), now()],
          undefined,
        );
        expect(inside).toEqual(['inner', 'nested', 'inner']);
        const before = now();
        await Promise.resolve();
        return [before, now()];
      },
      undefined,
    );
    expect(later).toEqual(['outer', 'outer']);
    expect(now()).toBeUndefined();
  });

  it('is none any more where the call threw, nor in what it left for later', async () => {
    const left: Promise<unknown>[] = [];
    const leave = () => {
      left.push(Promise.resolve().then(now));
      throw new Error('not now');
    };
    expect(() => computingFrom(event('failing'), leave, undefined)).toThrow('not now');
    expect(now()).toBeUndefined();
    expect(await Promise.all(left)).toEqual([undefined]);
  });
});
