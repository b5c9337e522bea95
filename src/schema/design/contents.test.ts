import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { JsonValue } from '../../event/json.ts';
import { DESIGN_RULES, checkDesign } from './lint.ts';
import type { DesignOptions, DesignRuleCode } from './lint.ts';

const check = (
  schema: z.ZodType | JsonValue,
  {
    type = 'shop.order.placed',
    consumers = [] as string[],
    ...options
  }: DesignOptions & { type?: string; consumers?: string[] } = {},
) => {
  const jsonSchema = (schema instanceof z.ZodType ? z.toJSONSchema(schema, { io: 'input' }) : schema) as JsonValue;
  return checkDesign([{ type, version: 2, jsonSchema, consumers }], options);
};
const codes = (...given: Parameters<typeof check>) => check(...given).map(({ rule, place }) => `${rule} ${place}`);
const order = (shape: z.ZodRawShape) => z.object({ orderId: z.string(), customer: z.string(), ...shape });

describe('an event says which one it is about', () => {
  test.each<[string, z.ZodType | JsonValue, boolean]>([
    ['an id', z.object({ orderId: z.string(), note: z.string() }), true],
    ['a number', z.object({ orderNumber: z.int(), note: z.string() }), true],
    ['a form that says so', z.object({ which: z.uuid(), note: z.string() }), true],
    ['the thing in the type', z.object({ order: z.string(), note: z.string() }), true],
    ['a thing that goes by its name', z.object({ invoice: z.string(), note: z.string() }), true],
    ['an id in what is always there', z.object({ order: z.object({ id: z.string() }), note: z.string() }), true],
    [
      'whatever the alternative',
      z.union([z.object({ id: z.string(), a: z.string() }), z.object({ id: z.string(), b: z.string() })]),
      true,
    ],
    ['nothing', z.object({ note: z.string(), items: z.int() }), false],
    ['what is said about it', z.object({ description: z.string(), message: z.string() }), false],
    ['an id that may be absent', z.object({ orderId: z.string().optional(), note: z.string() }), false],
    ['ids of the lines alone', z.object({ note: z.string(), lines: z.array(z.object({ sku: z.string() })) }), false],
    ['a word that ends like one', z.object({ paid: z.string(), valid: z.string() }), false],
    ['one alternative only', z.union([z.object({ id: z.string() }), z.object({ b: z.string() })]), false],
  ])('%s', (_, schema, isFine) => {
    expect(codes(schema).filter((code) => code.startsWith('identity'))).toEqual(isFine ? [] : ['identity data']);
  });
});

describe('an event is enough to act on', () => {
  test.each<[string, z.ZodType, boolean]>([
    ['an id alone', z.object({ orderId: z.string() }), false],
    ['ids and times', z.object({ orderId: z.string(), customerId: z.uuid(), placedAt: z.iso.datetime() }), false],
    ['ids within', z.object({ order: z.object({ id: z.string() }) }), false],
    [
      'which one it was before, and is now',
      z.object({ personId: z.string(), fromTeamId: z.string(), teamId: z.string() }),
      true,
    ],
    ['the same in other words', z.object({ personId: z.string(), oldTeamId: z.string(), newTeamId: z.string() }), true],
    ['which one it was before alone', z.object({ personId: z.string(), fromTeamId: z.string() }), false],
    ['what it was about', z.object({ orderId: z.string(), totalCents: z.int() }), true],
    ['a reason', z.object({ orderId: z.string(), reason: z.string() }), true],
    ['a thing by its name', z.object({ day: z.iso.date(), customer: z.string(), invoice: z.string() }), true],
  ])('%s', (_, schema, isFine) => {
    expect(codes(schema)).toEqual(isFine ? [] : ['context data']);
  });
});

describe('an event is there for everybody', () => {
  test.each<[string, z.ZodType, boolean]>([
    ['sendEmail', z.boolean(), false],
    ['send_email', z.boolean(), false],
    ['notifySlack', z.boolean(), false],
    ['isForCrm', z.boolean(), false],
    ['shouldSendInvoice', z.boolean(), false],
    ['syncToWarehouse', z.boolean(), false],
    ['showInDashboard', z.boolean(), false],
    ['salesforceId', z.string(), false],
    ['crmStatus', z.string(), false],
    ['reserveStockPriority', z.int(), false],
    ['email', z.string(), true],
    ['sendAt', z.iso.datetime(), true],
    ['exportDate', z.iso.date(), true],
    ['isGift', z.boolean(), true],
    ['needsRefrigeration', z.boolean(), true],
    ['pushToken', z.string(), true],
    ['notificationPreference', z.string(), true],
    ['customers', z.int(), true],
  ])('%s', (name, schema, isFine) => {
    const found = codes(order({ [name]: schema }), { consumers: ['reserve-stock', 'customers'] });
    expect(found).toEqual(isFine ? [] : [`consumer-field data.${name}`]);
  });

  test('a system that the event is about is no consumer of it', () => {
    expect(codes(z.object({ crmId: z.string(), name: z.string() }), { type: 'crm.contact.created' })).toEqual([]);
  });
});

