import { defineCommand, defineDecider, defineEvent, fact, open, readImage, refuse } from 'thereupon';
import type { StoreFactory } from 'thereupon';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { memory } from '../../src/backends/memory/memory.ts';
import { commandDigest } from '../../src/decider/command-digest.ts';

const subject = ({ customer }: { readonly customer: string }) => customer;
const shape = z.object({ customer: z.string(), pin: z.string() });

const PinChanged = defineEvent({
  type: 'bank.pin.changed',
  stream: subject,
  schema: shape,
  personal: { subject, fields: ['pin'] },
});
const ChangePin = defineCommand({
  name: 'change-pin',
  stream: subject,
  schema: shape,
  personal: { subject },
});
const pins = defineDecider({
  name: 'customer',
  initial: () => ({ changes: 0 }),
  evolve: [[PinChanged, ({ changes }) => ({ changes: changes + 1 })]],
  decide: [
    [
      ChangePin,
      (_state, { data }) =>
        data.pin === '0000'
          ? refuse('weak-pin', `${data.pin} is too easy`, { details: { pin: data.pin } })
          : fact(PinChanged, data),
    ],
  ],
});

const program = (store: StoreFactory) => open({ store, deciders: [pins] });

async function commandsIn(store: StoreFactory): Promise<readonly { readonly digest: string; readonly text: string }[]> {
  const found: { readonly digest: string; readonly text: string }[] = [];
  for await (const page of readImage(store))
    for (const record of page)
      if (record.kind === 'command') found.push({ digest: record.digest, text: JSON.stringify(record) });
  return found;
}

describe('a command about a person', () => {
  it('is known again by a digest that nobody can try out without their key, as long as there is one', async () => {
    const store = memory();
    const data = { customer: 'customer-1', pin: '1234' };
    const first = await program(store);
    await first.execute(ChangePin, data, { id: 'c1' });
    await first.close();
    const [command] = await commandsIn(store);
    expect(command?.digest).toMatch(/^[\w\-]{22}\.[\w\-]{22}$/v);
    expect(command?.digest).not.toContain(commandDigest('change-pin', data));
    const system = await program(store);
    expect(await system.execute(ChangePin, data, { id: 'c1' })).toMatchObject({ accepted: true, duplicate: true });
    const other = { ...data, pin: '4321' };
    await expect(system.execute(ChangePin, other, { id: 'c1' })).rejects.toMatchObject({
      code: 'command-content-conflict',
    });
    await system.forget('customer-1');
    // Nobody can tell any more.
    expect(await system.execute(ChangePin, other, { id: 'c1' })).toMatchObject({ accepted: true, duplicate: true });
    const { events } = await system.events.readStream('customer-1');
    expect(events.map((event) => event.data)).toEqual([{ customer: 'customer-1', pin: '[erased]' }]);
    await system.close();
  });

  it('is refused in words that are stored sealed, read by who asks again, and erased; the reason stays', async () => {
    const store = memory();
    const data = { customer: 'customer-1', pin: '0000' };
    const refused = { accepted: false, reason: 'weak-pin', message: '0000 is too easy', details: { pin: '0000' } };
    const first = await program(store);
    expect(await first.execute(ChangePin, data, { id: 'c1' })).toMatchObject(refused);
    expect(await first.execute(ChangePin, data)).toMatchObject(refused);
    await first.close();
    for (const { text } of await commandsIn(store)) expect(text).not.toMatch(/0000 is|"0000"/v);
    const system = await program(store);
    expect(await system.execute(ChangePin, data, { id: 'c1' })).toMatchObject({ ...refused, duplicate: true });
    await system.forget('customer-1');
    expect(await system.execute(ChangePin, data, { id: 'c1' })).toMatchObject({
      ...refused,
      message: '[erased]',
      details: null,
      duplicate: true,
    });
    await system.close();
  });

  it('whose refusal was altered, or brought there from another one, is an error that names it', async () => {
    const store = memory();
    const system = await program(store);
    const data = { customer: 'customer-1', pin: '0000' };
    await system.execute(ChangePin, data, { id: 'c1' });
    await system.close();
    const [command] = await commandsIn(store);
    const sealed = /"message":(\{[^\}]*\})/v.exec(command?.text ?? '')?.[1];
    const forging: StoreFactory = {
      ...store,
      async open(environment) {
        const opened = await store.open(environment);
        const find = opened.log.findCommand.bind(opened.log);
        opened.log.findCommand = async (id) => {
          const found = await find('c1');
          return found && { ...found, id };
        };
        return opened;
      },
    };
    expect(sealed).toContain('$sealed');
    const forged = await program(forging);
    await expect(forged.execute(ChangePin, data, { id: 'c1' })).resolves.toMatchObject({ duplicate: true });
    await expect(forged.explanations.command('c2')).rejects.toThrow(
      'the outcome of command c2: the sealed value at data.refused.message is not what was sealed there',
    );
    await forged.close();
  });

  it('does not say whose its data is: the program is refused by name', async () => {
    const Silent = defineCommand({ name: 'silent', stream: subject, schema: shape });
    const decider = defineDecider({
      name: 'customer',
      initial: () => ({}),
      evolve: [[PinChanged, (state) => state]],
      decide: [[Silent, (_state, { data }) => fact(PinChanged, data)]],
    });
    await expect(open({ store: memory(), deciders: [decider] })).rejects.toThrow(
      'command silent: is decided by customer with bank.pin.changed, which has personal fields; say whose its data is',
    );
  });
});
