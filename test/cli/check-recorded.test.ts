/** `thereupon check` on stores that an older program has filled: what the newer one would do wrong with what is recorded. */
import { writeFileSync } from 'node:fs';
import { checkRecorded, defineConsumer, defineEvent, defineProjection, open } from 'thereupon';
import { sqlite } from 'thereupon/sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { programFolder, runCli, startCli, untilOutput } from './spawn-cli.ts';
import type { ScratchFolder } from './spawn-cli.ts';

const common = { type: 'shop.order.placed', stream: (data: { orderId: string }) => `order-${data.orderId}` } as const;
const PlacedV1 = defineEvent({
  ...common,
  schema: z.object({ orderId: z.string(), total: z.number(), customer: z.object({ name: z.string() }) }),
});

const V1 = 'z.object({ orderId: z.string(), total: z.number(), customer: z.object({ name: z.string() }) })';
const V2 =
  'z.object({ orderId: z.string(), totalCents: z.int(), customer: z.object({ name: z.string(), country: z.string().optional() }) })';
const UP = '({ total, ...rest }) => ({ ...rest, totalCents: total * 100 })';

/** A newer program; `parts` stands beside its event. */
const program = ({ version = 2, schema = V2, upcast = `upcast: { 1: ${UP} },`, more = '', parts = '' }): string => `
import { defineCommand, defineConfig, defineConsumer, defineDecider, defineEvent, defineProjection, ofQuery } from 'thereupon';
import { z } from 'zod';
const Placed = defineEvent({ type: 'shop.order.placed', version: ${version}, stream: (data) => 'order-' + data.orderId, schema: ${schema}, ${upcast} });
${more}
export default defineConfig({ store: './shop.db', source: '/shop', events: [Placed], ${parts} });
`;
const projecting = (key: string, evolve: string, indexes = '') => ({
  more: `const totals = defineProjection({ name: 'totals', key: (event) => ${key}, initial: () => 0, on: [[Placed, (row, event) => ${evolve}]], indexes: { ${indexes} } });`,
  parts: 'projections: [totals],',
});
const deciding = (evolve: string) => ({
  more: `const orders = defineDecider({ name: 'order', initial: () => ({ orders: 0 }), evolve: [[Placed, (state) => ${evolve}]], decide: [[defineCommand({ name: 'shop.look', schema: z.object({}), stream: () => 'order-1' }), () => undefined]] });`,
  parts: 'deciders: [orders],',
});
const consuming = (where: string) => ({
  more: `const dear = defineConsumer({ name: 'dear', on: Placed, where: ${where}, handle() {} });`,
  parts: 'consumers: [dear],',
});

let folder: ScratchFolder;

async function check(name: string, text: string, ...args: string[]) {
  writeFileSync(folder.file(`${name}.config.ts`), text);
  const { code, stdout, stderr } = await runCli(['check', '-c', `${name}.config.ts`, '--json', ...args], {
    cwd: folder.path,
  });
  expect(stdout, stderr).not.toBe('');
  return {
    code,
    answer: JSON.parse(stdout) as { recorded?: { findings: Record<string, unknown>[]; looked: unknown[] } },
  };
}

beforeAll(async () => {
  folder = programFolder(program({ version: 1, schema: V1, upcast: '' }));
  const system = await open({ store: sqlite(folder.file('shop.db')), source: '/shop', events: [PlacedV1] });
  await system.publishAll(
    Array.from({ length: 300 }, (_, index) => ({
      event: PlacedV1,
      // One is not in whole cents, in the middle of the others.
      data: { orderId: String(index), total: index === 299 ? 0.001 : index, customer: { name: 'Ada' } },
      options: { id: `order ${index}` },
    })),
  );
  await system.close();
  const histories = await open({ store: sqlite(folder.file('histories.db')), source: '/shop', events: [PlacedV1] });
  for (const version of [1, 2, 3])
    await histories.publish(
      PlacedV1,
      { orderId: '0', total: version, customer: { name: 'Ada' } },
      { id: `0 ${version}` },
    );
  await histories.close();
});
afterAll(() => folder[Symbol.dispose]());