describe('a number says its unit', () => {
  test.each<[string, z.ZodType, boolean]>([
    ['weight', z.number(), false],
    ['duration', z.int(), false],
    ['timeout', z.int(), false],
    ['amount', z.number(), false],
    ['unitPrice', z.number(), false],
    ['shipping_cost', z.number(), false],
    ['temperature', z.number(), false],
    ['distance', z.number().optional(), false],
    ['size', z.int().nullable(), false],
    ['createdAt', z.int(), false],
    ['total', z.number(), false],
    ['tax', z.number(), false],
    ['discount', z.number(), false],
    ['rate', z.number(), false],
    ['value', z.number(), false],
    // How many there are, and one of several.
    ['total', z.int(), true],
    ['value', z.int(), true],
    ['totalCents', z.number(), true],
    ['taxEur', z.number(), true],
    ['weightKg', z.number(), true],
    ['durationMs', z.int(), true],
    ['timeout_seconds', z.int(), true],
    ['amountCents', z.int(), true],
    ['celsius', z.number(), true],
    ['lengthM', z.number(), true],
    ['size', z.enum(['S', 'M', 'L']), true],
    ['duration', z.iso.duration(), true],
    ['price', z.object({ amount: z.number(), currency: z.string() }), true],
    ['weight', z.number().describe('in kilograms'), true],
    ['quantity', z.int(), true],
    ['minPlayers', z.int(), true],
  ])('%s', (name, schema, isFine) => {
    expect(codes(order({ [name]: schema }))).toEqual(isFine ? [] : [`units data.${name}`]);
  });

  test('examples are amounts that somebody has seen', () => {
    const example = (name: string) => check(order({ [name]: z.number() }))[0]?.example;
    expect(example('temperature')).toBe('temperatureCelsius: 21.5');
    expect(example('rate')).toBe('ratePercent: 12.5');
    expect(example('value')).toBe("value: 21.5 with unit: 'celsius' beside it, or valueCelsius: 21.5");
  });

  test('once for a list of prices with one currency', () => {
    const lines = z.array(z.object({ sku: z.string(), price: z.number() }));
    expect(codes(order({ lines }))).toEqual(['units data.lines[].price']);
    expect(codes(order({ lines, currency: z.string() }))).toEqual([]);
  });
});

describe('a time says its zone', () => {
  test.each<[string, z.ZodType, boolean]>([
    ['createdAt', z.string(), false],
    ['pickup_time', z.string(), false],
    ['timestamp', z.string(), false],
    ['deliveryDate', z.string(), false],
    ['startsAt', z.iso.datetime({ local: true }), false],
    ['when', z.string(), false],
    ['deadline', z.string(), false],
    ['deadline', z.iso.date(), true],
    // Maybe a place.
    ['start', z.string(), true],
    ['createdAt', z.iso.datetime(), true],
    ['createdAt', z.iso.datetime({ offset: true }), true],
    ['deliveryDate', z.iso.date(), true],
    ['format', z.string(), true],
    ['seat', z.string(), true],
    ['lifetime', z.string(), true],
    ['since', z.string(), true],
    ['at', z.enum(['home', 'work']), true],
  ])('%s', (name, schema, isFine) => {
    expect(codes(order({ [name]: schema }))).toEqual(isFine ? [] : [`time-zone data.${name}`]);
  });

  test('a start and an end beside each other are times', () => {
    expect(codes(order({ start: z.string(), end: z.string() }))).toEqual([
      'time-zone data.start',
      'time-zone data.end',
    ]);
    expect(codes(order({ start: z.iso.datetime(), end: z.iso.datetime() }))).toEqual([]);
  });

  test('or has it beside it', () => {
    expect(codes(order({ startsAt: z.iso.datetime({ local: true }), timeZone: z.string() }))).toEqual([]);
  });

  test('a local form, or examples that are local, are seen', () => {
    const schema = (of: JsonValue): JsonValue => ({
      type: 'object',
      required: ['orderId'],
      properties: { orderId: { type: 'string' }, note: { type: 'string' }, placedAt: of },
    });
    expect(codes(schema({ type: 'string', format: 'local-date-time' }))).toEqual(['time-zone data.placedAt']);
    expect(codes(schema({ type: 'string', format: 'date-time', examples: ['2026-03-01T09:30:00'] }))).toEqual([
      'time-zone data.placedAt',
    ]);
    expect(codes(schema({ type: 'string', format: 'date-time', examples: ['2026-03-01T09:30:00Z'] }))).toEqual([]);
  });
});

