import type { CompiledSelection } from '../channel/selection.ts';
import type { Handling } from '../consumer/reaction.ts';
import { InvalidDefinition } from '../errors.ts';
import type { EventDefinition } from '../event/define-event.ts';
import { retractedEvent, retractionId, retractionOf } from '../event/derived-definitions.ts';
import type { RecordedEvent } from '../event/event.ts';

/** What is done for an event, and for one that corrects others or takes one back. */
interface Answers {
  readonly run: (handling: Handling) => void | Promise<void>;
  readonly correct: (
    handling: Handling,
    correction: { readonly event: RecordedEvent | undefined; readonly replaced: readonly RecordedEvent[] },
  ) => void | Promise<void>;
}

/** How an automation that cares for corrections handles events. */
export interface Correcting {
  /** With the facts that take events back. */
  readonly on: readonly EventDefinition[];
  /** What an event takes back, as it was; other events as they are. */
  asItWas(event: RecordedEvent): RecordedEvent;
  handle(handling: Handling, selection: Pick<CompiledSelection, 'matches'>): void | Promise<void>;
}

/**
 * Tells what is new from what corrects something that the automation ran for: what its selection matches, since it handles all of that, in
 * order, but for what it was never given or what was given up.
 *
 * Errors    InvalidDefinition where it is about every event: nothing says what may be taken back.
 */
export function corrections(definitions: readonly EventDefinition[], { run, correct }: Answers): Correcting {
  if (definitions.length === 0)
    throw new InvalidDefinition('automation', 'onCorrection needs definitions in on, whose events may be taken back');
  const retractions = definitions.map((definition) => retractionOf(definition));
  const retracted = new Set<string>(retractions.map(({ type }) => type));
  const asItWas = (event: RecordedEvent) => (retracted.has(event.type) ? retractedEvent(event) : event);

  /** Of events that were taken back those for which it ran, and has heard of no correction: of one that was given up, what that one replaced. */
  async function standing(
    handling: Handling,
    ids: readonly string[],
    selection: Pick<CompiledSelection, 'matches'>,
  ): Promise<readonly RecordedEvent[]> {
    const { source } = handling.event;
    const found = await Promise.all(
      ids.map(async (id): Promise<readonly RecordedEvent[]> => {
        if (await handling.isLeftOut(source, id)) {
          const replaces = (await handling.find(source, id))?.attribute('replaces');
          return typeof replaces === 'string' ? standing(handling, replaces.split(' '), selection) : [];
        }
        const one = await handling.find(source, retractionId(id));
        return one !== undefined && selection.matches(one) ? [retractedEvent(one)] : [];
      }),
    );
    return found.flat();
  }

  /** What takes its place is in the log by the same commit, and is handled as the correction where it is for this automation. */
  async function takenBack(handling: Handling, selection: Pick<CompiledSelection, 'matches'>): Promise<void> {
    const { event } = handling;
    const by = event.attribute('replacedby');
    const next = typeof by === 'string' ? await handling.find(event.source, by) : undefined;
    if (next !== undefined && selection.matches(next)) return;
    const replaced = await standing(handling, [retractedEvent(event).id], selection);
    if (replaced.length > 0) await correct(handling, { event: undefined, replaced });
  }

  async function replacing(
    handling: Handling,
    ids: readonly string[],
    selection: Pick<CompiledSelection, 'matches'>,
  ): Promise<void> {
    const { event } = handling;
    const replaced = await standing(handling, ids, selection);
    if (replaced.length === 0) return run(handling);
    await correct(handling, { event, replaced });
  }

  return {
    on: [...definitions, ...retractions],
    asItWas,
    handle(handling, selection) {
      const { event } = handling;
      if (retracted.has(event.type)) return takenBack(handling, selection);
      const replaces = event.attribute('replaces');
      return typeof replaces === 'string' ? replacing(handling, replaces.split(' '), selection) : run(handling);
    },
  };
}
