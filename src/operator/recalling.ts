import type { Handling, Recalled, RecallFact } from '../consumer/reaction.ts';
import type { EventDefinition } from '../event/define-event.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import type { SystemEventType } from '../event/system-events.ts';
import type { PublishOptions } from '../schema/encode.ts';
import { KeySaying } from './key-saying.ts';
import type { LastEvent } from './key-saying.ts';
import type { Found } from './timed-reaction.ts';

/** What was looked up for an operator, what it has yet to know, and what is to be done once it knows all of it. */
class Recollection {
  readonly #handling: Handling;
  readonly #answers: ReadonlyMap<string, Recalled>;
  readonly asked = new Map<string, RecallFact>();
  readonly #effects: (() => void)[] = [];

  constructor(handling: Handling, answers: ReadonlyMap<string, Recalled>) {
    this.#handling = handling;
    this.#answers = answers;
  }

  recall(fact: RecallFact): Recalled | undefined {
    const name = JSON.stringify([fact.idAt(0), fact.timing ?? null, fact.data ?? null]);
    const known = this.#answers.get(name);
    if (known === undefined) this.asked.set(name, fact);
    return known;
  }

  /** `part`: of what comes of the key it is. */
  later(part: Parameters<Handling['part']>[0] | undefined, act: () => void): void {
    this.#effects.push(part === undefined ? act : () => this.#handling.part(part, act));
  }

  act(): void {
    for (const effect of this.#effects) effect();
  }
}

/** Does nothing before it is known that nothing more is to be looked up. */
class RecallingSaying extends KeySaying {
  readonly #of: Recollection;
  #part: Parameters<Handling['part']>[0] | undefined;

  constructor(
    of: Recollection,
    handling: Handling,
    last: RecordedEvent | LastEvent,
    { found, watermarkMs }: { readonly found: Found[]; readonly watermarkMs: number | undefined },
  ) {
    super(handling, last, found, watermarkMs);
    this.#of = of;
  }

  override get recalls(): boolean {
    return true;
  }

  override recall(fact: RecallFact): Recalled | undefined {
    return this.#of.recall(fact);
  }

  override publish(
    definition: EventDefinition,
    data: unknown,
    options: PublishOptions & { readonly id: string },
  ): Promise<{ readonly id: string }> {
    this.#of.later(this.#part, () => void super.publish(definition, data, options));
    return Promise.resolve({ id: options.id });
  }

  override takeBack(
    definition: EventDefinition,
    event: { readonly id: string; readonly data: unknown },
    options: PublishOptions & { readonly id: string },
  ): Promise<{ readonly id: string }> {
    this.#of.later(this.#part, () => void super.takeBack(definition, event, options));
    return Promise.resolve({ id: options.id });
  }

  override part<Answer>(
    describe: Parameters<Handling['part']>[0],
    act: (edited: RecordedEvent | undefined) => Answer,
  ): Answer | undefined {
    return super.part(describe, (edited) => {
      const whole = this.#part;
      this.#part = describe;
      const answer = act(edited);
      this.#part = whole;
      return answer;
    });
  }

  override report(type: SystemEventType, data: Readonly<Record<string, JsonValue>>): void {
    this.#of.later(this.#part, () => super.report(type, data));
  }

  override tooLate(data: Readonly<Record<string, JsonValue>>, wholly = true): void {
    this.isLate ||= wholly;
    this.#of.later(this.#part, () => super.tooLate(data, wholly));
  }
}

/** How an operator is given what it may say with. */
export type SayingOf = (last: RecordedEvent | LastEvent, found: Found[], watermarkMs?: number) => KeySaying;

/**
 * Lets an operator that is a pure function of what it is given say things which depend on what it said before: as often as it asks for something
 * that has yet to be looked up, it is asked anew.
 */
export function recalling(
  handling: Handling,
  act: (sayingOf: SayingOf) => (() => void) | undefined,
): void | Promise<void> {
  const attempt = (answers: ReadonlyMap<string, Recalled>): Recollection => {
    const recollection = new Recollection(handling, answers);
    const keep = act(
      (last, found, watermarkMs) => new RecallingSaying(recollection, handling, last, { found, watermarkMs }),
    );
    if (recollection.asked.size > 0) return recollection;
    recollection.act();
    keep?.();
    return recollection;
  };
  const first = attempt(new Map());
  return first.asked.size === 0 ? undefined : askedFor(first, handling, attempt);
}

async function askedFor(
  first: Recollection,
  handling: Handling,
  attempt: (answers: ReadonlyMap<string, Recalled>) => Recollection,
): Promise<void> {
  const answers = new Map<string, Recalled>();
  for (let open = first.asked; open.size > 0; open = attempt(answers).asked)
    for (const [name, fact] of open) answers.set(name, await handling.recall(fact));
}