describe('findings', () => {
  const everything = z.object({
    orderId: z.string().optional(),
    weight: z.number(),
    placedAt: z.string(),
    sendEmail: z.boolean(),
  });

  test('carry rule, event, place, reason and an example made for this very event', () => {
    const found = check(everything, { type: 'crm.sync' });
    expect(found.map(({ rule, place, example }) => [rule, place, example])).toEqual([
      ['past-tense', 'type', 'order.synced'],
      ['business-fact', 'type', 'order.synced, published by whoever did it'],
      ['consumer-name', 'type', 'order.placed, or what else happened, which crm listens to'],
      ['identity', 'data', "{ orderId: 'crm-17', … } and required: ['orderId']"],
      [
        'consumer-field',
        'data.sendEmail',
        'crm.sync without sendEmail: whoever is to send email listens to it, and decides by itself from what happened',
      ],
      ['units', 'data.weight', 'weightKg: 250'],
      [
        'time-zone',
        'data.placedAt',
        "placedAt: '2026-03-01T09:30:00Z' with format: 'date-time' (in zod: z.iso.datetime({ offset: true }))",
      ],
    ]);
    for (const { reason, type, version } of found) {
      expect(reason).toMatch(/^.{40,}\.$/);
      expect({ type, version }).toEqual({ type: 'crm.sync', version: 2 });
    }
  });

  test('a change of everything is shown what its own properties could be called', () => {
    const customer = z.object({ customerId: z.string(), name: z.string(), email: z.string(), phone: z.string() });
    expect(check(customer, { type: 'shop.customer.updated' })).toMatchObject([
      {
        rule: 'generic-change',
        severity: 'warn',
        example: expect.stringContaining('shop.customer.name-changed, shop.customer.email-changed') as string,
      },
    ]);
    expect(
      check(z.object({ sku: z.string(), oldPriceCents: z.int(), newPriceCents: z.int() }), {
        type: 'shop.price.changed',
      }),
    ).toMatchObject([]);
  });

  test('ids alone are shown what else there could be', () => {
    expect(check(z.object({ orderId: z.string() }))).toMatchObject([
      { rule: 'context', example: '{ orderId, … } with what others act on: customer, lines, totalCents' },
    ]);
  });

  test('nothing is said of data whose schema is not known, nor twice of a schema that refers to itself', () => {
    expect(checkDesign([{ type: 'shop.order.placed', version: 1 }])).toEqual([]);
    const tree = {
      type: 'object',
      required: ['id'],
      properties: {
        id: { type: 'string' },
        weight: { type: 'number' },
        parts: { type: 'array', items: { $ref: '#' } },
      },
    };
    expect(codes(tree)).toEqual(['units data.weight']);
  });
});

describe('rules are switched', () => {
  const bad = z.object({ note: z.string() });

  test('for all events, and for one', () => {
    expect(check(bad, { rules: { identity: 'off' } })).toEqual([]);
    expect(check(bad, { rules: { identity: 'warn' } })).toMatchObject([{ rule: 'identity', severity: 'warn' }]);
    expect(
      check(bad, { rules: { identity: 'off' }, types: { 'shop.order.placed': { identity: 'error' } } }),
    ).toMatchObject([{ severity: 'error' }]);
    expect(check(bad, { types: { 'shop.order.placed': { identity: 'off' } } })).toEqual([]);
  });

  test('all of them', () => {
    const off = Object.fromEntries(DESIGN_RULES.map((rule) => [rule, 'off'])) as Record<DesignRuleCode, 'off'>;
    expect(check(bad, { type: 'send-email', rules: off })).toEqual([]);
  });

  test.each<[unknown, RegExp]>([
    ['strict', /design: expected an object with rules, types or both, found "strict"/],
    [{ rule: {} }, /there is no option rule; there are rules, types/],
    [{ rules: { 'past-tens': 'off' } }, /design\.rules\.past-tens: expected one of the rules past-tense, /],
    [{ rules: { units: 'fatal' } }, /design\.rules\.units: expected 'off', 'warn' or 'error', found "fatal"/],
    [{ types: { 'a.b': { units: 1 } } }, /design\.types\["a\.b"\]\.units: expected 'off'/],
  ])('%j is refused', (options, words) => {
    expect(() => checkDesign([], options as DesignOptions)).toThrow(words);
  });
});
