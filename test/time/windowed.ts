import { addToWindows, advanceWindows } from '../../src/time/window-set.ts';
import type { Firing, WindowRules, WindowSet } from '../../src/time/window-set.ts';
import { NO_TIME } from '../../src/time/watermark.ts';

/** Windows by key and a watermark, without a log: what the rules of time say by themselves. */
export class Windowed<Value, Accumulator, Result> {
  readonly #rules: WindowRules<Value, Accumulator, Result>;
  readonly #sets = new Map<string, WindowSet<Accumulator, Result>>();
  /** Events that counted in no window. */
  missed = 0;
  watermarkMs = NO_TIME;

  constructor(rules: WindowRules<Value, Accumulator, Result>) {
    this.#rules = rules;
  }

  add(key: string, timeMs: number, value: Value): readonly Firing<Result>[] {
    const step = addToWindows(this.#rules, this.#sets.get(key) ?? [], { timeMs, value, watermarkMs: this.watermarkMs });
    this.#sets.set(key, step.windows);
    if (step.counted === 0) this.missed += 1;
    return step.firings;
  }

  advance(watermarkMs: number): readonly (Firing<Result> & { readonly key: string })[] {
    if (watermarkMs <= this.watermarkMs) return [];
    this.watermarkMs = watermarkMs;
    return [...this.#sets].flatMap(([key, windows]) => {
      const step = advanceWindows(this.#rules, windows, watermarkMs);
      if (step.windows.length === 0) this.#sets.delete(key);
      else this.#sets.set(key, step.windows);
      return step.firings.map((firing) => ({ ...firing, key }));
    });
  }

  get open(): number {
    return [...this.#sets.values()].reduce((sum, { length }) => sum + length, 0);
  }
}
