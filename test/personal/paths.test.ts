import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { memory } from '../../src/backends/memory/memory.ts';
import { defineEvent, jsonSchema, open } from '../../src/index.ts';

const subject = () => 'p-1';

async function opened(
  schema: Parameters<typeof defineEvent>[0]['schema'],
  ...fields: readonly string[]
): Promise<void> {
  const event = defineEvent({
    type: 'shop.person.told',
    stream: () => 'person-1',
    schema,
    personal: { subject, fields },
  });
  await (await open({ store: memory(), events: [event] })).close();
}

const Tree: z.ZodType = z.lazy(() => z.object({ name: z.string(), children: z.array(Tree) }));
const nested = z.object({
  id: z.string(),
  name: z.string(),
  address: z.object({ street: z.string(), lines: z.array(z.object({ text: z.string() })) }).optional(),
  contact: z.union([
    z.object({ kind: z.literal('mail'), email: z.email() }),
    z.object({ kind: z.literal('phone'), phone: z.string() }),
  ]),
  attributes: z.record(z.string(), z.string()),
  free: z.unknown(),
  open: z.looseObject({ known: z.string() }),
  tree: Tree,
});

describe('paths of personal fields', () => {
  it.each([
    'name',
    'address',
    'address.street',
    'address.lines.*.text',
    'contact.email',
    'contact.phone',
    'attributes.anything',
    'free.what.*.ever',
    'open.unknown.deep',
    'tree.children.*.children.*.name',
  ])('that the schema has are taken: %s', async (path) => {
    await expect(opened(nested, path)).resolves.toBeUndefined();
  });

  it.each([
    ['nmae', /personal\.fields has nmae, and there is no nmae in the data, which has id, name, address/u],
    ['address.stret', /no stret in address, which has street, lines/u],
    ['address.*.text', /no list in address/u],
    ['address.lines.text', /no text in address\.lines, which has no members/u],
    ['address.lines.*.txt', /no txt in address\.lines\.\*, which has text/u],
    ['contact.fax', /no fax in contact, which has kind, email, phone/u],
    ['name.first', /no first in name, which has no members/u],
    ['attributes.some.thing', /no thing in attributes\.some/u],
    ['tree.children.*.nmae', /no nmae in tree\.children\.\*/u],
  ])('that it does not have are refused before anything is stored: %s', async (path, message) => {
    await expect(opened(nested, path)).rejects.toMatchObject({
      code: 'invalid-definition',
      message: expect.stringMatching(message) as string,
    });
  });

  it('follow references, patterns and alternatives of JSON Schemas', async () => {
    const schema = jsonSchema({
      type: 'object',
      properties: {
        who: { $ref: '#/$defs/person' },
        also: { allOf: [{ $ref: '#/$defs/person' }, { properties: { more: {} } }] },
      },
      patternProperties: { '^x-': { type: 'string' } },
      additionalProperties: false,
      $defs: {
        person: { type: ['object', 'null'], properties: { name: { type: 'string' } }, additionalProperties: false },
      },
    });
    await expect(opened(schema, 'who.name', 'also.name', 'also.more.of.it', 'x-note')).resolves.toBeUndefined();
    await expect(opened(schema, 'who.nmae')).rejects.toMatchObject({ code: 'invalid-definition' });
    await expect(opened(schema, 'y-note')).rejects.toMatchObject({ code: 'invalid-definition' });
  });
});

it('nobody gets a key for an event that has nothing personal in it', async () => {
  const Told = defineEvent({
    type: 'shop.person.told',
    stream: () => 'person-1',
    schema: z.object({ email: z.string().nullish() }),
    personal: { subject, fields: ['email'] },
  });
  const system = await open({ store: memory(), events: [Told] });
  await system.publish(Told, {});
  await system.publish(Told, { email: null });
  expect(await system.forget('p-1')).toEqual({ keys: 0 });
  await system.publish(Told, { email: 'a@b.org' });
  expect(await system.forget('p-1')).toEqual({ keys: 1 });
  await system.close();
});