describe('recorded events and a newer program', () => {
  it('are brought up and put through its schema: what does not go is named with its place and reason', async () => {
    const { code, answer } = await check('upcast', program({}));
    expect(code).toBe(5);
    expect(answer.recorded?.looked).toEqual([{ type: 'shop.order.placed', version: 1, events: 20 }]);
    expect(answer.recorded?.findings).toEqual([
      {
        severity: 'error',
        rule: 'cannot-be-brought-up',
        type: 'shop.order.placed',
        version: 1,
        event: { source: '/shop', id: 'order 299', position: 300 },
        place: 'data.totalCents',
        reason: expect.stringMatching(/int/),
      },
    ]);
  });

  it('are as they should be where everything goes', async () => {
    const upcast = 'upcast: { 1: ({ total, ...rest }) => ({ ...rest, totalCents: Math.round(total * 100) }) },';
    const { more, parts } = projecting('event.data.customer.name', 'row + event.data.totalCents');
    const { code, answer } = await check('right', program({ upcast, more, parts }));
    expect(answer).toMatchObject({ ok: true, events: [{ upcast: [1] }], recorded: { ok: true, findings: [] } });
    expect(code).toBe(0);
  });

  it('show where no upcaster leads up, and where there is none what does not fit', async () => {
    const late = await check('late', program({ version: 3, upcast: `upcast: { 2: ${UP} },` }));
    expect(late).toMatchObject({ code: 5, answer: { ok: false, events: [{ noWayUp: [1] }] } });
    const none = await check('none', program({ upcast: '' }), '--sample', '3');
    expect(none.code).toBe(5);
    expect(none.answer.recorded?.findings).toMatchObject(
      ['order 0', 'order 152', 'order 299'].map((id) => ({
        rule: 'does-not-fit',
        place: 'data.totalCents',
        event: { id: expect.stringMatching(id === 'order 152' ? /^order \d+$/ : id) },
      })),
    );
    expect((await check('none', program({ upcast: '' }), '--mode', 'none')).code).toBe(0);
  });

  it('show what does not fit a schema that was changed in place, in every mode, and nothing where it only gives less or more', async () => {
    const inPlace = (schema: string) => program({ version: 1, schema, upcast: '' });
    const more = V1.replace('total: z.number()', 'total: z.number(), currency: z.string()');
    for (const mode of ['backward', 'forward', 'none']) {
      const { code, answer } = await check('in-place', inPlace(more), '--mode', mode, '--sample', '2');
      expect(code).toBe(5);
      expect(answer.recorded?.findings).toMatchObject(
        ['order 0', 'order 299'].map((id) => ({
          severity: 'error',
          rule: 'does-not-fit',
          version: 1,
          place: 'data.currency',
          event: { id },
          reason: expect.stringContaining('the schema of version 1 was changed since; give the new shape') as string,
        })),
      );
    }
    for (const schema of [
      V1,
      V1.replace('total: z.number()', `total: z.number(), currency: z.string().default('EUR')`),
      // Gives out numbers, and takes text: what is stored is what it gives out.
      V1.replace('total: z.number()', 'total: z.string().transform(Number).pipe(z.number())'),
      V1.replace('total: z.number()', 'total: z.string().transform(Number)'),
    ]) {
      const { answer } = await check('in-place', inPlace(schema), '--mode', 'none');
      expect(answer.recorded).toMatchObject({ ok: true, findings: [] });
    }
  });

  it.each([
    ['a filter', consuming("{ data: { total: [{ numeric: ['>', 5] }] } }"), 'consumer dear', 'data.total', 'error'],
    [
      'a filter',
      consuming("{ data: { customer: { country: ['DE'] } } }"),
      'consumer dear',
      'data.customer.country',
      'warning',
    ],
    ['a key', projecting('event.data.customer.id ?? "none"', 'row'), 'projection totals', 'data.customer.id', 'error'],
    ['a projection', projecting('"all"', 'row + (event.data.total ?? 0)'), 'projection totals', 'data.total', 'error'],
    [
      'a decider',
      {
        more: `const orders = defineDecider({ name: 'order', initial: () => ({ total: 0 }), evolve: [[Placed, (_, { data }) => ({ total: data.total ?? 0 })]], decide: [[defineCommand({ name: 'shop.look', schema: z.object({}), stream: () => 'order-1' }), () => undefined]] });`,
        parts: 'deciders: [orders],',
      },
      'decider order',
      'data.total',
      'error',
    ],
  ])('show what %s asks for and no event has', async (_what, parts, who, place, severity) => {
    const upcast = 'upcast: { 1: ({ total, ...rest }) => ({ ...rest, totalCents: Math.round(total * 100) }) },';
    const { code, answer } = await check('asks', program({ upcast, ...parts }));
    expect(answer.recorded?.findings).toMatchObject([{ rule: 'field-not-found', who, place, severity }]);
    expect(code).toBe(severity === 'error' ? 5 : 0);
  });

  it('show what a query of a decider asks for and no event has, and warn of where its evolve throws', async () => {
    const upcast = 'upcast: { 1: ({ total, ...rest }) => ({ ...rest, totalCents: Math.round(total * 100) }) },';
    const more = `const asking = defineDecider({ name: 'asking', across: { orders: ofQuery({ initial: () => 0, evolve: [[Placed, (sum, { data }) => sum + data.address.length]], where: ({ id }) => ({ data: { orderId: [id] } }) }) }, decide: [[defineCommand({ name: 'shop.ask', schema: z.object({ id: z.string() }) }), () => undefined]] });`;
    const { code, answer } = await check(
      'query',
      program({ upcast, more, parts: 'deciders: [asking],' }),
      '--sample',
      '1',
    );
    expect(answer.recorded?.findings).toMatchObject([
      { severity: 'error', rule: 'field-not-found', who: 'decider asking, orders', place: 'data.address' },
      {
        severity: 'warning',
        rule: 'threw',
        reason: expect.stringContaining('as the first event of a query') as string,
      },
    ]);
    expect(code).toBe(5);
  });

  it('warn of what is asked for that events of the current version will not have', async () => {
    const schema = 'z.object({ orderId: z.string(), customer: z.object({ name: z.string() }) })';
    const { more, parts } = projecting('event.data.customer.name', 'row + event.data.total');
    const filter = consuming("{ data: { total: [{ numeric: ['>', 5] }] } }");
    const text = program({ schema, upcast: '', more: `${more}\n${filter.more}`, parts: `${parts} ${filter.parts}` });
    const { code, answer } = await check('dropped', text, '--mode', 'none');
    expect(answer.recorded?.findings).toMatchObject(
      ['consumer dear', 'projection totals'].map((who) => ({
        severity: 'warning',
        rule: 'field-not-found',
        who,
        place: 'data.total',
        reason: expect.stringContaining('only events of older versions have') as string,
      })),
    );
    expect(code).toBe(0);
  });

  it('are taken as they are where a projection copies them', async () => {
    const upcast = 'upcast: { 1: ({ total, ...rest }) => ({ ...rest, totalCents: Math.round(total * 100) }) },';
    const { more, parts } = projecting('event.data.orderId', 'structuredClone(event.data).totalCents');
    expect(await check('cloned', program({ upcast, more, parts }))).toMatchObject({
      code: 0,
      answer: { recorded: { findings: [] } },
    });
  });

  it('show where a projection throws, with the event', async () => {
    const upcast = 'upcast: { 1: ({ total, ...rest }) => ({ ...rest, totalCents: Math.round(total * 100) }) },';
    const { more, parts } = projecting('"all"', 'row + event.data.customer.address.length');
    const { code, answer } = await check('throws', program({ upcast, more, parts }), '--sample', '1');
    expect(code).toBe(5);
    expect(answer.recorded?.findings).toMatchObject([
      { rule: 'field-not-found', place: 'data.customer.address' },
      { rule: 'threw', who: 'projection totals', event: { id: 'order 299' } },
    ]);
  });

  it.each([
    [
      'the evolve of a decider throws',
      deciding("{ if (state.orders === 1) throw new Error('twice'); return { orders: 1 }; }"),
      'decider order',
      2,
      /evolve of shop\.order\.placed threw at order-0 version 2: twice/,
    ],
    ['a state is no JSON', deciding('({ orders: state.none + 1 })'), 'decider order', 1, /must give JSON.*orders/],
    [
      'a row is no JSON',
      projecting('event.data.orderId', '({ orders: row.none + 1 })'),
      'projection totals',
      1,
      /row\.orders/,
    ],
    ['a key is no text', projecting('event.data.totalCents', 'row'), 'projection totals', 1, /key.*string/],
    [
      'an index throws',
      projecting(
        'event.data.orderId',
        'row + 1',
        'half: (row) => { if (row === 2) throw new Error("no half"); return row; }',
      ),
      'projection totals',
      2,
      /projection "totals": index half threw: no half/,
    ],
    [
      'an index is of no kind',
      projecting('event.data.orderId', 'row + 1', 'list: (row) => [row]'),
      'projection totals',
      1,
      /index list must give a string, finite number/,
    ],
  ])('show where %s, in the history of a stream', async (_what, parts, who, version, reason) => {
    const upcast = 'upcast: { 1: ({ total, ...rest }) => ({ ...rest, totalCents: Math.round(total * 100) }) },';
    const { code, answer } = await check(
      'history',
      program({ upcast, ...parts }),
      '--store',
      'histories.db',
      '--sample',
      '1',
    );
    expect(answer.recorded?.looked).toEqual([{ type: 'shop.order.placed', version: 1, events: 3 }]);
    expect(answer.recorded?.findings[0]).toMatchObject({
      severity: 'error',
      rule: 'threw',
      who,
      event: { id: `0 ${version}` },
      reason: expect.stringMatching(reason) as string,
    });
    expect(code).toBe(5);
  });

  it('warn of a row that comes to nothing where its beginning was not looked at, and of an index that PostgreSQL has no room for', async () => {
    const totals = defineProjection({
      name: 'totals',
      key: ({ data }) => data.orderId,
      initial: (): { sum?: number } => ({}),
      on: [
        [
          PlacedV1,
          (row, { version, data }) => ({ sum: version === 1 ? data.total : (row.sum as number) + data.total }),
        ],
      ],
    });
    const system = await open({
      store: sqlite(folder.file('histories.db')),
      source: '/shop',
      events: [PlacedV1],
      consume: false,
    });
    const { events } = await system.events.read({ types: ['shop.order.placed'] });
    await system.close();
    const stored = events.map((event) => event.stored);
    const newer = { store: 'memory:', source: '/shop', projections: [totals] };
    expect(await checkRecorded(newer, stored)).toMatchObject({ ok: true, findings: [] });
    expect(await checkRecorded(newer, stored.slice(1))).toMatchObject({
      ok: true,
      findings: [{ severity: 'warning', rule: 'threw', event: { id: '0 2' } }, { event: { id: '0 3' } }],
    });
    const long = defineProjection({
      name: 'long',
      key: ({ data }) => data.orderId,
      initial: () => '',
      on: [[PlacedV1, (row) => `${row}${'x'.repeat(1_500)}`]],
      indexes: { text: (row) => row },
    });
    expect(await checkRecorded({ ...newer, projections: [long] }, stored)).toMatchObject({
      ok: true,
      findings: [
        { severity: 'warning', event: { id: '0 2' }, reason: expect.stringContaining('text would be 3000 bytes') },
        { event: { id: '0 3' } },
      ],
    });
  });

  it('are asked only for what a filter asks of those that it names', async () => {
    const paid = defineConsumer({
      name: 'paid',
      where: { type: ['ext.paid'], data: { method: ['card'] } },
      handle() {},
    });
    const either = defineConsumer({
      name: 'either',
      where: {
        $or: [{ type: ['shop.order.placed'], data: { total: [{ numeric: ['>', 1] }] } }, { type: ['ext.paid'] }],
      },
      handle() {},
    });
    const wrong = defineConsumer({ name: 'wrong', where: { data: { method: ['card'] } }, handle() {} });
    const system = await open({
      store: sqlite(folder.file('shop.db')),
      source: '/shop',
      consume: false,
      events: [PlacedV1],
    });
    const { events } = await system.events.read({ types: ['shop.order.placed'], limit: 5 });
    await system.close();
    const newer = { store: 'memory:', source: '/shop', unknownTypes: 'accept', events: [PlacedV1] } as const;
    const stored = events.map((event) => event.stored);
    expect(await checkRecorded({ ...newer, consumers: [paid, either] }, stored)).toMatchObject({
      ok: true,
      findings: [],
    });
    expect(await checkRecorded({ ...newer, consumers: [wrong] }, stored)).toMatchObject({
      findings: [{ rule: 'field-not-found', who: 'consumer wrong', place: 'data.method' }],
    });
  });

  it('of a program with tables of its own are looked at too, and more of them than a server gives at a time', async () => {
    writeFileSync(
      folder.file('tables.config.ts'),
      `import { defineConfig, defineEvent, defineTableProjection, sql } from 'thereupon';
import { z } from 'zod';
const Counted = defineEvent({ type: 'shop.item.counted', stream: () => 'items-1', schema: z.object({ n: z.number() }) });
const counts = defineTableProjection({
  name: 'counts',
  tables: { counts: { columns: 'n INTEGER' } },
  on: [[Counted, (event, tables) => sql\`INSERT INTO \${tables.counts} VALUES (\${event.data.n})\`]],
});
export default defineConfig({ store: './tables.db', source: '/shop', projections: [counts] });
`,
    );
    const Counted = defineEvent({
      type: 'shop.item.counted',
      stream: () => 'items-1',
      schema: z.object({ n: z.number() }),
    });
    const system = await open({ store: sqlite(folder.file('tables.db')), source: '/shop', events: [Counted] });
    await system.publishAll(Array.from({ length: 1_500 }, (_, n) => ({ event: Counted, data: { n } })));
    await system.close();
    for (const args of [['--sample', '1200'], ['--design'], ['--store', 'memory:']]) {
      const { code, stdout, stderr } = await runCli(['check', '-c', 'tables.config.ts', ...args], { cwd: folder.path });
      // The design of this event is not a good one.
      expect([code, stderr], args.join(' ')).toEqual([args[0] === '--design' ? 5 : 0, '']);
      if (args[1] === '1200') expect(stdout).toMatch(/shop\.item\.counted v1: 1[2-4]\d\d/);
    }
  });

  it('say it to people, and are read beside a running program and through its server', async () => {
    writeFileSync(folder.file('upcast.config.ts'), program({}));
    const running = startCli(['start', '--port', '0'], { cwd: folder.path });
    try {
      const url = /open\s+(http:\S+)/.exec(await untilOutput(running.stdout, /open\s+http:\S+/))?.[1] ?? '';
      for (const args of [[], ['--url', url]]) {
        const { code, stdout } = await runCli(['check', '-c', 'upcast.config.ts', ...args], { cwd: folder.path });
        expect(code).toBe(5);
        expect(stdout).toContain('recorded: 20 events looked at (shop.order.placed v1: 20)');
        expect(stdout).toMatch(/✗ cannot-be-brought-up {2}data\.totalCents {2}shop\.order\.placed v1\n/);
        expect(stdout).toContain('/shop order 299  at position 300');
        expect(stdout).toContain('✗ 1 finding in what is recorded');
        expect(stdout).toContain('there may be more than was looked at: --sample 200');
      }
    } finally {
      running.kill('SIGKILL');
    }
  });

  it('are exported in the version of the program, or as they were recorded', async () => {
    writeFileSync(
      folder.file('right.config.ts'),
      program({ upcast: 'upcast: { 1: ({ total, ...rest }) => ({ ...rest, totalCents: Math.round(total * 100) }) },' }),
    );
    const first = async (...args: string[]) => {
      const { stdout, stderr } = await runCli(
        ['export', '-c', 'right.config.ts', '--to', '2999-01-01T00:00:00Z', ...args],
        {
          cwd: folder.path,
        },
      );
      expect(stderr).toBe('');
      return JSON.parse(stdout.split('\n')[1] ?? '') as unknown;
    };
    const current = { orderId: '1', totalCents: 100, customer: { name: 'Ada' } };
    expect(await first()).toMatchObject({ data: current, dataschema: 'urn:thereupon:schema:shop.order.placed:2' });
    expect(await first('--schema-version', 'stored')).toMatchObject({ data: { orderId: '1', total: 1 } });
  });
});
