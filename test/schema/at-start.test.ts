import { InvalidDefinition, compareHistories, defineEvent, open } from 'thereupon';
import type { EventDefinition, Logger, SystemOptions } from 'thereupon';
import { memory } from 'thereupon/memory';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

const type = 'shop.order.placed';
const First = defineEvent({ type, schema: z.object({ orderId: z.string(), total: z.number() }) });
const schema = z.object({ orderId: z.string(), totalCents: z.int() });
const Broken = defineEvent({ type, version: 2, schema });
const Upcast = defineEvent({
  type,
  version: 2,
  schema,
  upcast: { 1: ({ orderId, total }: { orderId: string; total: number }) => ({ orderId, totalCents: total * 100 }) },
});

/** What is warned of when the second program is opened on the store of the first one. */
async function openAfter(first: EventDefinition, second: EventDefinition, options: Partial<SystemOptions>) {
  const store = memory();
  await (await open({ store, events: [first] })).close();
  const warned: unknown[] = [];
  const quiet = () => {};
  const logger: Logger = {
    debug: quiet,
    info: quiet,
    warn: (fields) => void warned.push(fields),
    error: quiet,
    child: () => logger,
  };
  const system = await open({ ...options, store, events: [second], environment: { logger } });
  await system.close();
  return warned;
}

describe('at its start a program with schemas that are not compatible with those of its store', () => {
  it('is warned of, each event with its findings', async () => {
    expect(await openAfter(First, Broken, { compatibility: 'backward' })).toEqual([
      {
        type,
        mode: 'backward',
        findings: [
          expect.stringMatching(
            /^shop\.order\.placed v1 → v2: property-became-required at data\.totalCents \(backward\): /,
          ),
        ],
      },
    ]);
  });

  it('is refused where it says so, and changes nothing', async () => {
    const store = memory();
    await (await open({ store, events: [First] })).close();
    const refused = open({ store, events: [Broken], compatibility: 'backward', compatibilityAtStart: 'refuse' });
    await expect(refused).rejects.toThrow(InvalidDefinition);
    await expect(refused).rejects.toThrow(/v1 → v2: property-became-required at data\.totalCents/);
    const system = await open({ store, events: [First] });
    expect((await system.catalog()).events.map(({ version }) => version)).toEqual([1]);
    await system.close();
  });

  it.each([
    ['nothing is demanded', Broken, {}],
    ['nothing is demanded by name', Broken, { compatibility: 'none', compatibilityAtStart: 'refuse' }],
    ['it is not looked at', Broken, { compatibility: 'backward', compatibilityAtStart: 'off' }],
    ['upcasters lead up', Upcast, { compatibility: 'backward', compatibilityAtStart: 'refuse' }],
    ['nothing has changed', First, { compatibility: 'full', compatibilityAtStart: 'refuse' }],
  ] as const)('is opened without a word where %s', async (_when, second, options) => {
    expect(await openAfter(First, second, options)).toEqual([]);
  });

  it('is refused for what upcasters do not mend: an older program reads nothing of the new version', async () => {
    const options = { compatibility: 'full', compatibilityAtStart: 'refuse' } as const;
    await expect(openAfter(First, Upcast, options)).rejects.toThrow(/\(forward\)/);
  });

  it('is compared as by default where only what becomes of it is said', async () => {
    await expect(openAfter(First, Broken, { compatibilityAtStart: 'refuse' })).rejects.toThrow(/data\.totalCents/);
    expect(await openAfter(First, Broken, { compatibilityAtStart: 'warn' })).toHaveLength(1);
    expect(await openAfter(First, Upcast, { compatibilityAtStart: 'refuse' })).toEqual([]);
  });

  it('is told what it may say', async () => {
    await expect(openAfter(First, First, { compatibilityAtStart: 'on' as never })).rejects.toThrow(
      "compatibilityAtStart: expected 'refuse', 'warn' or 'off'",
    );
  });
});

describe('a history of schemas', () => {
  const known = (version: number, upcastsFrom?: readonly number[]) => ({
    type,
    version,
    vendor: 'zod',
    jsonSchema: { type: 'object', required: [`p${version}`] },
    upcastsFrom,
  });

  it('is wrong where upcasters begin later than what is remembered', () => {
    const { ok, events } = compareHistories([known(1), known(2)], [known(3, [2])], 'backward');
    expect(ok).toBe(false);
    expect(events).toMatchObject([{ state: 'incompatible', noWayUp: [1], upcast: [2], findings: [] }]);
  });

  it('is right where they lead up from everything, whatever the schemas in between', () => {
    const { ok, events } = compareHistories([known(1), known(2)], [known(3, [1, 2])], 'backward-transitive');
    expect(ok).toBe(true);
    expect(events).toMatchObject([{ state: 'compatible', noWayUp: [], upcast: [1, 2] }]);
  });
});
