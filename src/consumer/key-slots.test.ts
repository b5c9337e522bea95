import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KeySlots } from './key-slots.ts';

/** Of one byte a unit and of two, of many hashes and of few, the empty one and halves of pairs too. */
const key = fc.oneof(
  fc.nat(200).map(String),
  fc.string({ unit: 'binary', maxLength: 3 }),
  fc.string({ maxLength: 300 }),
  fc.constantFrom('', '\ud800', 'ÿ', 'Ā'),
);
const steps = fc.array(fc.record({ key, remove: fc.boolean() }), { maxLength: 600 });

describe('slots of keys', () => {
  test('know every key that was added and not removed, whatever its characters, and give no slot twice', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 32 - 1 }), steps, (seed, all) => {
        const slots = new KeySlots(seed);
        const model = new Map<string, number>();
        for (const step of all) {
          const known = slots.find(step.key);
          expect(known).toBe(model.get(step.key));
          if (known === undefined) model.set(step.key, slots.add(step.key));
          else if (step.remove) {
            slots.remove(known);
            model.delete(step.key);
          }
          expect(slots.size).toBe(model.size);
        }
        for (const [each, slot] of model) {
          expect(slots.find(each)).toBe(slot);
          expect(slots.keyOf(slot)).toBe(each);
        }
        expect(new Set(model.values()).size).toBe(model.size);
        expect(Math.max(-1, ...model.values())).toBeLessThan(all.length);
      }),
    );
  });

  test('use slots and room again, however many keys come and go', () => {
    const slots = new KeySlots(1);
    for (let n = 0; n < 100_000; n += 1) {
      expect(slots.add(`key-${n}`)).toBeLessThan(101);
      if (n >= 100) slots.remove(slots.find(`key-${n - 100}`) ?? -1);
    }
    expect(slots.size).toBe(100);
    for (let n = 99_900; n < 100_000; n += 1) expect(slots.keyOf(slots.find(`key-${n}`) ?? -1)).toBe(`key-${n}`);
  });
});
